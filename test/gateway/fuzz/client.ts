import { connect } from 'node:net';
import type { Socket } from 'node:net';

/** A request, or several, as bytes on a wire, and how their sender goes away. */
export interface Odd {
  readonly kind: string;
  /** What is in its `x-call`. */
  readonly call: string;
  /** Written one by one, the loop turning in between. */
  readonly pieces: readonly Buffer[];
  /**
   * What the sender does once all is written: `wait` for the answers, `half` close and read on, `left` when an upstream has
   * the request or anything came back, `gone` and `reset` at once.
   */
  readonly parting: 'wait' | 'half' | 'left' | 'gone' | 'reset';
  /** Answers to wait for. */
  readonly answers: number;
  /** Whether the sender reads nothing. */
  readonly isDeaf?: boolean;
  /** Each answer's status; anything where it is missing. */
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

/** Sends a request and hears what comes back until the connection is closed. `seen` resolves when an upstream has it. */
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
    // The gateway ends a connection after some answers; ours ends with it.
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
    // The gateway may refuse it because of a limit: no upstream sees it then, and who is deaf must still notice.
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

/** The whole answers in what was read, those of 1xx left out; an answer without a length ends with the connection. */
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

/** The index behind the last chunk; -1 where it has not come. */
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
