import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import type { Call } from '../../../src/core/call.ts';
import { cheapestState } from '../../../src/core/worth/steady-states.ts';
import type { SteadyStates } from '../../../src/core/worth/steady-states.ts';
import { startSimulation } from '../../../src/simulation/server.ts';
import { fastClock } from '../../simulation/clocks.ts';
import { openBook, recordCalls, temporaryFolder, upshift, watchedCall } from '../rig.ts';

const MODEL = 'meta-llama/Llama-3.1-8B-Instruct';

/** Twenty minutes before now in which 61 agents made five calls a second. */
async function busyLedger(context: TestContext, shape = 'chat+stream'): Promise<string> {
  const book = await openBook(context);
  const start = Date.now() - 1_200_000;
  await recordCalls(
    book,
    Array.from({ length: 6_000 }, (_, n) => ({ ...callAt(start + n * 200, n), ...(n % 9 === 0 && { shape }) })),
  );
  await book.close();
  return book.path;
}

function callAt(atMs: number, n: number): Call {
  const isRefused = n % 12 === 0;
  const outcome = isRefused ? 'rate_limited' : 'ok';
  return watchedCall(atMs, {
    durationUs: 4_000_000,
    model: MODEL,
    shape: 'chat+stream',
    agent: `agent-${n % 61}`,
    status: isRefused ? 429 : 200,
    outcome,
    finalOutcome: outcome,
    firstByteUs: 300_000,
    firstTokenUs: isRefused ? null : 400_000,
    promptTokens: isRefused ? null : 1_000,
    outputTokens: isRefused ? null : 100,
  });
}

/** The same, but each fourth minute has four times as many calls, and the price of a token is known. */
async function peakyLedger(context: TestContext): Promise<string> {
  const book = await openBook(context);
  const start = Date.now() - 1_200_000;
  const peaks = Array.from({ length: 24_000 }, (_, n) => ({ n, atMs: n * 50 })).filter(
    ({ n, atMs }) => n % 4 === 0 || Math.floor(atMs / 60_000) % 4 === 0,
  );
  await recordCalls(
    book,
    peaks.map(({ n, atMs }) => ({ ...callAt(start + atMs, n), durationUs: 20_000_000, outputTokens: 500 })),
  );
  await book.ledger.journal.bookPrices(
    [{ model: MODEL, provider: 'groq', inputMicros: 50_000, outputMicros: 80_000, isFree: false, isLive: true }],
    start,
  );
  await book.close();
  return book.path;
}

interface Planned {
  readonly sizing: {
    readonly need: { readonly terms: readonly { readonly name: string; readonly bytes: number }[] } | null;
    readonly demand: { readonly windowCalls: number; readonly inFlight: number };
    readonly list: { readonly source: string; readonly of: string | null };
    readonly candidates: readonly { readonly offer: { readonly quota: object | null } }[];
    readonly instance: { readonly instanceType: string; readonly region: string } | null;
    readonly swarm: { readonly calls: number; readonly agents: number; readonly size: { readonly policy: string } };
    readonly problem: string | null;
  };
}

