import assert from 'node:assert/strict';
import test from 'node:test';
import type { Call } from '../../src/core/call.ts';
import { assignedTo } from '../../src/core/call.ts';
import { POLICY_DEFAULTS } from '../../src/core/policy/defaults.ts';
import { ask, chat, chatAnswer, json, MODEL, startRig, startUpstream } from './rig.ts';
import type { Behaviour } from './rig.ts';

const answers: Behaviour = (res, { body }) => json(res, 200, chatAnswer((JSON.parse(body) as { model: string }).model));
const refuses: Behaviour = (res) => json(res, 429, { error: 'later' });
const fails: Behaviour = (res) => json(res, 503, { error: 'ill' });

/** A way back at its first step: a quarter of the calls go to serverless. */
const FIRST_STEP = { toward: 'serverless' as const, step: 1, weight: 0.25 };

async function send(url: string, count: number): Promise<number[]> {
  const statuses: number[] = [];
  for (let i = 0; i < count; i++) statuses.push((await ask(url, { body: chat() })).status);
  return statuses;
}

const brief = ({ role, isWayBack, servedBy, outcome }: Call) => ({ role, isWayBack, servedBy, outcome });

test('on a way back the weight is the share of serverless, and the endpoint gets the rest', async () => {
  await using router = await startUpstream(answers);
  await using endpoint = await startUpstream(answers);
  await using rig = await startRig({
    router: router.url,
    endpoint: endpoint.url,
    canary: FIRST_STEP,
    token: 'hf_ours',
  });
  await send(rig.url, 300);
  const share = router.received.length / 300;
  assert.ok(share > 0.15 && share < 0.35, `${share}`);
  assert.equal(router.received.length + endpoint.received.length, 300);
  for (const call of rig.calls) {
    assert.equal(call.isWayBack, true);
    assert.equal(call.servedBy, call.role === 'canary' ? 'serverless' : 'dedicated');
    assert.equal(call.servedBy, assignedTo(call));
    assert.equal(call.weight, 0.25);
  }
  assert.ok(endpoint.received.every(({ headers }) => headers.authorization === 'Bearer hf_ours'));
});

test('at weight 0 the endpoint gets all calls that it can answer, at weight 1 none', async () => {
  for (const [weight, kind] of [
    [0, 'dedicated'],
    [1, 'serverless'],
  ] as const) {
    await using router = await startUpstream(answers);
    await using endpoint = await startUpstream(answers);
    const canary = { ...FIRST_STEP, weight };
    await using rig = await startRig({ router: router.url, endpoint: endpoint.url, canary });
    await send(rig.url, 10);
    assert.ok(rig.calls.every(({ servedBy }) => servedBy === kind));
    // A shape that the endpoint has not answered before is not part of the rollout.
    await ask(rig.url, { body: chat({ response_format: { type: 'json_object' } }) });
    assert.deepEqual(brief(rig.calls.at(-1) as Call), {
      role: null,
      isWayBack: true,
      servedBy: 'serverless',
      outcome: 'ok',
    });
  }
});

test('calls fall back from a stable endpoint to serverless, but not from serverless to the endpoint', async () => {
  await using router = await startUpstream(answers);
  await using endpoint = await startUpstream(fails);
  await using rig = await startRig({
    router: router.url,
    endpoint: endpoint.url,
    canary: { ...FIRST_STEP, weight: 0 },
  });
  assert.deepEqual(await send(rig.url, 3), [200, 200, 200]);
  assert.deepEqual(brief(rig.calls[0] as Call), {
    role: 'stable',
    isWayBack: true,
    servedBy: 'serverless',
    outcome: 'unavailable',
  });
  assert.deepEqual(rig.failures[0], { outcome: 'unavailable', upstream: 'dedicated' });

  await using full = await startUpstream(refuses);
  await using idle = await startUpstream(answers);
  await using back = await startRig({ router: full.url, endpoint: idle.url, canary: { ...FIRST_STEP, weight: 1 } });
  assert.deepEqual(await send(back.url, 3), [429, 429, 429]);
  assert.equal(idle.received.length, 0);
  assert.deepEqual(back.failures[0], { outcome: 'rate_limited', upstream: 'serverless' });
});

test('the client sees the model’s own name also if the endpoint is stable and uses another', async () => {
  await using router = await startUpstream(answers);
  await using endpoint = await startUpstream(answers);
  const canary = { ...FIRST_STEP, weight: 0, servedModel: '/repository' };
  await using rig = await startRig({ router: router.url, endpoint: endpoint.url, canary });
  const whole = await ask(rig.url, { body: chat() });
  assert.equal((JSON.parse(whole.body) as { model: string }).model, MODEL);
  assert.equal((JSON.parse(endpoint.received[0]?.body ?? '') as { model: string }).model, '/repository');
});

test('what was learned about serverless before a restart is in the status before the next call', async () => {
  await using router = await startUpstream(answers);
  const learned = {
    rate: { perSecond: 2 },
    inFlight: { most: null },
    breaker: { state: 'closed' as const },
  };
  const { care } = POLICY_DEFAULTS;
  await using first = await startRig({
    router: router.url,
    care,
    learned: [[{ model: MODEL, provider: '' }, learned]],
  });
  const [lane] = [...first.gateway.lanes()];
  assert.deepEqual([...first.gateway.learned()], [[{ model: MODEL, provider: '' }, learned]]);
  assert.ok((lane?.limit ?? 0) > 0);
  assert.equal(lane?.counts.sent, 0);
});
