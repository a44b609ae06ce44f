import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Arrival } from '../../../src/core/call.ts';
import { RolloutMeasures } from '../../../src/daemon/route/rollout-measures.ts';
import { makeCall } from '../../ledger/rig.ts';
import type { UpstreamKind } from '../../../src/core/route.ts';
import { promotedRollout, routePolicy } from '../../support/samples.ts';
import { ask, chat, chatAnswer, json, MODEL, startRig, startUpstream } from '../rig.ts';
import type { Behaviour } from '../rig.ts';

/** When a failure is known. */
const AT_ONCE = { knownAfterUs: 0, nowMs: 0, errorCode: '' };

const fine: Behaviour = (res) => json(res, 200, chatAnswer(MODEL));

/** An endpoint that answers the calls whose prompt says so, and refuses the others. */
function refusing(refuse: Behaviour): Behaviour {
  return (res, received, req) => (received.body.includes('please') ? fine : refuse)(res, received, req);
}

const refusals: readonly [name: string, behave: Behaviour, after: string, before: string][] = [
  ['429', (res) => json(res, 429, { error: 'busy' }), 'saturated', 'rate_limited'],
  ['503 with Retry-After', (res) => json(res, 503, {}, { 'retry-after': '1' }), 'saturated', 'unavailable'],
  ['503 with words', (res) => json(res, 503, { error: 'Model is overloaded' }), 'saturated', 'unavailable'],
  ['503 without words', (res) => json(res, 503, { error: 'loading' }), 'unavailable', 'unavailable'],
  ['500 with words', (res) => json(res, 500, { error: 'Model is overloaded' }), 'server_error', 'server_error'],
  [
    '503 that breaks off',
    (res) => {
      res.writeHead(503, { 'content-length': '100' });
      res.write('{', () => res.destroy());
    },
    'unavailable',
    'unavailable',
  ],
];

const please = () => chat({ messages: [{ role: 'user', content: 'please' }] });

describe('an endpoint that refuses', () => {
  for (const [name, behave, after, before] of refusals) {
    it(`with ${name}: ${before}, and ${after} after it has answered another call`, async () => {
      await using router = await startUpstream(fine);
      await using endpoint = await startUpstream(refusing(behave));
      await using rig = await startRig({ router: router.url, endpoint: endpoint.url });
      for (const body of [chat(), please(), chat()]) assert.equal((await ask(rig.url, { body })).status, 200);
      assert.deepEqual(
        rig.calls.map(({ outcome, finalOutcome, role }) => [outcome, finalOutcome, role]),
        [
          [before, 'ok', 'canary'],
          ['ok', 'ok', 'canary'],
          [after, 'ok', 'canary'],
        ],
      );
    });
  }

  it('five times in a row is sick, whatever it says', async () => {
    await using router = await startUpstream(fine);
    await using endpoint = await startUpstream(refusing((res) => json(res, 429, { error: 'Model is overloaded' })));
    await using rig = await startRig({ router: router.url, endpoint: endpoint.url });
    await ask(rig.url, { body: please() });
    for (let n = 0; n < 7; n++) await ask(rig.url, { body: chat() });
    const outcomes = rig.calls.map(({ outcome }) => outcome);
    assert.deepEqual(outcomes.slice(1, 5), Array(4).fill('saturated'));
    assert.deepEqual(outcomes.slice(5), Array(3).fill('rate_limited'));
  });

  it('copies: the same', async () => {
    await using router = await startUpstream(fine);
    await using endpoint = await startUpstream(refusing((res) => json(res, 503, { message: 'queue full' })));
    const shadow = { share: 1, concurrency: 8, calls: 100, exclude: new Set<string>() };
    await using rig = await startRig({
      router: router.url,
      endpoint: endpoint.url,
      canary: { step: 0, weight: 0, shadow },
    });
    for (const [n, body] of [please(), chat()].entries()) {
      await ask(rig.url, { body });
      while (rig.shadows.length <= n) await new Promise(setImmediate);
    }
    assert.deepEqual(
      rig.shadows.map(({ outcome, status }) => [outcome, status]),
      [
        ['ok', 200],
        ['saturated', 503],
      ],
    );
  });
});

describe('refusals in a row', () => {
  it('are counted against the endpoint only once nothing shows that it is full: then they end the rollout', async () => {
    await using router = await startUpstream(fine);
    await using endpoint = await startUpstream(refusing((res) => json(res, 429, { error: 'Model is overloaded' })));
    const rollout = promotedRollout();
    const canary = { rolloutId: rollout.id, step: rollout.step };
    await using rig = await startRig({ router: router.url, endpoint: endpoint.url, canary });
    const measures = new RolloutMeasures(rollout, routePolicy());
    await ask(rig.url, { body: please() });
    for (let n = 0; n < 9; n++) await ask(rig.url, { body: chat() });
    const mustDecide = rig.calls.map(({ outcome }, n) =>
      measures.failed(rig.arrivals[n] as Arrival, outcome, { upstream: 'dedicated', ...AT_ONCE }),
    );
    assert.deepEqual(mustDecide, [...Array<boolean>(9).fill(false), true], 'after five faults, which came after four');
    assert.equal(measures.canaryFaultsInRow, 5);
  });

  it('count against the endpoint although their calls waited for a place there and have no role', () => {
    const rollout = promotedRollout();
    const waited = { rolloutId: rollout.id, role: null, wasFull: true } as const;
    const arrival = { ...makeCall(1, waited), assignedAtUs: 0, isRepeat: false };
    const measures = new RolloutMeasures(rollout, routePolicy());
    const fail = (upstream: UpstreamKind) => measures.failed(arrival, 'first_byte_timeout', { upstream, ...AT_ONCE });
    for (let n = 0; n < 9; n++) fail('serverless');
    assert.equal(measures.canaryFaultsInRow, 0);
    for (let n = 0; n < 5; n++) assert.equal(fail('dedicated'), n === 4);
    assert.equal(measures.canaryFaultsInRow, 5);
    const { attempts } = arrival;
    measures.ended(makeCall(1, { ...waited, attempts: attempts.map((each) => ({ ...each, upstream: 'serverless' })) }));
    assert.deepEqual([measures.canaryFaultsInRow, measures.endpointAnsweredAt], [5, null]);
    measures.ended(makeCall(1, { ...waited, attempts: attempts.map((each) => ({ ...each, upstream: 'dedicated' })) }));
    assert.equal(measures.canaryFaultsInRow, 0);
    assert.notEqual(measures.endpointAnsweredAt, null);
  });
});
