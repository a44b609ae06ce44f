import { pino } from 'pino';
import { errorMessage } from '../core/errors.ts';

/** Writes one line: the message is a constant, the facts are fields. */
export type Log = (level: 'info' | 'warn' | 'error', message: string, facts?: object) => void;

/** The log: JSON lines on standard error. The message is constant, the facts are fields. */
export function createLog(level: 'info' | 'warn' | 'error' | 'silent' = 'info'): Log {
  const logger = pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, pino.destination(2));
  return (severity, message, facts = {}) => logger[severity](facts, message);
}

/** Logs that a rollout cannot be read and is left out: each rollout once. */
export function logUnreadable(log: Log): (row: { readonly id: string }, error: unknown) => void {
  const told = new Set<string>();
  return ({ id }, error) => {
    if (told.has(id)) return;
    told.add(id);
    log('warn', 'a rollout cannot be read and is left out', { rollout: id, error: errorMessage(error) });
  };
}
