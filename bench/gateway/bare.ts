import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Pool } from 'undici';

// The proxy that the gateway is compared with: node:http and undici, and only what every proxy needs.
const HOP = new Set(['host', 'connection', 'content-length', 'transfer-encoding', 'keep-alive']);

const pool = new Pool(process.argv[2] as string, { connections: null, allowH2: false });
const server = createServer((req, res) => {
  const chunks: Buffer[] = [];
  req.on('data', (chunk: Buffer) => chunks.push(chunk));
  req.on('end', () => {
    const headers = req.rawHeaders.filter((_, i, all) => !HOP.has((all[i - (i % 2)] as string).toLowerCase()));
    const body = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks);
    let whole: Buffer[] | null = null;
    pool.dispatch(
      { path: req.url as string, method: req.method as string, headers, body },
      {
        onRequestStart() {},
        onResponseStart(_, status, answer) {
          for (const name of HOP) if (name !== 'content-length') delete answer[name];
          res.writeHead(status, answer);
          if (answer['content-length'] === undefined) res.flushHeaders();
          else whole = [];
        },
        onResponseData(controller, chunk) {
          if (whole !== null) whole.push(chunk);
          else if (!res.write(chunk)) {
            controller.pause();
            res.once('drain', () => controller.resume());
          }
        },
        onResponseEnd() {
          if (whole === null) res.end();
          else res.end(whole.length === 1 ? whole[0] : Buffer.concat(whole));
        },
        onResponseError() {
          res.destroy();
        },
      },
    );
  });
});
process.on('disconnect', () => process.exit(0));
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }));
