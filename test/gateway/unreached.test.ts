import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { Pool } from 'undici';
import { POLICY_DEFAULTS } from '../../src/core/policy/defaults.ts';
import { certificateRemedy } from '../../src/core/wire/certificates.ts';
import { Unreached } from '../../src/gateway/attempt/unreached.ts';
import type { Log } from '../../src/gateway/shared.ts';
import { eventually } from '../support/waiting.ts';
import { MODEL, ask, chat, chatAnswer, json, startRig, startUpstream } from './rig.ts';

type Line = Parameters<Log>;
const failure = (code: string) => Object.assign(new Error('no connection'), { code });

test('a problem with a certificate is logged with what to do about it, and others without', () => {
  const table: [code: string, remedy: RegExp | null][] = [
    ['DEPTH_ZERO_SELF_SIGNED_CERT', /NODE_EXTRA_CA_CERTS/],
    ['SELF_SIGNED_CERT_IN_CHAIN', /NODE_EXTRA_CA_CERTS/],
    ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', /NODE_EXTRA_CA_CERTS/],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', /NODE_EXTRA_CA_CERTS/],
    ['CERT_HAS_EXPIRED', /clock/],
    ['ERR_TLS_CERT_ALTNAME_INVALID', /another host/],
    ['ECONNREFUSED', null],
    ['', null],
  ];
  for (const [code, remedy] of table) {
    const lines: Line[] = [];
    const warn = (...line: [string, Record<string, unknown>]) => lines.push(['warn', ...line]);
    new Unreached(warn, () => 0).note('connect_failed', 'https://router.example', failure(code), 0);
    const [[, , facts] = []] = lines;
    assert.equal(facts?.['upstream'], 'https://router.example');
    assert.ok(String(facts?.['error']).includes(code));
    if (remedy === null) assert.equal(facts?.['remedy'] ?? certificateRemedy(code), null);
    else assert.match(String(facts?.['remedy']), remedy);
  }
});

test('the same problem of an upstream is logged once in a minute', () => {
  const lines: Line[] = [];
  const unreached = new Unreached(
    (message, facts) => lines.push(['warn', message, facts]),
    () => 0,
  );
  const note = (origin: string, code: string, at: number) =>
    unreached.note('connect_failed', origin, failure(code), at);
  for (const at of [0, 1, 59_999, 60_000, 60_001, 120_000]) note('https://a', 'ECONNREFUSED', at);
  assert.equal(lines.length, 3);
  note('https://b', 'ECONNREFUSED', 120_001);
  note('https://a', 'ENOTFOUND', 120_001);
  assert.equal(lines.length, 5);
});

test('the log says why a call found no upstream', async () => {
  const lines: Line[] = [];
  await using rig = await startRig({ router: 'http://127.0.0.1:1025', log: (...line) => lines.push(line) });
  for (let n = 0; n < 3; n++) assert.equal((await ask(rig.url, { body: chat() })).status, 502);
  assert.deepEqual(
    lines.map(([level, message, facts]) => [level, message, facts['upstream']]),
    [['warn', 'an upstream cannot be reached', 'http://127.0.0.1:1025']],
  );
  assert.match(String(lines[0]?.[2]['error']), /ECONNREFUSED/);
});

const LACKING = ['EMFILE', 'ENFILE', 'EADDRNOTAVAIL', 'ENOBUFS', 'ENOMEM', 'ENETDOWN'];

test('what this machine cannot send is counted, with its last reason, for calls and for copies', async () => {
  await using router = await startUpstream((res) => json(res, 200, chatAnswer(MODEL)));
  const endpoint = 'http://127.0.0.1:1025';
  let code = '';
  await using rig = await startRig({
    router: router.url,
    endpoint,
    canary: { step: 0, weight: 0, shadow: { share: 1, concurrency: 8, calls: 100, exclude: new Set() } },
    dispatcherFor: (origin) =>
      new Pool(origin, {
        connect: ({ hostname, port }, callback) => {
          if (origin === endpoint) return callback(failure(code), null);
          const socket = connect(Number(port), hostname, () => callback(null, socket));
        },
      }),
  });
  assert.equal(rig.gateway.localTrouble(), null);
  for (const [n, each] of LACKING.entries()) {
    code = each;
    const body = chat();
    assert.equal((await ask(rig.url, { body })).status, 200);
    const seen = await eventually('the copy is counted', () => {
      const now = rig.gateway.localTrouble();
      return now?.attempts === n + 1 ? now : null;
    });
    assert.match(seen.error, new RegExp(each));
    assert.ok(Math.abs(seen.lastAt - rig.clock.now()) < 60_000);
  }
  code = 'ECONNREFUSED';
  await ask(rig.url, { body: chat() });
  await eventually('the copy is over', () => rig.shadows.length === LACKING.length + 1);
  assert.equal(rig.gateway.localTrouble()?.attempts, LACKING.length);
});

test('a call that this machine cannot send is counted once for each attempt', async () => {
  await using rig = await startRig({
    router: 'http://127.0.0.1:1025',
    dispatcherFor: (origin) => new Pool(origin, { connect: (_, callback) => callback(failure('EMFILE'), null) }),
  });
  for (const n of [1, 2]) {
    const answer = await ask(rig.url, { body: chat() });
    assert.deepEqual([answer.status, answer.headers['x-upshift-error']], [502, 'gateway_exhausted']);
    assert.equal(rig.gateway.localTrouble()?.attempts, n);
  }
});

test('a call that this machine could not send, and that has no place when it is to be sent again, is told so', async () => {
  const { promise: connecting, resolve: waits } = Promise.withResolvers<() => void>();
  let isFirst = true;
  await using router = await startUpstream((res) => json(res, 429, {}, { 'retry-after': '3600' }));
  const { care } = POLICY_DEFAULTS;
  await using rig = await startRig({
    router: router.url,
    care: { ...care, retries: { ...care.retries, base: 1 } },
    dispatcherFor: (origin) =>
      new Pool(origin, {
        connect: ({ hostname, port }, callback) => {
          if (isFirst) {
            isFirst = false;
            return waits(() => callback(failure('EMFILE'), null));
          }
          const socket = connect(Number(port), hostname, () => callback(null, socket));
        },
      }),
  });
  const unsent = ask(rig.url, { body: chat() });
  const fail = await connecting;
  assert.equal((await ask(rig.url, { body: chat({ user: 'b' }) })).status, 429);
  fail();
  const answer = await unsent;
  assert.deepEqual([answer.status, answer.headers['x-upshift-error']], [502, 'gateway_exhausted']);
});
