import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { POLICY_DEFAULTS } from '../../src/core/policy/defaults.ts';
import { readProxies } from '../../src/core/wire/proxy.ts';
import { HeadFilter } from '../../src/gateway/attempt/head-filter.ts';
import { OUTSIDE, startProxy } from '../support/proxy.ts';
import { BODY, LENGTH, WHOLE, startRaw } from './raw.ts';
import { ask, chat, startRig } from './rig.ts';

const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n';
const HINTS = 'HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n';

/** Calls twice on one connection: what comes before an answer must not be taken for the next one. */
async function callTwice(url: string, options: { readonly proxies?: ReturnType<typeof readProxies> } = {}) {
  await using rig = await startRig({ router: url, care: POLICY_DEFAULTS.care, ...options });
  const answers = [await ask(rig.url, { body: chat() }), await ask(rig.url, { body: chat() })];
  const outcomes = (await rig.recorded(2)).map(({ outcome, attempts }) => [outcome, attempts.length]);
  assert.deepEqual(outcomes, [
    ['ok', 1],
    ['ok', 1],
  ]);
  for (const { status, body } of answers) assert.deepEqual([status, body], [200, BODY]);
  return answers;
}

const UNASKED: Readonly<Record<string, readonly string[]>> = {
  'a 100': [CONTINUE + WHOLE],
  'two of them': [CONTINUE + CONTINUE + WHOLE],
  'one of HTTP/1.0': ['HTTP/1.0 100 Continue\r\n\r\n', WHOLE],
  'one with headers': [`HTTP/1.1 100 Continue\r\nServer: x\r\nContent-Length: 0\r\n\r\n${WHOLE}`],
  'one without a reason': [`HTTP/1.1 100\r\n\r\n${WHOLE}`],
  'one in pieces': ['HTT', 'P/1.1 1', '00 Continue\r', '\n\r', '\nHTTP/1.1', WHOLE.slice(8)],
  'a 102': [`HTTP/1.1 102 Processing\r\n\r\n${WHOLE}`],
  'a 103, then a 100': [HINTS + CONTINUE + WHOLE],
  'a 100, then a 103 in pieces': [CONTINUE + HINTS.slice(0, 5), HINTS.slice(5, -2), HINTS.slice(-2), WHOLE],
};

for (const [what, pieces] of Object.entries(UNASKED)) {
  test(`the answer after what nobody asked for reaches the client: ${what}`, async () => {
    await using upstream = await startRaw((socket) => {
      // Without delay, each write is a piece of its own most of the time; the property below cuts everywhere.
      socket.setNoDelay(true);
      for (const piece of pieces) socket.write(piece);
    });
    await callTwice(upstream.url);
    assert.equal(upstream.asked, 2);
  });
}

test('the same holds in a tunnel of a proxy', async () => {
  await using upstream = await startRaw((socket) => socket.write(CONTINUE + WHOLE));
  await using proxy = await startProxy(upstream.port);
  await callTwice(OUTSIDE, { proxies: readProxies({ HTTP_PROXY: proxy.url }) });
  assert.equal(proxy.asked.length, 1);
});

const CONTROLS = ['\0', '\u0001', '\b', '\v', '\f', '\u001b', '\u001f', '\u007f'];

test('a control character in a header is a space, and everything else in it stays', async () => {
  const values = [...CONTROLS.map((each) => `a${each}b`), `${CONTROLS.join('')}x`];
  for (const value of values) {
    const head = `HTTP/1.1 200 OK\r\nX-Odd: ${value}\r\nX-Fine: caf\u00e9\t1\r\n`;
    await using upstream = await startRaw((socket) => socket.write(`${head}${LENGTH}\r\n${BODY}`, 'latin1'));
    for (const { headers } of await callTwice(upstream.url)) {
      const clean = CONTROLS.reduce((text, each) => text.replaceAll(each, ' '), value);
      assert.deepEqual([headers['x-odd'], headers['x-fine']], [clean.trim(), 'caf\u00e9\t1']);
    }
  }
});

