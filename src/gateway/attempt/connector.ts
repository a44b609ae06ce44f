import type { Socket } from 'node:net';
import type { buildConnector } from 'undici';
import { HeadFilter } from './head-filter.ts';

/** Errors of connections on which a byte of the answer had come. */
const ANSWERED = new WeakSet<Error>();

/** Whether a byte of an answer came before a connection failed with this error. */
export function wasAnswered(error: Error): boolean {
  return ANSWERED.has(error);
}

/** A connector whose connections read answers through a filter (`HeadFilter`), and note how far an answer came. */
export function filtered(connect: buildConnector.connector): buildConnector.connector {
  return (options, callback) => {
    connect(options, (...result) => {
      if (result[0] === null) filter(result[1]);
      callback(...result);
    });
  };
}

/** Puts the filter between a socket and undici, which reads with `read` and begins each request with a `write`. */
function filter(socket: Socket): void {
  const heads = new HeadFilter();
  const read = socket.read.bind(socket) as (size?: number) => Buffer | null;
  const write = socket.write.bind(socket) as (...args: readonly unknown[]) => boolean;
  socket.read = (size?: number) => {
    for (;;) {
      const piece = read(size);
      if (piece === null) return null;
      const passed = heads.take(piece);
      if (passed.length > 0) return passed;
    }
  };
  socket.write = (...args: readonly unknown[]) => {
    if (beginsRequest(args[0])) heads.sent();
    return write(...args);
  };
  socket.on('error', (error) => {
    if (heads.hasAnswer) ANSWERED.add(error);
  });
}

/** A head is text that begins with a method; the text between the pieces of a body begins with a line end. */
function beginsRequest(data: unknown): boolean {
  return typeof data === 'string' && data.charCodeAt(0) >= 0x41;
}
