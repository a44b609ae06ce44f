import { pino } from 'pino';

/** Writes one line: the message is a constant, the facts are fields. */
export type Log = (level: 'info' | 'warn' | 'error', message: string, facts?: object) => void;

/** The log: JSON lines on standard error. The message is constant, the facts are fields. */
export function createLog(level: 'info' | 'warn' | 'error' | 'silent' = 'info'): Log {
  const logger = pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, pino.destination(2));
  return (severity, message, facts = {}) => logger[severity](facts, message);
}
