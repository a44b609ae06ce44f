import { connect } from 'node:net';
import type { Socket } from 'node:net';

/** One or several requests as bytes, and how their sender closes the connection. */
export interface Odd {
  readonly kind: string;
  /** The value of its `x-call` header. */
  readonly call: string;
  /** Written one by one, each in a new turn of the event loop. */
  readonly pieces: readonly Buffer[];
  /**
   * What the sender does after it has written everything: `wait` reads the answers, `half` closes its side and reads
   * on, `left` leaves when an upstream has the request or anything came back, `gone` and `reset` leave at once.
   */
  readonly parting: 'wait' | 'half' | 'left' | 'gone' | 'reset';
  /** Answers to wait for. */
  readonly answers: number;
  /** Whether the sender reads nothing. */
  readonly isDeaf?: boolean;
  /** Each answer's status; any status if it is absent. */
  readonly allowed?: readonly number[];
  /** Whether the answer may be lost: Node refuses the head and closes while the sender still writes. */
  readonly mayBeLost?: boolean;
  /** Whether each answer must hold the call's id, in the order of the requests. */
  readonly isEchoed?: boolean;
}

export interface Heard {
  readonly statuses: readonly number[];
  readonly text: string;
}

/** Sends a request and reads until the connection is closed. `seen`: resolves when an upstream has the request. */
export async function send(port: number, odd: Odd, seen: Promise<void>): Promise<Heard> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  socket.on('close', () => resolve());
  socket.on('error', () => undefined);
  let text = '';
  const { promise: satisfied, resolve: satisfy } = Promise.withResolvers<void>();
  if (odd.isDeaf === true) socket.pause();
  else {
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      if (answersIn(text).length >= odd.answers) satisfy();
    });
    // The gateway closes the connection after some answers: then this side closes as well.
    socket.on('end', () => socket.end());
  }
  for (const piece of odd.pieces) {
    if (socket.destroyed) break;
    socket.write(piece);
    await turn();
  }
  await leave(socket, odd, { seen, satisfied, closed });
  await closed;
  return { statuses: answersIn(text).map(({ status }) => status), text };
}

async function leave(
  socket: Socket,
  odd: Odd,
  { seen, satisfied, closed }: { seen: Promise<void>; satisfied: Promise<void>; closed: Promise<void> },
): Promise<void> {
  if (odd.parting === 'gone') socket.destroy();
  else if (odd.parting === 'reset') socket.resetAndDestroy();
  else if (odd.parting === 'half') socket.end();
  else {
    const reasons = [satisfied, closed];
    if (odd.parting === 'left') reasons.push(seen);
    // The gateway may refuse the request because of a limit. Then no upstream sees it, and this sender may not read.
    if (odd.isDeaf === true) reasons.push(new Promise((resolve) => void socket.once('readable', () => resolve())));
    await Promise.race(reasons);
    if (odd.parting === 'left') socket.destroy();
    else socket.end();
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

interface Answer {
  readonly status: number;
  readonly body: string;
}

/** The complete answers in what was read, without those of 1xx. An answer without a length ends with the connection. */
export function answersIn(text: string): Answer[] {
  const answers: Answer[] = [];
  for (let at = 0; ;) {
    const end = text.indexOf('\r\n\r\n', at);
    if (end < 0) return answers;
    const head = text.slice(at, end);
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(head)?.[1] ?? Number.NaN);
    at = end + 4;
    if (status >= 100 && status < 200) continue;
    const length = /\r\ncontent-length: (\d+)/i.exec(head)?.[1];
    const start = at;
    if (length !== undefined) at += Number(length);
    else if (/\r\ntransfer-encoding: chunked/i.test(head)) at = chunksEnd(text, at);
    else at = text.length;
    if (at < 0 || at > text.length) return answers;
    answers.push({ status, body: text.slice(start, at) });
  }
}

/** The index after the last chunk; -1 if it has not come. */
function chunksEnd(text: string, from: number): number {
  for (let at = from; ;) {
    const end = text.indexOf('\r\n', at);
    if (end < 0) return -1;
    const size = Number.parseInt(text.slice(at, end), 16);
    at = end + 2 + size + 2;
    if (at > text.length) return -1;
    if (size === 0) return at;
  }
}
