import { connect } from 'node:net';
import type { Socket } from 'node:net';

/**
 * The load generator: keeps one request in flight on each of its connections, over raw sockets, and counts what comes
 * back. It only looks for the ends of messages: the declared length, or the zero chunk.
 */
interface Order {
  readonly port: number;
  readonly connections: number;
  readonly ms: number;
  readonly body: string;
}

process.on('message', (order: Order) => {
  void run(order).then((result) => process.send?.(result));
});
process.on('disconnect', () => process.exit(0));

async function run(order: Order): Promise<{ requests: number; failures: number; elapsedMs: number }> {
  const agents = Array.from({ length: order.connections }, (_, i) => requestFor(order, i));
  const result = { requests: 0, failures: 0 };
  const startedAt = performance.now();
  const until = startedAt + order.ms;
  await Promise.all(agents.map((request) => keepBusy(order.port, request, until, result)));
  return { ...result, elapsedMs: performance.now() - startedAt };
}

function requestFor({ port, body }: Order, agent: number): Buffer {
  return Buffer.from(
    [
      'POST /v1/chat/completions HTTP/1.1',
      `host: 127.0.0.1:${port}`,
      'connection: keep-alive',
      'content-type: application/json',
      `authorization: Bearer hf_bench_${agent}`,
      'user-agent: OpenAI/JS 7.57.0',
      `x-agent-id: agent-${agent}`,
      'accept: application/json',
      'accept-encoding: gzip, deflate',
      `content-length: ${Buffer.byteLength(body)}`,
      '',
      body,
    ].join('\r\n'),
  );
}

const ZERO_CHUNK = Buffer.from('0\r\n\r\n');

function keepBusy(
  port: number,
  request: Buffer,
  until: number,
  result: { requests: number; failures: number },
): Promise<void> {
  return new Promise((resolve) => {
    const socket: Socket = connect({ port, host: '127.0.0.1', noDelay: true });
    let remaining = -1; // bytes of the message still to come; -1: its head; -2: chunked
    let head = '';
    const fail = (): void => {
      result.failures++;
      socket.destroy();
    };
    socket.on('error', fail);
    socket.on('close', () => resolve());
    socket.on('connect', () => socket.write(request));
    socket.on('data', (data: Buffer) => {
      if (remaining === -1) {
        head += data.toString('latin1');
        const end = head.indexOf('\r\n\r\n');
        if (end < 0) return;
        if (!head.startsWith('HTTP/1.1 200')) {
          fail();
          return;
        }
        const length = /\r\ncontent-length: *(\d+)/i.exec(head);
        const extra = head.length - end - 4;
        head = '';
        remaining = length === null ? -2 : Number(length[1]) - extra;
        if (remaining === -2 && extra < 5) return;
      } else if (remaining > 0) remaining -= data.length;
      const isDone = remaining === -2 ? data.subarray(-5).equals(ZERO_CHUNK) : remaining <= 0;
      if (!isDone) return;
      remaining = -1;
      result.requests++;
      if (performance.now() < until) socket.write(request);
      else socket.end();
    });
  });
}
