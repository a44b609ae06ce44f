import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { EventSplicer } from '../../src/gateway/attempt/splice.ts';
import { MODEL, SSE, chat, startRig, startUpstream } from './rig.ts';

const SERVED = '/repository';
const MARK = '\ufeff';
const event = (content: string, model: string) => JSON.stringify({ model, choices: [{ delta: { content, model } }] });

/** Lines of a stream, as the endpoint sends them and as the client gets them. */
const LINES: readonly (readonly [sent: string, got: string])[] = [
  [`data: ${event('a', SERVED)}`, `data: ${event('a', SERVED).replace(SERVED, MODEL)}`],
  [`data:${event('模型 🤗', SERVED)}`, `data:${event('模型 🤗', SERVED).replace(SERVED, MODEL)}`],
  [`data: {"choices":[],"model" : "${SERVED}"}`, `data: {"choices":[],"model" : "${MODEL}"}`],
  ['data: [DONE]', 'data: [DONE]'],
  [`: {"model":"${SERVED}"}`, `: {"model":"${SERVED}"}`],
  ['event: message', 'event: message'],
  ['data', 'data'],
  ['', ''],
];
const lineOf = fc.record({ line: fc.constantFrom(...LINES), end: fc.constantFrom('\n', '\r', '\r\n') });

test('however lines end and however a stream is cut, it is renamed, and whole lines are not held back', () => {
  const stream = fc.record({
    lines: fc.array(lineOf, { maxLength: 12 }),
    last: fc.constantFrom(...LINES),
    hasMark: fc.boolean(),
    cuts: fc.array(fc.nat(2_000)),
  });
  fc.assert(
    fc.property(stream, ({ lines, last, hasMark, cuts }) => {
      const mark = hasMark ? MARK : '';
      const sent = Buffer.from(mark + lines.map(({ line, end }) => line[0] + end).join('') + last[0]);
      const got = mark + lines.map(({ line, end }) => line[1] + end).join('') + last[1];
      const ends = [...new Set(cuts.map((cut) => cut % (sent.length + 1)))].toSorted((a, b) => a - b);
      const splicer = new EventSplicer(MODEL);
      let passed = '';
      let from = 0;
      for (const end of [...ends, sent.length]) {
        passed += splicer.push(sent.subarray(from, end)).toString('latin1');
        from = end;
        const seen = sent.toString('latin1', 0, end).split(/\r\n|\r|\n/).length;
        assert.equal(passed.split(/\r\n|\r|\n/).length, seen, 'each line that has come has been passed on');
      }
      passed += splicer.flush().toString('latin1');
      assert.equal(Buffer.from(passed, 'latin1').toString(), got);
    }),
  );
});

test('a line longer than a megabyte passes unchanged, and the lines after it are renamed, however they end', () => {
  for (const end of ['\n', '\r', '\r\n']) {
    const splicer = new EventSplicer(MODEL);
    const long = `data: {"model":"${SERVED}","x":"${'x'.repeat(1024 * 1024)}`;
    const pieces = [long, `"}${end}data: {"model":"${SERVED}"}${end}`];
    const passed = pieces.map((piece) => splicer.push(Buffer.from(piece)).toString());
    assert.deepEqual(passed, [long, `"}${end}data: {"model":"${MODEL}"}${end}`]);
  }
});

for (const end of ['\n', '\r', '\r\n']) {
  test(`the client gets each event of a renamed stream as it is made if lines end with ${JSON.stringify(end)}`, async () => {
    const asks: PromiseWithResolvers<void>[] = [0, 1, 2].map(() => Promise.withResolvers<void>());
    await using router = await startUpstream(() => undefined);
    await using endpoint = await startUpstream((res) => {
      res.writeHead(200, SSE);
      // The next event is made only when the client has the one before.
      void (async () => {
        for (const { promise } of asks) {
          res.write(`data: ${event('a', SERVED)}${end}${end}`);
          await promise;
        }
        res.end(`data: [DONE]${end}${end}`);
      })();
    });
    await using rig = await startRig({
      router: router.url,
      endpoint: endpoint.url,
      canary: { servedModel: SERVED },
    });
    const request = { method: 'POST', body: chat({ stream: true }) };
    const answer = await fetch(`${rig.url}/v1/chat/completions`, request);
    let text = '';
    for await (const piece of (answer.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream())) {
      text += piece;
      const whole = text.split(`${end}${end}`).length - 1;
      for (const { resolve } of asks.slice(0, whole)) resolve();
    }
    const renamed = `data: ${event('a', SERVED).replace(SERVED, MODEL)}${end}${end}`;
    assert.equal(text, `${renamed.repeat(3)}data: [DONE]${end}${end}`);
  });
}
