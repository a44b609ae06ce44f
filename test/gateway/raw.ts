import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { MODEL, chatAnswer } from './rig.ts';

export interface RawUpstream extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** Requests so far. */
  readonly asked: number;
}

/**
 * An upstream that answers with bytes. `answer`: called for each request of a connection, `n` counted from 1, once its
 * head is there; requests are small enough to come in one piece.
 */
export async function startRaw(answer: (socket: Socket, n: number) => void): Promise<RawUpstream> {
  let asked = 0;
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    let n = 0;
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('data', (data: Buffer) => {
      if (!data.includes('HTTP/1.1\r\n')) return;
      asked++;
      answer(socket, ++n);
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    get asked() {
      return asked;
    },
    [Symbol.asyncDispose]: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

export const BODY = JSON.stringify(chatAnswer(MODEL));
export const LENGTH = `Content-Type: application/json\r\nContent-Length: ${BODY.length}\r\n`;
/** The whole answer to a chat. */
export const WHOLE = `HTTP/1.1 200 OK\r\n${LENGTH}\r\n${BODY}`;
