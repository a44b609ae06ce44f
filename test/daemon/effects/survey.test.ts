import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import test from 'node:test';
import { NOTHING_TRIED } from '../../../src/core/sizing/candidate.ts';
import type { Survey } from '../../../src/core/decide/observation.ts';
import { parsePolicy } from '../../../src/core/policy/parse.ts';
import type { BusiestDemand } from '../../../src/core/sizing/busiest-demand.ts';
import { NO_DEMAND } from '../../../src/core/sizing/busiest-demand.ts';
import { offerText } from '../../../src/core/sizing/offer.ts';
import { takeSurvey } from '../../../src/daemon/effects/survey.ts';
import { createEndpointsClient } from '../../../src/huggingface/management/endpoints.ts';
import { createHubClient } from '../../../src/huggingface/hub/hub.ts';
import { DEFAULT_MODELS } from '../../../src/simulation/hub/models.ts';
import type { SimulatedModel } from '../../../src/simulation/hub/models.ts';
import type { Simulation } from '../../../src/simulation/server.ts';
import { startSimulation } from '../../../src/simulation/server.ts';
import { fastClock } from '../../simulation/clocks.ts';
import { openDaemon } from '../../support/inside.ts';
import { approveUpTo, inPhase } from '../../support/rollout.ts';
import { AT_ONCE, MODEL, openStage } from '../../support/stage.ts';
import { startTraffic } from '../../support/traffic.ts';
import { PATIENT } from '../../support/waiting.ts';

const TOKEN = 'hf_test';
const LORA = DEFAULT_MODELS.find(({ id }) => id === 'acme/support-lora') as SimulatedModel;
const ADAPTERS: readonly SimulatedModel[] = [
  {
    ...LORA,
    id: 'acme/gated-lora',
    adapter: { ...LORA.adapter, base_model_name_or_path: 'meta-llama/Llama-3.3-70B-Instruct' },
  },
  { ...LORA, id: 'acme/dora', adapter: { ...LORA.adapter, use_dora: true } },
];
const L4 = { vendor: 'aws', region: 'us-east-1', instanceType: 'nvidia-l4', instanceSize: 'x1' };

function survey(
  simulation: Simulation,
  {
    model = MODEL,
    demand = NO_DEMAND,
    shapes = [],
    ...endpoint
  }: { model?: string; demand?: BusiestDemand; shapes?: string[]; [setting: string]: unknown },
): Promise<Survey> {
  const parsed = parsePolicy({ routes: [{ model, endpoint: { namespace: 'acme', ...endpoint } }] });
  assert.ok(parsed.ok, JSON.stringify(parsed));
  const [filePolicy] = parsed.policy.routes;
  assert.ok(filePolicy);
  const context = {
    clock: { now: () => 1 },
    endpoints: createEndpointsClient({ baseUrl: simulation.endpointsUrl, token: TOKEN }),
    hub: createHubClient({ hubUrl: simulation.hubUrl, token: TOKEN }),
    experience: () => Promise.resolve({ demand, ...NOTHING_TRIED }),
  };
  return takeSurvey({ model, filePolicy, shapes: new Set(shapes) }, context, AbortSignal.timeout(20_000));
}

