import assert from 'node:assert/strict';
import test from 'node:test';
import * as fc from 'fast-check';
import { POLICY_DEFAULTS } from '../../../src/core/policy/defaults.ts';
import { MODEL, ask, chat, chatAnswer, json, startRig, startUpstream } from '../rig.ts';
import type { Behaviour, Rig } from '../rig.ts';

const { care: CARE } = POLICY_DEFAULTS;
const NO_RETRIES = { ...CARE, retries: { ...CARE.retries, most: 0 } };

const fine: Behaviour = (res) => json(res, 200, chatAnswer(MODEL));

/** Answers a token that has a name here in its own way, and all others well. */
const byToken =
  (ways: Readonly<Record<string, Behaviour>>): Behaviour =>
  (res, received, req) =>
    (ways[received.headers.authorization?.replace('Bearer ', '') ?? ''] ?? fine)(res, received, req);

let calls = 0;
/** Calls with a token. A call waits for `seconds` at most. */
const askWith = (rig: Rig, token: string, { agent = token, seconds = 10, ...body } = {}) =>
  ask(rig.url, {
    body: chat({ n: calls++, ...body }),
    headers: { 'x-agent-id': agent, authorization: `Bearer ${token}`, 'x-request-timeout': String(seconds) },
  });

const dayLong: Behaviour = (res) => json(res, 429, {}, { 'retry-after': '86400' });

test('a Retry-After for one token, however long, touches no call of another', async () => {
  await using router = await startUpstream(byToken({ greedy: dayLong }));
  await using rig = await startRig({ router: router.url, care: NO_RETRIES });
  const statuses: number[][] = [];
  for (let n = 0; n < 5; n++) {
    statuses.push([
      (await askWith(rig, 'greedy')).status,
      (await askWith(rig, 'a')).status,
      (await askWith(rig, 'b')).status,
    ]);
  }
  for (const each of statuses) assert.deepEqual(each, [429, 200, 200]);
  assert.equal(router.received.filter(({ headers }) => headers.authorization === 'Bearer greedy').length, 1);
  assert.equal([...rig.gateway.lanes()][0]?.limit, null);
});

test('tokens of one account that are all refused stop asking, and a third account still gets through', async () => {
  const names = Array.from({ length: 64 }, (_, n) => `token-${n}`);
  const ways = Object.fromEntries(names.map((name) => [name, dayLong]));
  await using router = await startUpstream(byToken(ways));
  await using rig = await startRig({ router: router.url, care: NO_RETRIES });
  for (const name of names) assert.equal((await askWith(rig, name, { seconds: 1 })).status, 429);
  // The first is refused, then a second one asks, and no other within the next seconds.
  assert.equal(router.received.length, 2);
  rig.clock.advance(5_001);
  assert.equal((await askWith(rig, 'other')).status, 200);
  assert.equal((await askWith(rig, 'other')).status, 200);
});

test('a token that is not accepted, or has no credits, uses nothing of what the others may use', async () => {
  for (const status of [401, 402, 403]) {
    await using router = await startUpstream(byToken({ dead: (res) => json(res, status, {}) }));
    await using rig = await startRig({
      router: router.url,
      care: { ...NO_RETRIES, ramp: 0 },
      learned: [
        [
          { model: MODEL, provider: '' },
          { rate: { perSecond: 1 }, inFlight: { most: null }, breaker: { state: 'closed' } },
        ],
      ],
    });
    for (let n = 0; n < 50; n++) assert.equal((await askWith(rig, 'dead', { seconds: 1 })).status, status);
    assert.equal((await askWith(rig, 'good')).status, 200);
    const [lane] = rig.gateway.lanes();
    // Only the first may have taken a permit from the others, because nothing was known of it.
    assert.ok((lane?.counts.held ?? 2) <= 1);
    assert.deepEqual([lane?.counts.refusedHere, lane?.limit], [0, 300]);
  }
});

/** What odd callers do beside good ones. */
const ODD: Readonly<Record<string, Behaviour>> = {
  fine,
  dead: (res) => json(res, 401, { error: 'Invalid username or password.' }),
  poor: (res) => json(res, 402, { error: 'You have depleted your monthly included credits.' }),
  greedy: dayLong,
  limited: (res) => json(res, 429, {}),
  poisoned: (res) => json(res, 502, { error: 'worker died' }),
  resetting: (res) => res.destroy(),
  crowded: (res) => json(res, 503, { error: 'overloaded' }),
  failing: (res) => json(res, 500, {}),
};

/** Their answer belongs to a credential, so that good callers have another one beside them. */
const BY_TOKEN: ReadonlySet<string> = new Set(['dead', 'poor', 'greedy', 'limited']);
/** Two agents whose calls fail are no outage: one is declared from three on. */
const MOST_FAILING = 2;
const oddOnes = fc
  .array(fc.constantFrom(...Object.keys(ODD)), { minLength: 1, maxLength: 4 })
  .filter((kinds) => kinds.filter((kind) => kind !== 'fine' && !BY_TOKEN.has(kind)).length <= MOST_FAILING);

test('whatever odd callers do beside twenty good ones, no good call is refused', async () => {
  // Which caller comes next: below 0 are the odd ones.
  const caller = fc.oneof(fc.integer({ min: -4, max: -1 }), fc.integer({ min: 1, max: 20 }));
  const order = fc.array(caller, { minLength: 40, maxLength: 80 });
  await fc.assert(
    fc.asyncProperty(oddOnes, fc.boolean(), fc.boolean(), order, async (kinds, haveOwnTokens, isTogether, callers) => {
      const kindOf = (caller: number) => kinds[(-caller - 1) % kinds.length] ?? 'fine';
      await using router = await startUpstream((res, received, req) =>
        (ODD[/"user":"odd (\w+)"/.exec(received.body)?.[1] ?? 'fine'] ?? fine)(res, received, req),
      );
      await using rig = await startRig({ router: router.url, care: NO_RETRIES });
      const make = (caller: number) => {
        const isOdd = caller < 0;
        const hasOwn = haveOwnTokens || (isOdd && BY_TOKEN.has(kindOf(caller)));
        const who = isOdd ? `odd-${(-caller - 1) % kinds.length}` : caller;
        const own = isOdd ? { user: `odd ${kindOf(caller)}`, seconds: 1 } : {};
        return askWith(rig, `token-${hasOwn ? who : 'shared'}`, { agent: `agent-${who}`, ...own });
      };
      const good: number[] = [];
      const oddCalls: Promise<unknown>[] = [];
      for (let from = 0; from < callers.length; from += 4) {
        const some = callers.slice(from, from + 4).map((caller) => ({ caller, answer: make(caller) }));
        for (const { caller, answer } of some) {
          // A call of an odd one may wait for its own limit: the others do not wait for it.
          if (caller < 0 && (isTogether || kindOf(caller) === 'limited')) oddCalls.push(answer);
          else if (caller < 0) await answer;
          else good.push((await answer).status);
        }
      }
      await Promise.all(oddCalls);
      assert.deepEqual(
        good.filter((status) => status !== 200),
        [],
      );
    }),
    { numRuns: 25, endOnFailure: true },
  );
});
