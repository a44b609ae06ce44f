import assert from 'node:assert/strict';
import test from 'node:test';
import { Sweeper } from '../../../src/daemon/effects/sweeper.ts';
import { createEndpointsClient } from '../../../src/huggingface/management/endpoints.ts';
import { endpointSpec } from '../../../src/huggingface/management/spec.ts';
import type { EndpointsClient } from '../../../src/huggingface/management/endpoints.ts';
import { listDecisions } from '../../../src/ledger/journal/rollouts.ts';
import { loadPolicy } from '../../../src/files/policy.ts';
import { openLedger } from '../../../src/ledger/open.ts';
import { atEnd } from '../../support/ending.ts';
import { openDaemon } from '../../support/inside.ts';
import { abort, approveUpTo, assertAudited, inPhase } from '../../support/rollout.ts';
import { ENDPOINT_POLICY, rolloutAfter } from '../../support/samples.ts';
import type { Stage } from '../../support/stage.ts';
import { MODEL, openStage, policyText } from '../../support/stage.ts';
import { startTraffic } from '../../support/traffic.ts';
import { PATIENT, eventually } from '../../support/waiting.ts';
import { namedInstance } from '../../support/named-instance.ts';

const clientOf = (stage: Stage) => createEndpointsClient({ baseUrl: stage.simulation.endpointsUrl, token: 'hf_test' });

const specOf = (name: string, ledgerId?: string) => {
  const policy = { ...ENDPOINT_POLICY, instanceType: 'nvidia-l4' };
  const instance = namedInstance(policy, 1);
  assert(instance !== null);
  return endpointSpec({ name, policy, model: MODEL, instance, ...(ledgerId !== undefined && { ledgerId }) });
};

const stateOf = async (client: EndpointsClient, name: string) => (await client.get('acme', name))?.state ?? 'gone';

/** Four minutes in a second: 7 or 8 calls a minute, of which serverless refuses about half. A sweep comes every 1.25 s. */
const FAST = { scale: 240, limits: { routerCalls: 4 } };
const criteria = { window: '4m', sustain: '1m' };

/** The policy with a block `sweep`. */
const withSweep = (sweep: object) => JSON.stringify({ ...(JSON.parse(policyText()) as object), sweep });

/** What was journalled of endpoints that no rollout uses. */
const swept = (stage: Stage) =>
  stage.read((db) =>
    listDecisions(db, { limit: 10_000 }).filter(({ reason }) => /^endpoint_(orphaned|unknown|idle)$/.test(reason)),
  );

test(
  'what a lost or another ledger left is told apart, journalled, and only our own is paused; grace, then deleted',
  PATIENT,
  async (t) => {
    const stage = await openStage(t, { scale: 480 });
    const client = clientOf(stage);
    const first = await openDaemon(t, stage);
    await first.close();
    const ledgerId = stage.read((db) =>
      db.prepare("SELECT value FROM meta WHERE key = 'ledger_id'").pluck().get(),
    ) as string;
    await client.create('acme', specOf('up-llama-zzzz9999', ledgerId));
    await client.create('acme', specOf('up-llama-yyyy8888', 'ffff0000'));
    await client.create('acme', { ...specOf('up-llama-xxxx7777'), tags: [] });
    stage.writePolicy(withSweep({ deleteAfter: '4m' }));
    const { daemon } = await openDaemon(t, stage);
    await eventually('our own is paused', async () => (await stateOf(client, 'up-llama-zzzz9999')) === 'paused');
    const [row] = swept(stage).filter(({ action }) => action === 'pause_endpoint');
    assert.ok(row);
    assert.equal(row.model, MODEL);
    assert.match(row.detail ?? '', /^this ledger created it, but has no rollout for it; it costs \$0\.80\/h$/);
    await eventually('the other ledger’s is told of', () =>
      daemon.report().endpoints?.some((told) => told.includes('yyyy8888')),
    );
    await eventually(
      'it is deleted after its grace',
      async () => (await stateOf(client, 'up-llama-zzzz9999')) === 'gone',
    );
    assert.ok(swept(stage).some(({ action }) => action === 'delete_endpoint'));
    for (const name of ['up-llama-yyyy8888', 'up-llama-xxxx7777']) {
      assert.ok(!['paused', 'gone'].includes(await stateOf(client, name)), name);
    }
    assertAudited(stage);
  },
);