describe('a survey', () => {
  it('says before money is spent that calls offer tools and no parser reads them, and only then', async () => {
    await using simulation = await startSimulation({ clock: fastClock(1000) });
    const caveats = async (shapes: string[], args: string[]) =>
      (await survey(simulation, { shapes, args })).instance?.caveats?.filter((text) => text.includes('tool')) ?? [];
    const parser = ['--enable-auto-tool-choice', '--tool-call-parser', 'llama3_json'];
    assert.deepEqual(await caveats(['chat', 'chat+stream+tools'], []), [
      `its calls offer tools, and endpoint.args names no tool parser: add ${parser.join(' ')}`,
    ]);
    assert.deepEqual(await caveats(['chat', 'chat+stream+tools'], parser), []);
    assert.deepEqual(await caveats(['chat', 'chat+stream'], []), []);
    assert.deepEqual(await caveats([], []), []);
  });

  it('chooses the cheapest that fits where the policy leaves it open, at live prices for all replicas', async () => {
    await using simulation = await startSimulation({ clock: fastClock(1000) });
    const { instance, alternatives, ...rest } = await survey(simulation, { minReplica: 1, maxReplica: 2 });
    assert.deepEqual(
      alternatives?.map((one) => [offerText(one.instance), one.pricePerHourMicros]),
      [
        ['aws us-east-1 nvidia-l4 x1', 1_600_000],
        ['aws eu-west-1 nvidia-a10g x1', 2_000_000],
      ],
    );
    assert.deepEqual(rest, {
      at: 1,
      pricePerHourMicros: 1_400_000,
      expectedPerHourMicros: 700_000,
      problem: null,
      hint: null,
    });
    assert.ok(instance);
    assert.equal(offerText(instance), 'gcp us-east4 nvidia-l4 x1');
    const elsewhere = await survey(simulation, { regions: ['aws/us-east-1'], deny: ['nvidia-l4'] });
    assert.ok(elsewhere.instance);
    assert.equal(offerText(elsewhere.instance), 'aws us-east-1 nvidia-a10g x1');
  });

  it('finds the engine of an embedding model, and a CPU for it', async () => {
    await using simulation = await startSimulation({ clock: fastClock(1000) });
    const { instance, pricePerHourMicros } = await survey(simulation, {
      model: 'sentence-transformers/all-MiniLM-L6-v2',
      regions: ['aws/us-east-1'],
    });
    assert.deepEqual([instance?.engine, instance?.accelerator, pricePerHourMicros], ['tei', 'cpu', 33_000]);
  });

  it('goes around what the quota leaves no room for', async () => {
    const quotas = { 'nvidia-l4': 0, 'nvidia-a10g': 0 };
    await using simulation = await startSimulation({ clock: fastClock(1000), quotas });
    const { instance } = await survey(simulation, {});
    assert.equal(instance?.instanceType, 'nvidia-l40s');
  });

  const problems: [string, Record<string, unknown>, RegExp, RegExp][] = [
    [
      'a named instance that cannot hold the model',
      { model: 'mistralai/Mistral-7B-v0.3', ...L4, instanceType: 'nvidia-t4', args: ['--dtype', 'half'] },
      /aws us-east-1 nvidia-t4 x1: needs 15\.\d GB, 12\.6 GB usable/,
      /leave the instance out/,
    ],
    ['one that has no BF16', { ...L4, instanceType: 'nvidia-t4' }, /nvidia-t4 x1: has no BF16/, /another instance/],
    [
      'one that is not listed',
      { ...L4, instanceSize: 'x9' },
      /no nvidia-l4 x9; there are: .*nvidia-l4 x1/,
      /endpoint block/,
    ],
    [
      'instances that are not listed',
      { instances: ['nvidia-l4/x9', 'aws/us-east-1/nvidia-b9/x1'] },
      /none of nvidia-l4\/x9, aws\/us-east-1\/nvidia-b9\/x1 is offered/,
      /endpoint block/,
    ],
    ['one beyond the quota', { ...L4, minReplica: 5, maxReplica: 5 }, /cannot be had: nvidia-l4 needs 5/, /quota/],
    ['a gated model', { model: 'meta-llama/Llama-3.3-70B-Instruct', ...L4 }, /is gated for us/, /ask for access/],
    [
      'an adapter whose base is gated',
      { model: 'acme/gated-lora', ...L4 },
      /meta-llama\/Llama-3\.3-70B-Instruct is gated for us, and it is the base of acme\/gated-lora/,
      /ask for access/,
    ],
    [
      'an adapter that must be merged',
      { model: 'acme/dora', ...L4 },
      /vLLM does not load DoRA: merge the adapter into meta-llama/,
      /another instance|merge the adapter/,
    ],
    ['a model that is not there', { model: 'org/nothing' }, /the Hub knows no model org\/nothing/, /name/],
    [
      'a region with nothing',
      { regions: ['azure/eastus'] },
      /the instance cannot be had|none of \d+ instances fits/,
      /./,
    ],
    [
      'GGUF without an image',
      { model: 'bartowski/Llama-3.2-3B-Instruct-GGUF' },
      /llamacpp needs endpoint\.image/,
      /endpoint\.image/,
    ],
    [
      'a demand that no replica carries',
      {
        regions: ['aws/us-east-1'],
        deny: ['nvidia-a100', 'nvidia-l40s', 'nvidia-l4/x4', 'nvidia-a10g/x4'],
        demand: { ...NO_DEMAND, inFlight: 500, tokens: 1_000, longest: 1_500, outputPerSecond: 5_000 },
      },
      /none of \d+ instances fits; the nearest is .*: the demand needs \d+ replicas, maxReplica is 1/,
      /raise endpoint\.maxReplica/,
    ],
  ];
  for (const [title, wanted, problem, hint] of problems) {
    it(`has a problem with ${title}`, async () => {
      await using simulation = await startSimulation({
        clock: fastClock(1000),
        models: [...DEFAULT_MODELS, ...ADAPTERS],
      });
      const found = await survey(simulation, wanted);
      assert.match(String(found.problem), problem);
      assert.match(String(found.hint), hint);
      assert.equal(found.instance ?? null, null);
    });
  }

  it('never goes by a list that is not live: without the API it fails', async () => {
    await using simulation = await startSimulation({ clock: fastClock(1000) });
    await simulation.setFault({ target: 'management', kind: 'errors' });
    await assert.rejects(survey(simulation, {}), { code: 'unavailable' });
  });
});

