import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { describe, it } from 'node:test';
import Database from 'better-sqlite3';
import type { EndpointPolicy } from '../../../src/core/policy/endpoint.ts';
import type { Rollout } from '../../../src/core/rollout/rollout.ts';
import { createClock } from '../../../src/files/clock.ts';
import type { EndpointsClient } from '../../../src/huggingface/management/endpoints.ts';
import { createEndpointsClient } from '../../../src/huggingface/management/endpoints.ts';
import { endpointSpec } from '../../../src/huggingface/management/spec.ts';
import { startSimulation } from '../../../src/simulation/server.ts';
import { promotedRollout, rolloutAfter } from '../../support/samples.ts';
import { ENDPOINT_POLICY, MODEL, openBook, temporaryFolder, upshift } from '../rig.ts';
import { namedInstance } from '../../support/named-instance.ts';

const TOKEN = 'hf_test';

interface Scene {
  readonly client: EndpointsClient;
  readonly env: Record<string, string>;
  readonly db: string;
  /** A policy file that deletes orphans at once. */
  readonly policy: string;
}

const names = {
  ended: 'up-writer-aaaabbbb',
  rested: 'up-writer-ccccdddd',
  used: 'up-writer-eeeeffff',
  unknown: 'up-writer-gggghhhh',
  theirs: 'theirs',
};

/** One endpoint of each kind, and the ledger that knows three of them. */
async function openScene(context: TestContext): Promise<Scene> {
  const simulation = await startSimulation({ clock: createClock({ scale: 1, start: 0 }) });
  context.after(() => simulation.close());
  const client = createEndpointsClient({ baseUrl: simulation.endpointsUrl, token: TOKEN });
  const wish: EndpointPolicy = { ...ENDPOINT_POLICY, instanceType: 'intel-spr', accelerator: 'cpu' };
  const instance = namedInstance(wish, 1);
  assert(instance !== null);
  const spec = (name: string) => endpointSpec({ name, policy: wish, model: MODEL, instance });
  for (const name of Object.values(names)) {
    await client.create('acme', { ...spec(name), ...(name === names.theirs && { tags: [] }) });
  }
  await client.pause('acme', names.rested);
  const book = await openBook(context);
  const over = rolloutAfter({ type: 'ended', outcome: 'aborted', reason: 'operator', hint: null });
  const rollouts: Rollout[] = [
    { ...over, id: 'aaaabbbb', endpointName: names.ended, since: Date.now() - 1_000 },
    { ...over, id: 'ccccdddd', endpointName: names.rested, since: Date.now() - 1_000 },
    { ...promotedRollout(), id: 'eeeeffff', endpointName: names.used },
  ];
  for (const rollout of rollouts) {
    const { id, model, policyHash, toward, phase, createdAt } = rollout;
    const row = { id, model, policyHash, toward, phase, createdAt, updatedAt: createdAt };
    await book.ledger.journal.commit({
      rollout: { ...row, snapshot: JSON.stringify(rollout) },
      events: [],
      outcomes: [],
    });
  }
  const policy = join(temporaryFolder(context), 'policy.yaml');
  const routes = [{ model: MODEL, endpoint: ENDPOINT_POLICY }];
  writeFileSync(policy, JSON.stringify({ routes, sweep: { deleteAfter: '0s' } }));
  const { endpointsUrl, hubUrl } = simulation;
  const env = { UPSHIFT_ENDPOINTS_URL: endpointsUrl, HF_ENDPOINT: hubUrl, HF_TOKEN: TOKEN };
  return { client, env, db: book.path, policy };
}

/** Writes something else over the snapshot of a rollout. */
function spoil(path: string, id: string): void {
  const db = new Database(path);
  db.prepare("UPDATE rollouts SET snapshot = '{}' WHERE id = ?").run(id);
  db.close();
}

async function states({ client }: Scene): Promise<Record<string, string>> {
  const all = await client.list('acme');
  return Object.fromEntries(
    Object.entries(names).map(([key, name]) => [key, all.find((one) => one.name === name)?.state ?? 'gone']),
  );
}

