import assert from 'node:assert/strict';
import test, { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { assign } from '../../src/core/rollout/split.ts';
import { scanObject } from '../../src/gateway/request/scan.ts';
import { Sessions } from '../../src/gateway/request/sessions.ts';
import { MODEL, ask, chat, chatAnswer, json, startRig, startUpstream } from './rig.ts';

const sessions = new Sessions('a key');
const of = (body: object, headers: Record<string, string> = {}, by = sessions): number | null => {
  const bytes = Buffer.from(JSON.stringify(body));
  return by.of({ headers, body: bytes, places: scanObject(bytes)?.session ?? null });
};
const say = (role: string, content: string) => ({ role, content });
const FIRST = [say('system', 'be kind'), say('user', 'what is a whale?')];

describe('the session of a call', () => {
  it('is told by prompt_cache_key, else user, else X-Session-Id, else the first messages', () => {
    const body = { messages: FIRST, user: 'ann', prompt_cache_key: 'k' };
    const header = { 'x-session-id': 's' };
    const byKey = of(body, header);
    assert.equal(of({ user: 'bob', prompt_cache_key: 'k' }), byKey);
    assert.equal(of({ prompt_cache_key: 'k', user: 'bob', messages: [] }), byKey);
    const byUser = of({ messages: FIRST, user: 'ann' }, header);
    assert.equal(of({ user: 'ann', prompt_cache_key: '' }), byUser);
    assert.equal(of({ user: 'ann', prompt_cache_key: null }), byUser);
    const byHeader = of({ messages: FIRST }, header);
    assert.equal(of({ user: '', messages: [] }, { 'x-session-id': ' s ' }), byHeader);
    const byMessages = of({ messages: FIRST });
    assert.equal(new Set([byKey, byUser, byHeader, byMessages]).size, 4);
    assert.equal(of({ input: 'hello' }), null);
    assert.equal(of({ prompt: 'hello' }, { 'x-session-id': ' ' }), null);
  });

  it('is the same for all later calls of a conversation, and another for another beginning', () => {
    const message = fc.record({ role: fc.constantFrom('assistant', 'user', 'tool', 'system'), content: fc.string() });
    const known = of({ messages: FIRST });
    fc.assert(
      fc.property(fc.array(message), (more) => {
        assert.equal(of({ model: 'm', messages: [...FIRST, ...more], stream: true }), known);
        const [system, user] = FIRST;
        assert.notEqual(of({ messages: [system, { ...user, content: 'and a shark?' }, ...more] }), known);
        assert.notEqual(of({ messages: [say('system', 'be rude'), user, ...more] }), known);
      }),
    );
  });

  it('is told in the formats of Responses and of Anthropic as well', () => {
    const items = [{ role: 'user', content: [{ type: 'input_text', text: 'hi' }] }];
    const later = [...items, { role: 'assistant', content: [] }];
    assert.equal(of({ input: items, instructions: 'x' }), of({ instructions: 'x', input: later }));
    assert.notEqual(of({ input: items, instructions: 'x' }), of({ input: items, instructions: 'y' }));
    assert.notEqual(of({ system: 'x', messages: items }), of({ system: 'y', messages: items }));
  });

  it('is a whole number that the ledger can store, keyed, and bounded in what it reads', () => {
    fc.assert(
      fc.property(fc.string(), (user) => {
        const session = of({ messages: [say('user', user)] });
        assert.ok(Number.isSafeInteger(session) && (session as number) >= 0);
        assert.notEqual(of({ messages: [say('user', user)] }, {}, new Sessions('another key')), session);
      }),
    );
    const long = say('user', 'x'.repeat(200_000));
    assert.equal(of({ messages: [long] }), of({ messages: [long, say('assistant', 'y')] }));
  });

  it('is that of the header, or none, where the body cannot be read', () => {
    const body = Buffer.from('{"messages":[');
    assert.equal(sessions.of({ headers: {}, body, places: scanObject(body)?.session ?? null }), null);
    assert.equal(typeof sessions.of({ headers: { 'x-session-id': 's' }, body, places: null }), 'number');
  });
});

test('a conversation stays on one side, and the ledger has what its role follows from, but no word of it', async () => {
  await using router = await startUpstream((res) => json(res, 200, chatAnswer(MODEL)));
  await using endpoint = await startUpstream((res) => json(res, 200, chatAnswer(MODEL)));
  const canary = { affinity: 'session', weight: 0.5, step: 3 } as const;
  await using rig = await startRig({ router: router.url, endpoint: endpoint.url, canary });
  const conversations = Array.from({ length: 24 }, (_, n) => [say('user', `secret ${n}`)]);
  for (const turn of [0, 1, 2]) {
    for (const first of conversations) {
      const more = Array.from({ length: turn }, () => [say('assistant', 'yes'), say('user', 'go on')]).flat();
      await ask(rig.url, { body: chat({ messages: [...first, ...more] }), headers: { 'x-agent-id': `turn ${turn}` } });
    }
  }
  const calls = await rig.recorded(72);
  const byUnit = Map.groupBy(calls, ({ unit }) => unit);
  assert.equal(byUnit.size, 24);
  for (const [, own] of byUnit) assert.deepEqual([own.length, new Set(own.map(({ role }) => role)).size], [3, 1]);
  assert.deepEqual(new Set(calls.map(({ role }) => role)), new Set(['stable', 'canary']));
  for (const { role, unit, arrivedAtUs, weight } of calls) {
    assert.equal(assign({ rolloutId: 'r1', weight }, arrivedAtUs, unit ?? null), role);
  }
  assert.ok(!JSON.stringify(calls).includes('secret'));
});

test('where all calls go to one side, no unit is told', async () => {
  await using endpoint = await startUpstream((res) => json(res, 200, chatAnswer(MODEL)));
  await using rig = await startRig({ router: endpoint.url, endpoint: endpoint.url, canary: { affinity: 'session' } });
  await ask(rig.url, { body: chat({ user: 'ann' }) });
  assert.equal((await rig.recorded(1))[0]?.unit, undefined);
});