test('however an answer is cut into pieces, its body stays, each 100 goes, and control characters are spaces', () => {
  const interim = fc.constantFrom(
    CONTINUE,
    HINTS,
    'HTTP/1.1 102 P\u0001\r\n\r\n',
    'HTTP/1.0 100\r\nA: b\u007f\r\n\r\n',
  );
  const field = fc.constantFrom('A: b', 'X: \u0001\0', 'X-Long: '.padEnd(80, 'x'), 'Y: HTTP/1.1 100 Continue');
  const head = fc.tuple(fc.constantFrom('HTTP/1.1 200 OK', 'HTTP/1.1 500 \u0002', 'SSH-2.0'), fc.array(field));
  const body = fc.constantFrom('', '\u0001', `${CONTINUE}\0`, '\r\n\r\n\r\n', '{"a":"\u007f"}');
  const answer = fc.record({ interims: fc.array(interim, { maxLength: 3 }), head, body, cuts: fc.array(fc.nat(400)) });
  fc.assert(
    fc.property(fc.array(answer, { minLength: 1, maxLength: 3 }), (answers) => {
      const filter = new HeadFilter();
      for (const {
        interims,
        head: [first, fields],
        body: rest,
        cuts,
      } of answers) {
        const last = `${[first, ...fields].join('\r\n')}\r\n\r\n`;
        const heads = first.startsWith('HTTP') ? [...interims, last] : [last];
        const sent = heads.join('') + rest;
        const ends = [...new Set(cuts.map((cut) => cut % sent.length))].toSorted((a, b) => a - b);
        filter.sent();
        assert.equal(filter.hasAnswer, false);
        const passed = [0, ...ends].map((from, i) => filter.take(Buffer.from(sent.slice(from, ends[i]), 'latin1')));
        const kept = heads.filter((each) => !/^HTTP\/1.[01] 100/.test(each)).join('');
        // oxlint-disable-next-line no-control-regex -- these are what is replaced
        const expected = kept.replaceAll(/[\0\u0001\u0002\u007f]/g, ' ') + rest;
        assert.equal(Buffer.concat(passed).toString('latin1'), expected);
        assert.equal(filter.hasAnswer, true);
      }
    }),
  );
});

const BREAKS: readonly (readonly [how: string, end: 'destroySoon' | 'resetAndDestroy'])[] = [
  ['closed', 'destroySoon'],
  ['reset', 'resetAndDestroy'],
];

for (const [how, end] of BREAKS) {
  test(`a connection that is ${how} after any byte of an answer has answered: the call is sent once`, async () => {
    const whole = CONTINUE + WHOLE;
    const lengths = [1, 8, 11, 12, CONTINUE.length, CONTINUE.length + 3, CONTINUE.length + 30, whole.length - 1];
    for (const length of lengths) {
      await using upstream = await startRaw((socket) => {
        socket.write(whole.slice(0, length), () => socket[end]());
      });
      await using rig = await startRig({ router: upstream.url, care: POLICY_DEFAULTS.care });
      const answer = await ask(rig.url, { body: chat() });
      assert.deepEqual([answer.status, upstream.asked], [502, 1], `${length} bytes`);
      const [call] = await rig.recorded(1);
      assert.deepEqual([call?.outcome, call?.attempts.length], ['broken_stream', 1], `${length} bytes`);
    }
  });

  test(`a connection that is ${how} before a byte of an answer has failed: the call is sent again`, async () => {
    let left = 1;
    await using upstream = await startRaw((socket) => (left-- > 0 ? socket[end]() : socket.write(WHOLE)));
    await using rig = await startRig({ router: upstream.url, care: POLICY_DEFAULTS.care });
    assert.deepEqual([(await ask(rig.url, { body: chat() })).status, upstream.asked], [200, 2]);
    assert.equal((await rig.recorded(1))[0]?.outcome, 'connect_failed');
  });
}