describe('endpoints and their rollouts', { concurrency: 4 }, () => {
  it('says what uses each, what a sweep would do, and what to type, in 80 columns', async (context) => {
    const scene = await openScene(context);
    const { code, out } = await upshift(['endpoints', '--policy', scene.policy, '--db', scene.db], scene.env);
    assert.equal(code, 0);
    const text = out.replaceAll(/\s+/g, ' ');
    for (const expected of [
      'orphan: rollout aaaabbbb is over: it is aborted; it costs $0.03/h; a sweep pauses it',
      'orphan: rollout ccccdddd is over: it is aborted; it has been paused or failed for',
      'in use: rollout eeeeffff is promoted',
      'unknown: this ledger has no record of it; it costs $0.03/h',
      '4 endpoints in acme, $0.10/h together; 1 other, left alone',
    ]) {
      assert.ok(text.includes(expected), `${expected}\n${out}`);
    }
    assert.match(out, /^next: npx upshift endpoints --sweep --db \S+ --policy \S+ {3}pauses 1, deletes 1$/m);
    assert.deepEqual(
      out.split('\n').filter((line) => line.length > 80 && !line.startsWith('next:')),
      [],
    );
  });

  it('--sweep pauses orphans, deletes what is confirmed, exit 4 where it is not, and leaves all others', async (context) => {
    const scene = await openScene(context);
    const sweep = ['endpoints', '--sweep', '--policy', scene.policy, '--db', scene.db];
    const first = await upshift(sweep, scene.env);
    assert.equal(first.code, 4);
    assert.match(first.out, /pause acme\/up-writer-aaaabbbb: .*\n {2}paused\n/);
    assert.match(first.out, /delete acme\/up-writer-ccccdddd: .*\n {2}not confirmed: use --yes/);
    const before = await states(scene);
    assert.deepEqual([before['ended'], before['rested']], ['paused', 'paused']);
    const second = await upshift([...sweep, '--yes', '--json'], scene.env);
    assert.equal(second.code, 0);
    const lines = second.out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { name: string; result: string });
    assert.deepEqual(
      new Set(lines.map(({ name, result }) => `${name} ${result}`)),
      new Set([`${names.ended} deleted`, `${names.rested} deleted`]),
    );
    const after = await states(scene);
    assert.deepEqual({ ended: after['ended'], rested: after['rested'] }, { ended: 'gone', rested: 'gone' });
    for (const key of ['used', 'unknown', 'theirs']) assert.ok(!['paused', 'gone'].includes(after[key] ?? ''), key);
    const third = await upshift([...sweep, '--yes'], scene.env);
    assert.match(third.out, /^nothing to sweep/);
  });

  it('--sweep touches nothing where there is no ledger, and says how to name one', async (context) => {
    const scene = await openScene(context);
    const before = await states(scene);
    const none = join(temporaryFolder(context), 'none.db');
    const { code, out } = await upshift(
      ['endpoints', '--sweep', '--yes', '--policy', scene.policy, '--db', none],
      scene.env,
    );
    assert.equal(code, 0);
    assert.match(out, /^nothing to sweep/);
    const listed = await upshift(['endpoints', '--db', none, '--namespace', 'acme'], scene.env);
    assert.match(listed.out, /no ledger says whether a rollout uses it[^]*next: name the ledger/);
    assert.deepEqual(Object.keys(await states(scene)), Object.keys(before));
    assert.equal((await states(scene))['ended'] === 'paused', false);
  });

  it('--sweep goes with neither --pause nor --delete, exit 2', async () => {
    const { code, err } = await upshift(['endpoints', '--sweep', '--pause', 'x'], { HF_TOKEN: TOKEN });
    assert.equal(code, 2);
    assert.match(err, /--sweep and --pause cannot be used together/);
  });

  it('leaves out a rollout that is over and cannot be read, and says so once', async (context) => {
    const scene = await openScene(context);
    spoil(scene.db, 'aaaabbbb');
    const { code, out, err } = await upshift(['endpoints', '--policy', scene.policy, '--db', scene.db], scene.env);
    assert.equal(code, 0);
    assert.match(out, /orphan: rollout ccccdddd is over/);
    assert.match(out, /in use: rollout eeeeffff is promoted/);
    assert.equal(err.match(/rollout aaaabbbb cannot be read and is left out/g)?.length, 1, err);
  });

  it('sweeps nothing if a rollout that is not over cannot be read', async (context) => {
    const scene = await openScene(context);
    spoil(scene.db, 'eeeeffff');
    const before = await states(scene);
    const args = ['endpoints', '--sweep', '--yes', '--policy', scene.policy, '--db', scene.db];
    const { code, err } = await upshift(args, scene.env);
    assert.equal(code, 2);
    assert.match(err, /table rollouts, eeeeffff, column snapshot/);
    assert.deepEqual(await states(scene), before);
  });
});