test('an endpoint that somebody resumed after its rollout was over is paused again', PATIENT, async (t) => {
  const stage = await openStage(t, { ...FAST, policy: { criteria } });
  const client = clientOf(stage);
  const { gateway } = await openDaemon(t, stage);
  const traffic = startTraffic(t, { url: gateway, model: MODEL, streams: 0 });
  await approveUpTo(stage, 0);
  const { id, endpointName } = await inPhase(stage, 'stepping', 0);
  abort(stage, id);
  await inPhase(stage, 'aborted');
  await client.resume('acme', endpointName);
  await eventually('it is paused again', async () => (await stateOf(client, endpointName)) === 'paused');
  await eventually('that is journalled', () => {
    return swept(stage).some(({ rolloutId, action }) => rolloutId === id && action === 'pause_endpoint');
  });
  await traffic.stop();
  assertAudited(stage);
});

test(
  'an endpoint made by a process that was killed before the answer is the rollout’s: adopted, never swept',
  PATIENT,
  async (t) => {
    const limits = { ...FAST.limits, pendingMs: 6_000_000 };
    const stage = await openStage(t, { ...FAST, limits, policy: { criteria } });
    const client = clientOf(stage);
    const first = await openDaemon(t, stage);
    const traffic = startTraffic(t, { url: first.gateway, model: MODEL, streams: 0 });
    await approveUpTo(stage, 0);
    const { endpointName } = await inPhase(stage, 'provisioning');
    await traffic.stop();
    await first.close();
    // As a creation leaves it whose answer nobody lived to hear; the name is all that tells whose it is.
    await client.delete('acme', endpointName);
    await client.create('acme', specOf(endpointName));
    const second = await openDaemon(t, stage);
    await eventually('it is seen', () => second.daemon.report().routes[0]?.rollout?.endpoint?.state !== 'absent');
    const sweeps = swept(stage).length;
    // A look or two more.
    const from = stage.clock.now();
    await eventually('two sweeps have passed', () => stage.clock.now() - from > 660_000);
    assert.ok(!['paused', 'gone'].includes(await stateOf(client, endpointName)));
    assert.equal(swept(stage).length, sweeps);
    assert.equal((await client.list('acme')).length, 1, 'and there is no second one');
  },
);

test('a rollout that is over and cannot be read is logged once, and the sweep goes on', PATIENT, async (t) => {
  const stage = await openStage(t);
  const client = clientOf(stage);
  const ledger = await openLedger(stage.dbPath, { clock: stage.clock });
  atEnd(t, () => ledger.close());
  const over = rolloutAfter({ type: 'ended', outcome: 'aborted', reason: 'operator', hint: null });
  const name = (id: string) => `up-llama-${id}`;
  const store = async (id: string, phase: string, snapshot: string) => {
    await client.create('acme', specOf(name(id), ledger.id));
    const { policyHash, toward, createdAt } = over;
    const row = { id, model: MODEL, policyHash, toward, phase, snapshot, createdAt, updatedAt: createdAt };
    await ledger.journal.commit({ rollout: row, events: [], outcomes: [] });
  };
  await store('aaaabbbb', 'aborted', '{}');
  await store('ccccdddd', 'aborted', JSON.stringify({ ...over, id: 'ccccdddd', endpointName: name('ccccdddd') }));
  const unreadable: unknown[] = [];
  const { policy } = await loadPolicy(stage.policyPath);
  const sweeper = new Sweeper({
    clock: stage.clock,
    log: (_, message, facts) => {
      if (message.includes('cannot be read')) unreadable.push(facts);
    },
    ledgerId: ledger.id,
    journal: ledger.journal,
    endpoints: client,
    policy: () => ({ policy, hash: over.policyHash }),
    signal: new AbortController().signal,
  });
  for (const _ of [1, 2]) {
    await sweeper.sweep();
    for (const id of ['aaaabbbb', 'ccccdddd']) assert.equal(await stateOf(client, name(id)), 'paused');
  }
  assert.equal(unreadable.length, 1);
  assert.match(JSON.stringify(unreadable), /"rollout":"aaaabbbb"/);

  // Its endpoint would count as one that no rollout uses.
  await store('eeeeffff', 'promoted', '{}');
  await client.resume('acme', name('ccccdddd'));
  await assert.rejects(sweeper.sweep(), /eeeeffff/);
  for (const id of ['ccccdddd', 'eeeeffff']) assert.notEqual(await stateOf(client, name(id)), 'paused');
});
