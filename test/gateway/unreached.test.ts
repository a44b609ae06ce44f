import assert from 'node:assert/strict';
import { test } from 'node:test';
import { certificateRemedy } from '../../src/core/wire/certificates.ts';
import { Unreached } from '../../src/gateway/attempt/unreached.ts';
import type { Log } from '../../src/gateway/shared.ts';
import { ask, chat, startRig } from './rig.ts';

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
    new Unreached((message, facts) => lines.push(['warn', message, facts])).note(
      'https://router.example',
      failure(code),
      0,
    );
    const [[, , facts] = []] = lines;
    assert.equal(facts?.['upstream'], 'https://router.example');
    assert.ok(String(facts?.['error']).includes(code));
    if (remedy === null) assert.equal(facts?.['remedy'] ?? certificateRemedy(code), null);
    else assert.match(String(facts?.['remedy']), remedy);
  }
});

test('the same problem of an upstream is logged once in a minute', () => {
  const lines: Line[] = [];
  const unreached = new Unreached((message, facts) => lines.push(['warn', message, facts]));
  const note = (origin: string, code: string, at: number) => unreached.note(origin, failure(code), at);
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
