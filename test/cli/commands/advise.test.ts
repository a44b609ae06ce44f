import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import type { Call } from '../../../src/core/call.ts';
import { DEFAULT_MODELS } from '../../../src/simulation/hub/models.ts';
import { startSimulation } from '../../../src/simulation/server.ts';
import { fastClock } from '../../simulation/clocks.ts';
import { makeLane, makeReport, NOON } from '../reports.ts';
import { openBook, recordCalls, upshift, watchedCall } from '../rig.ts';
import type { Book } from '../rig.ts';

const LLAMA = DEFAULT_MODELS[0]?.id ?? '';
const MINUTE = 60_000;

/** A call that serverless answered, or refused. */
function call(atMs: number, agent: string, isRefused: boolean): Call {
  const outcome = isRefused ? 'rate_limited' : 'ok';
  return watchedCall(atMs, { model: LLAMA, agent, outcome, finalOutcome: outcome, status: isRefused ? 429 : 200 });
}

/** Eighty agents that call every six seconds for twenty minutes before noon, a fifth of it refused. */
async function heavyBook(context: TestContext): Promise<Book> {
  const book = await openBook(context);
  const calls: Call[] = [];
  for (let at = NOON - 20 * MINUTE, n = 0; at < NOON - MINUTE; at += 75, n++) {
    calls.push(call(at, `agent-${n % 80}`, n % 5 === 0));
  }
  await recordCalls(book, calls);
  await book.saveStatus(
    makeReport([], {
      timeScale: 60,
      lanes: [
        makeLane({
          model: LLAMA,
          limit: 1_500,
          providers: [{ provider: 'groq', tried: 9_000, refused: 900, faults: 3 }],
        }),
        makeLane({
          model: LLAMA,
          provider: 'novita',
          providers: [{ provider: 'novita', tried: 400, refused: 0, faults: 0 }],
        }),
      ],
    }),
  );
  return book;
}

describe('advise', { concurrency: 4 }, () => {
  it('says with figures what would do, within eighty columns', async (context) => {
    const { path } = await heavyBook(context);
    const { code, out, err } = await upshift(['advise', '--db', path, '--since', '1h']);
    assert.deepEqual([code, err], [0, '']);
    assert.equal(out, PAGE.slice(1));
    assert.ok(out.split('\n').every((line) => line.length <= 80));
  });

  it('says the same as one line of JSON for each route', async (context) => {
    const { path } = await heavyBook(context);
    const { out } = await upshift(['advise', '--db', path, '--json', '--model', LLAMA]);
    const advice = JSON.parse(out) as Record<string, Record<string, unknown>>;
    assert.deepEqual(advice['limit'], { calls: 1_500, source: 'learned' });
    assert.deepEqual([advice['verdict']?.['kind'], advice['verdict']?.['remedies']], ['remedy', ['provider']]);
    assert.equal(advice['others'], null);
    assert.equal(out.trimEnd().split('\n').length, 1);
  });

  it('asks the router who else serves the model, and only with a token', async (context) => {
    const { path } = await heavyBook(context);
    await using simulation = await startSimulation({ clock: fastClock(1000) });
    const ask = (env: Record<string, string>) =>
      upshift(['advise', '--db', path, '--online', '--json'], { UPSHIFT_ROUTER_URL: simulation.routerUrl, ...env });
    const { code, out } = await ask({ HF_TOKEN: 'hf_test' });
    assert.equal(code, 0);
    const { others } = JSON.parse(out) as { others: unknown };
    const model = `${LLAMA}:nscale`;
    assert.deepEqual(others, [{ provider: 'nscale', inputPrice: 0.05, outputPrice: 0.08, model }]);
    const without = await ask({});
    assert.equal(without.code, 2);
    assert.match(without.err, /HF_TOKEN is not set/);
  });

  it('says so where the ledger knows nothing yet', async (context) => {
    const { path } = await openBook(context);
    const { code, out } = await upshift(['advise', '--db', path]);
    assert.equal(code, 0);
    assert.match(out, /^the ledger has no calls since 1d\nlet agents call through upshift/);
    const long = await upshift(['advise', '--db', path, '--since', '90d']);
    assert.deepEqual([long.code, /31d ago at most/.test(long.err)], [2, true]);
    const named = await upshift(['advise', '--db', path, '--model', 'acme/unseen']);
    assert.equal(
      named.out,
      'acme/unseen\n verdict   0 calls in this span: nothing can be said\n' +
        ' next      let agents call through upshift for an hour or more, then ask again\n',
    );
  });

  it('teaches what its lines mean', async () => {
    const { out } = await upshift(['advise', '--help']);
    for (const word of ['--online', 'limit', 'queue', 'ramp', 'providers', 'care.maxWait', 'fine, remedy, migrate'])
      assert.ok(out.includes(word), word);
  });
});

const PAGE = `
meta-llama/Llama-3.1-8B-Instruct
 demand    15 200 calls of 80 agents over 19 min, 20.0 % refused or delayed
           in 5 min: 4 000 at most (until 11:45:00Z), 4 000 at p95
 limit     1 500 in 5 min (learned); 90.2 % of the windows are above
 queue     38.4 % of the calls would wait (p50 30 s, p95 30 s), 38.4 % for 1 s
           or longer; 61.5 % refused after 30 s
 agents    80 at the peak: 50 fewer would keep within the limit (of the busiest,
           50), or at most 18 calls each in 5 min
 ramp      80 of 80 agents start within the peak; 4 000 calls in the 5 min after
           it: the starts are not its cause
 providers groq 10.0 % of 9 000 attempts refused, 3 faults
           novita 0.0 % of 400 attempts refused
 verdict   4000 calls at the peak against a limit of 1500: no GPU needed,
           another provider would be enough
           - 0.0 % of 400 attempts refused by novita, 10.0 % of 9000 by groq:
             call meta-llama/Llama-3.1-8B-Instruct:novita, or set
             care.providers: [novita]
 next      try that first; npx upshift advise --since 1h then shows the effect
`;