test('a rollout is pinned to what was chosen, and its endpoint is made on that', PATIENT, async (t) => {
  const endpoint = { namespace: 'acme', regions: ['aws/us-east-1'], deny: ['nvidia-l4'], maxReplica: 4 };
  const stage = await openStage(t, { policy: { routes: [{ model: MODEL, endpoint }] } });
  const { daemon, gateway } = await openDaemon(t, stage);
  startTraffic(t, { url: gateway, model: MODEL });
  await approveUpTo(stage, 0);
  const { instance, pricePerHourMicros, endpointName } = await inPhase(stage, 'stepping', 0);
  assert.ok(instance);
  assert.notEqual(instance.instanceType, 'nvidia-l4');
  assert.equal(instance.region, 'us-east-1');
  const client = createEndpointsClient({ baseUrl: stage.simulation.endpointsUrl, token: TOKEN });
  const made = await client.get('acme', endpointName);
  const { vendor, region, instanceType, instanceSize } = instance;
  assert.deepEqual(made?.instance, { vendor, region, instanceType, instanceSize });
  const { pricePerHourMicros: single } = await client.quote('acme', instance);
  assert.equal(pricePerHourMicros, (single ?? 0) * 4);
  assert.deepEqual(daemon.report().routes[0]?.rollout?.instance, instance);
});

test('an adapter is promoted: the endpoint serves its base, and calls go to the adapter', PATIENT, async (t) => {
  const adapter = 'acme/support-lora';
  const endpoint = { namespace: 'acme', regions: ['aws/us-east-1'], maxPricePerHour: 9 };
  const stage = await openStage(t, { policy: { ...AT_ONCE, routes: [{ model: adapter, endpoint }] } });
  const daemon = await openDaemon(t, stage);
  const traffic = startTraffic(t, { url: daemon.gateway, model: adapter });
  const { endpoint: warm, instance } = await inPhase(stage, 'promoted');
  await traffic.stop();
  assert.equal(warm.servedModel, adapter);
  assert.deepEqual(instance.adapter, { base: MODEL, rank: 16 });
  assert.deepEqual(instance.caveats, [`${adapter} is an adapter of ${MODEL}: the endpoint loads both`]);
  const proposal = stage.read((db) =>
    db.prepare("SELECT output ->> 'detail' FROM decisions WHERE action = 'propose'").pluck().get(),
  );
  assert.match(String(proposal), /; note: acme\/support-lora is an adapter of meta-llama\/Llama-3\.1-8B-Instruct/);
  assert.equal(stage.simulation.state().endpoints[0]?.repository, MODEL);
});
