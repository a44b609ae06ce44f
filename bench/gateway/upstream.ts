import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

/**
 * The upstream of the bench: answers each request at once with prepared bytes, so that it costs far less than what is
 * measured. A body with `"stream":true` gets 100 events in separate chunks, any other a whole answer of 1 KB.
 */

const EVENTS = 100;
const USAGE = { prompt_tokens: 70, completion_tokens: 100, total_tokens: 170 };

function whole(): Buffer {
  const body = JSON.stringify({
    id: 'chatcmpl-1',
    object: 'chat.completion',
    created: 1764000000,
    model: 'acme/tiny',
    choices: [{ index: 0, message: { role: 'assistant', content: 'word '.repeat(155) }, finish_reason: 'stop' }],
    usage: USAGE,
  });
  return Buffer.from(
    `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ndate: Mon, 23 Nov 2026 10:00:00 GMT\r\nx-request-id: 0123456789\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

function event(value: object): Buffer {
  const text = `data: ${JSON.stringify({ id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1764000000, model: 'acme/tiny', ...value })}\n\n`;
  return chunk(text);
}

function chunk(text: string): Buffer {
  return Buffer.from(`${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`);
}

function choice(delta: object, finish: string | null): object {
  return { choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }] };
}

const HEAD = Buffer.from(
  'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ndate: Mon, 23 Nov 2026 10:00:00 GMT\r\ntransfer-encoding: chunked\r\n\r\n',
);
const WHOLE = whole();
const FIRST = event(choice({ role: 'assistant', content: '' }, null));
const WORD = event(choice({ content: ' word' }, null));
const LAST = Buffer.concat([
  event(choice({}, 'stop')),
  event({ choices: [], usage: USAGE }),
  chunk('data: [DONE]\n\n'),
  Buffer.from('0\r\n\r\n'),
]);

// One write per event and turn of the event loop, so that the proxy gets each event as its own chunk.
function stream(socket: Socket): void {
  let sent = 0;
  const next = (): void => {
    if (socket.destroyed) return;
    if (sent === 0) socket.write(Buffer.concat([HEAD, FIRST]));
    else if (sent < EVENTS - 1) socket.write(WORD);
    else {
      socket.write(LAST);
      return;
    }
    sent++;
    setImmediate(next);
  };
  next();
}

const server = createServer({ noDelay: true }, (socket) => {
  let buffered: Buffer = Buffer.alloc(0);
  socket.on('error', () => socket.destroy());
  socket.on('data', (data: Buffer) => {
    buffered = buffered.length === 0 ? data : Buffer.concat([buffered, data]);
    for (;;) {
      const end = buffered.indexOf('\r\n\r\n');
      if (end < 0) return;
      const head = buffered.toString('latin1', 0, end);
      const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
      if (buffered.length < end + 4 + length) return;
      const isStream = buffered.subarray(end + 4, end + 4 + Math.min(length, 64)).includes('"stream":true');
      buffered = buffered.subarray(end + 4 + length);
      if (isStream) stream(socket);
      else socket.write(WHOLE);
    }
  });
});

process.on('disconnect', () => process.exit(0));
server.listen(0, '127.0.0.1', () => {
  process.send?.({ port: (server.address() as AddressInfo).port });
});