describe('plan', { concurrency: 3 }, () => {
  it('shows memory, instances and the choice within eighty columns, and what to do next', async (context) => {
    const path = await busyLedger(context);
    await using simulation = await startSimulation({ clock: fastClock(1000) });
    const env = { HF_ENDPOINT: simulation.hubUrl, UPSHIFT_ENDPOINTS_URL: simulation.endpointsUrl, HF_TOKEN: 'hf_test' };
    const { code, out, err } = await upshift(['plan', '--db', path, '--model', MODEL], env);
    assert.deepEqual([code, err], [0, '']);
    assert.deepEqual(
      out.split('\n').filter((line) => line.length > 80),
      [],
    );
    assert.match(out, /memory +weights +16\.1 GB {2}8\.03 B BF16 x 2 bytes/);
    assert.match(out, /live prices and quota of acme/);
    assert.match(out, /^ > aws eu-west-1 nvidia-a10g x1 +1\.00 +4 +1 +~\d/m);
    assert.equal(out.match(/^ > /gm)?.length, 1);
    assert.match(out, /^ {3}aws us-east-1 nvidia-l40s x1 +1\.80 +4 +1 +~\d/m);
    assert.match(out, /10 of intel-spr +a CPU serves small embedding models only/);
    assert.match(out, /swarm +1 500 calls of 61 agents in the busiest 5 min:\s+policies\/swarm-10-50\.yaml/);
    assert.match(out, /next +give meta-llama[^]*endpoint block[^]*$/);
  });

  it('proposes the arguments that the calls need, and warns if tools are offered without a parser', async (context) => {
    await using simulation = await startSimulation({ clock: fastClock(1000) });
    const env = { HF_ENDPOINT: simulation.hubUrl, UPSHIFT_ENDPOINTS_URL: simulation.endpointsUrl, HF_TOKEN: 'hf_test' };
    const page = async (shape: string) => {
      const path = await busyLedger(context, shape);
      return (await upshift(['plan', '--db', path, '--model', MODEL], env)).out.replaceAll(/\s+/g, ' ');
    };
    const asked = await page('chat+tools');
    assert.match(asked, /note its calls offer tools, and endpoint\.args names no tool parser: add --enable-auto/);
    assert.match(
      asked,
      /answers endpoint\.args should have, for Llama 3\.1 to 3\.3: \[--enable-auto-tool-choice, --tool/,
    );
    assert.doesNotMatch(await page('chat+stream'), /tool-choice/);
  });

  it('says the same in JSON, for the instance that the policy would get', async (context) => {
    const path = await busyLedger(context);
    await using simulation = await startSimulation({ clock: fastClock(1000) });
    const file = join(dirname(path), 'policy.yaml');
    const endpoint = { namespace: 'acme', regions: ['aws/us-west-2'], maxPricePerHour: 20 };
    writeFileSync(file, JSON.stringify({ routes: [{ model: MODEL, endpoint }] }));
    const env = { HF_ENDPOINT: simulation.hubUrl, UPSHIFT_ENDPOINTS_URL: simulation.endpointsUrl, HF_TOKEN: 'hf_test' };
    const { out } = await upshift(['plan', '--db', path, '--policy', file, '--json'], env);
    const { sizing } = JSON.parse(out) as Planned;
    assert.deepEqual([sizing.demand.windowCalls, sizing.swarm.agents], [1_500, 61]);
    // 1375 answered calls x 4 s / 300 s.
    assert.ok(Math.abs(sizing.demand.inFlight - 18.33) < 0.1, String(sizing.demand.inFlight));
    assert.deepEqual([sizing.instance?.instanceType, sizing.instance?.region], ['nvidia-h200', 'us-west-2']);
    assert.deepEqual(
      sizing.need?.terms.map(({ name }) => name),
      ['weights', 'cache', 'activations', 'engine'],
    );
  });

  it('says what a month costs with each number of replicas, and marks the cheapest', async (context) => {
    const path = await peakyLedger(context);
    await using simulation = await startSimulation({ clock: fastClock(1000) });
    const env = { HF_ENDPOINT: simulation.hubUrl, UPSHIFT_ENDPOINTS_URL: simulation.endpointsUrl, HF_TOKEN: 'hf_test' };
    const file = join(dirname(path), 'policy.yaml');
    const endpoint = { namespace: 'acme', regions: ['aws/us-east-1'], deny: ['nvidia-l40s'], maxReplica: 8 };
    writeFileSync(file, JSON.stringify({ routes: [{ model: MODEL, endpoint }] }));
    const words = ['plan', '--db', path, '--policy', file];
    const [page, json] = await Promise.all([upshift(words, env), upshift([...words, '--json'], env)]);
    const { steady } = JSON.parse(json.out) as { steady: SteadyStates };
    const { states } = steady;
    assert.ok(states.length > 2 && states.some(({ overflowShare }) => overflowShare > 0 && overflowShare < 1));
    assert.deepEqual([states[0]?.overflowShare, states.at(-1)?.overflowShare], [1, 0]);
    const month = page.out.slice(page.out.indexOf(' a month '));
    // The two runs have other ends of their day, so that only the replicas cost the same to the cent.
    for (const { replicas, overflowShare, dedicatedMicros } of states) {
      const name =
        replicas === 0 ? 'all on serverless' : `${replicas} replicas?${overflowShare > 0 ? ' \\+ .* %' : '  '}`;
      const money = dedicatedMicros === 0 ? '0\\.00' : (dedicatedMicros / 1e6).toLocaleString('en').replace(',', '.');
      assert.match(month, new RegExp(`^ [ >] ${name}.*\\$${money} `, 'm'));
    }
    const best = cheapestState(states);
    const marked = new RegExp(`^ > ${best?.replicas === 0 ? 'all on serverless' : `${best?.replicas} replica`}`, 'm');
    assert.match(month, marked);
    assert.deepEqual(
      page.out.split('\n').filter((line) => line.length > 80),
      [],
    );
  });

  it('shows no month in which calls overflow if the policy lets none, nor days and times if it has no windows', async (context) => {
    const path = await peakyLedger(context);
    await using simulation = await startSimulation({ clock: fastClock(1000) });
    const env = { HF_ENDPOINT: simulation.hubUrl, UPSHIFT_ENDPOINTS_URL: simulation.endpointsUrl, HF_TOKEN: 'hf_test' };
    const file = join(dirname(path), 'policy.yaml');
    const endpoint = { namespace: 'acme', regions: ['aws/us-east-1'], deny: ['nvidia-l40s'], maxReplica: 8 };
    const windows = [{ days: ['mon', 'tue', 'wed'], from: '09:00', to: '16:00', zone: 'Europe/Berlin' }];
    const policyOf = (settings: object) => JSON.stringify({ routes: [{ model: MODEL, endpoint, ...settings }] });
    writeFileSync(file, policyOf({ overflow: { enabled: false }, windows }));
    const { out } = await upshift(['plan', '--db', path, '--policy', file], env);
    const month = out.slice(out.indexOf(' a month '));
    assert.match(month, /overflow is off: calls that find all places taken wait for one/);
    assert.match(month, /^ [ >] all on serverless/m);
    assert.match(month, /^ [ >] \d+ replicas? {2}/m);
    assert.doesNotMatch(month, /% overflow/);
    assert.match(
      out,
      /windows +mon-wed 09:00-16:00 Europe\/Berlin: changes are made only then; now\s+(?:open|closed) until/,
    );
    assert.deepEqual(
      out.split('\n').filter((line) => line.length > 80),
      [],
    );
    writeFileSync(file, policyOf({}));
    assert.doesNotMatch((await upshift(['plan', '--db', path, '--policy', file], env)).out, /windows|overflow is off/);
  });

  it('goes without a token by the public list, without quota, and says so', async (context) => {
    const { path } = await openBook(context);
    await using simulation = await startSimulation({ clock: fastClock(1000) });
    const env = { HF_ENDPOINT: simulation.hubUrl, UPSHIFT_ENDPOINTS_URL: simulation.endpointsUrl };
    const words = ['plan', '--db', path, '--model', MODEL];
    const [page, json] = await Promise.all([upshift(words, env), upshift([...words, '--json'], env)]);
    assert.match(page.out, /public list, which has no quota \(HF_TOKEN is not\s+set\)/);
    assert.match(page.out, /next +set HF_TOKEN and run this again for quota$/m);
    const { sizing } = JSON.parse(json.out) as Planned;
    assert.equal(sizing.list.source, 'public');
    assert.ok(sizing.candidates.every(({ offer }) => offer.quota === null));
  });

  it('tells what a model needs before there is a ledger, and that its demand is not known', async (context) => {
    await using simulation = await startSimulation({ clock: fastClock(1000) });
    const env = { HF_ENDPOINT: simulation.hubUrl, UPSHIFT_ENDPOINTS_URL: simulation.endpointsUrl, HF_TOKEN: 'hf_test' };
    const path = join(temporaryFolder(context), 'upshift.db');
    const { code, out, err } = await upshift(['plan', '--db', path, '--model', MODEL], env);
    assert.equal(code, 0);
    assert.match(err, /^warning: there is no ledger at .*upshift\.db: the demand is not known yet\n$/);
    assert.match(out, /memory +weights +16\.1 GB/);
    assert.equal(existsSync(path), false);
  });

  it('does not ask for a token where there is one that was of no use', async (context) => {
    const { path } = await openBook(context);
    await using simulation = await startSimulation({ clock: fastClock(1000) });
    const file = join(dirname(path), 'policy.yaml');
    const endpoint = { namespace: 'nobody', maxPricePerHour: 20 };
    writeFileSync(file, JSON.stringify({ routes: [{ model: MODEL, endpoint }] }));
    const env = { HF_ENDPOINT: simulation.hubUrl, UPSHIFT_ENDPOINTS_URL: simulation.endpointsUrl, HF_TOKEN: 'hf_test' };
    const { out } = await upshift(['plan', '--db', path, '--policy', file], env);
    assert.match(out, /404: Namespace\s+nobody\s+not found/);
    assert.match(out, /next +fix the problem above and run this again for quota/);
  });

  it('goes offline by the stale list and by the name of the model, and says so', async (context) => {
    const { path } = await openBook(context);
    // Nobody listens on the port of a simulation that has ended.
    const simulation = await startSimulation({ clock: fastClock(1000) });
    const { url } = simulation;
    await simulation.close();
    const env = { HF_ENDPOINT: `${url}/hub`, UPSHIFT_ENDPOINTS_URL: `${url}/endpoints`, HF_TOKEN: 'hf_test' };
    const { code, out } = await upshift(['plan', '--db', path, '--model', MODEL], env);
    assert.equal(code, 0);
    assert.match(out, /STALE: price list of 2026-08-20; upshift never proposes from it/);
    assert.match(out, /weights +16\.0 GB {2}8\.00 B BF16 x 2 bytes/);
    assert.match(out, /its size\s+is taken\s+from its name/);
    const nameless = await upshift(['plan', '--db', path, '--model', 'org/name'], env);
    assert.match(nameless.out, /the Hub does not know it: its memory cannot be computed/);
  });
});
