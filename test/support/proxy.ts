import { createServer } from 'node:http';
import { connect } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

/** A host of which only the proxy knows where it is: nothing listens there. */
export const OUTSIDE = 'http://127.0.0.2:1025';

export interface Proxy extends AsyncDisposable {
  readonly url: string;
  /** The hosts that tunnels were asked for, with the credentials if any were sent. */
  readonly asked: string[];
}

/** A proxy whose tunnels all lead to one port of this machine. `status`: what it answers; a tunnel opens with 200. */
export async function startProxy(port: number, status = 200): Promise<Proxy> {
  const asked: string[] = [];
  const sockets = new Set<Socket>();
  const keep = (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
  };
  const server = createServer((_, res) => res.writeHead(400).end());
  server.on('connection', keep);
  server.on('connect', ({ url = '', headers }, socket: Socket) => {
    asked.push([url, headers['proxy-authorization']].filter((part) => part !== undefined).join(' '));
    if (status !== 200) return socket.end(`HTTP/1.1 ${status} No\r\ncontent-length: 0\r\n\r\n`);
    const far = connect(port, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      far.pipe(socket).pipe(far);
    });
    return keep(far);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    [Symbol.asyncDispose]: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}
