import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import type { TestContext } from 'node:test';
import { CLOSED } from '../../src/core/care/breaker.ts';
import type { LearnedLane } from '../../src/core/care/lane-status.ts';
import { MOST_LEARNED } from '../../src/core/learned.ts';
import { parsePolicy } from '../../src/core/policy/parse.ts';
import type { Policy } from '../../src/core/policy/policy.ts';
import { learnedFacts, LearnedRows } from '../../src/daemon/learned.ts';
import { restore } from '../../src/daemon/restore.ts';
import { Routes } from '../../src/daemon/route/routes.ts';
import type { RouteWatch } from '../../src/daemon/route/watch.ts';
import { Lanes } from '../../src/gateway/care/lanes.ts';
import { learned } from '../../src/ledger/journal/learned.ts';
import { openLedger } from '../../src/ledger/open.ts';
import type { Ledger } from '../../src/ledger/open.ts';
import { openFor, temporaryPath } from '../ledger/rig.ts';
import { openDaemon } from '../support/inside.ts';
import { present, routeState } from '../support/route-state.ts';
import { ENDPOINT_POLICY, promotedRollout, START, TO_PROMOTED } from '../support/samples.ts';
import { storedRollout } from '../support/stored-rollout.ts';
import { openStage, policyText, routeWith } from '../support/stage.ts';
import { PATIENT, eventually } from '../support/waiting.ts';

const MINUTE = 60_000;
const CLOCK = { now: () => START, sleep: () => Promise.resolve(), scale: 1 };
const MODELS = Array.from({ length: 30 }, (_, i) => `org/model-${i}`);
const PROVIDERS = ['', 'groq'];
const silent = () => undefined;

const laneOf = (perSecond: number): LearnedLane => ({
  rate: { perSecond },
  inFlight: { most: null },
  breaker: { state: 'open', since: START, until: START + MINUTE, cause: 'unavailable', agents: null },
});

/** The parts of a daemon that learn, of one process. */
interface Process {
  readonly routes: Routes;
  readonly lanes: Lanes;
  readonly rows: LearnedRows;
  readonly problems: readonly string[];
  readonly save: (now?: number) => Promise<void>;
}

function policy(criteria: object = {}): Policy {
  const parsed = parsePolicy({
    defaults: { criteria },
    routes: MODELS.map((model) => ({ model, endpoint: ENDPOINT_POLICY })),
  });
  assert.ok(parsed.ok);
  return parsed.policy;
}

async function start({ journal }: Ledger, criteria: object = {}): Promise<Process> {
  const problems: string[] = [];
  const rows = await LearnedRows.read(journal, (_level, _message, more) => problems.push(JSON.stringify(more)));
  const routes = new Routes(policy(criteria), CLOCK, silent, (model) => rows.route(model));
  const lanes = new Lanes(CLOCK, rows.lanes());
  const gateway = { learned: () => lanes.learned() };
  return {
    routes,
    lanes,
    rows,
    problems,
    save: (now = START) => rows.save(learnedFacts(routes, gateway), journal, now),
  };
}

async function setUp(context: TestContext): Promise<Ledger> {
  return await openFor(context, temporaryPath(context));
}

/** Has a process learn something of every model and of two lanes of each. */
function learnAll({ routes }: Process, lanes: Map<string, LearnedLane>): void {
  for (const [i, model] of MODELS.entries()) {
    const watch = routes.watch(model) as RouteWatch;
    watch.enter(routeState({ ...promotedRollout(), endpointName: `endpoint-${i}` }, watch.filePolicy));
    watch.priced(i);
    for (const provider of PROVIDERS) lanes.set(`${provider} ${model}`, laneOf(i + 1));
  }
}

function knownOf({ rows }: Process): unknown[] {
  return [
    [...rows.lanes()].map(([{ model, provider }, { rate }]) => `${model} ${provider} ${rate.perSecond}`).sort(),
    MODELS.map((model) => [rows.route(model).concurrency?.endpointName, rows.route(model).perCallMicros]),
  ];
}

/** Ten minutes with many agents and refusals, and too few calls. */
function nearlyMeet({ demand }: RouteWatch): void {
  for (let second = 0; second < 600; second++) {
    const now = START + second * 1_000;
    demand.window.arrived(now, `agent-${second % 60}`, false);
    if (second % 5 === 0) demand.window.refused(now);
    demand.window.advance(now);
  }
}

describe('how near the criteria came', () => {
  it('is known after restarts, until the criteria change or a rollout begins', async (context) => {
    const ledger = await setUp(context);
    const near = ({ routes }: Process) => (routes.watch('m-0') as RouteWatch).demand.figures().near;
    const first = await start(ledger);
    nearlyMeet(first.routes.watch('m-0') as RouteWatch);
    const seen = near(first);
    assert.ok(seen?.figure === 'calls' && seen.peak > 100 && seen.heldMs > 60_000, JSON.stringify(seen));
    await first.save();

    const second = await start(ledger);
    assert.deepEqual(near(second), seen);
    await second.save();
    assert.deepEqual(near(await start(ledger, { calls: 3_000 })), undefined);
    const third = await start(ledger);
    assert.deepEqual(near(third), seen);
    const watch = third.routes.watch('m-0') as RouteWatch;
    watch.enter(routeState(promotedRollout(), watch.filePolicy));
    await third.save();
    assert.deepEqual(near(await start(ledger)), undefined);
    assert.deepEqual(
      [first, second, third].flatMap(({ problems }) => problems),
      [],
    );
  });
});

describe('what was learned', () => {
  it('survives restarts whole, 60 lanes and 30 routes, also a second one without a call', async (context) => {
    const ledger = await setUp(context);
    const first = await start(ledger);
    const learnedLanes = new Map<string, LearnedLane>();
    learnAll(first, learnedLanes);
    const gateway = {
      learned: () =>
        MODELS.flatMap((model) =>
          PROVIDERS.map((provider) => [{ model, provider }, learnedLanes.get(`${provider} ${model}`) ?? null] as const),
        ),
    };
    await first.rows.save(learnedFacts(first.routes, gateway), ledger.journal, START);
    const known = knownOf(first);
    assert.equal((known[0] as string[]).length, 60);

    const second = await start(ledger);
    assert.deepEqual(knownOf(second), known);
    await second.save();
    const third = await start(ledger);
    assert.deepEqual(knownOf(third), known);
    assert.deepEqual(third.problems, []);
  });

  it('has a row for each lane, whatever clients call their models', async (context) => {
    const { journal } = await setUp(context);
    const rows = await LearnedRows.read(journal, silent);
    const lanes = [
      { model: 'org/m', provider: 'groq' },
      { model: 'org/m by groq', provider: '' },
    ];
    const facts = lanes.map((lane, i) => ({ what: 'lane' as const, ...lane, value: laneOf(i + 1) }));
    await rows.save(facts, journal, START);
    assert.deepEqual(
      [...(await LearnedRows.read(journal, silent)).lanes()].map(([lane]) => lane),
      lanes,
    );
  });

  it('is written where it has changed, and nowhere else', async (context) => {
    const { journal } = await setUp(context);
    const written: number[] = [];
    const counted: Pick<typeof journal, 'saveLearned'> = {
      saveLearned: (rows, removed) => {
        written.push(rows.length);
        return journal.saveLearned(rows, removed);
      },
    };
    const rows = await LearnedRows.read(journal, silent);
    const save = (perSecond: number) => {
      const facts = ['a', 'b'].map((model, i) => {
        return { what: 'lane' as const, model, provider: '', value: laneOf(i === 0 ? perSecond : 1) };
      });
      return rows.save(facts, counted, START);
    };
    await save(1);
    await save(1);
    await save(2);
    assert.deepEqual(written, [2, 1]);
  });

  it('is written with the next save where the ledger could not take it', async (context) => {
    const { journal } = await setUp(context);
    const rows = await LearnedRows.read(journal, silent);
    const facts = [{ what: 'lane' as const, model: 'a', provider: '', value: laneOf(1) }];
    const locked = { saveLearned: () => Promise.reject(new Error('locked')) };
    await assert.rejects(rows.save(facts, locked, START), /locked/);
    await rows.save(facts, journal, START);
    assert.equal((await journal.learned()).length, 1);
  });

  it('is removed where nothing is left of it: a lane that has no limit and whose upstream is well again', async (context) => {
    const { journal } = await setUp(context);
    const rows = await LearnedRows.read(journal, silent);
    const key = { what: 'lane' as const, model: 'a', provider: '' };
    await rows.save([{ ...key, value: laneOf(1) }], journal, START);
    await rows.save([{ ...key, value: null }], journal, START);
    assert.deepEqual(await journal.learned(), []);
  });

  it(`is at most ${MOST_LEARNED} rows of a kind: those not used for the longest time go`, async (context) => {
    const { journal } = await setUp(context);
    const rows = await LearnedRows.read(journal, silent);
    const fact = (n: number) => ({ what: 'lane' as const, model: `m-${n}`, provider: '', value: laneOf(n + 1) });
    const cost = { what: 'call_cost' as const, model: 'm-0', provider: '', value: { perCallMicros: 5 } };
    await rows.save([cost, ...Array.from({ length: MOST_LEARNED }, (_, n) => fact(n))], journal, START);
    await rows.save([fact(0), fact(MOST_LEARNED)], journal, START + 1);
    const kept = await journal.learned();
    const lanes = kept.filter(({ what }) => what === 'lane').map(({ model }) => model);
    assert.equal(lanes.length, MOST_LEARNED);
    assert.deepEqual(
      ['m-0', 'm-1', 'm-2', `m-${MOST_LEARNED}`].map((model) => lanes.includes(model)),
      [true, false, true, true],
    );
    assert.equal(kept.length, MOST_LEARNED + 1);
  });

  it('is learned again where a row cannot be read: that row is named, and the others stand', async (context) => {
    const { journal, ...ledger } = await setUp(context);
    const key = { what: 'lane' as const, provider: '', at: START };
    const bad = { ...laneOf(1), rate: { perSecond: 'many' } };
    const rows = [
      { ...key, model: 'good', value: JSON.stringify(laneOf(1)) },
      { ...key, model: 'bad', value: JSON.stringify(bad) },
      { ...key, model: 'broken', value: '{' },
      { ...key, model: 'strange', value: JSON.stringify({ ...laneOf(1), more: 1 }) },
    ];
    await journal.saveLearned(rows, []);
    const process = await start({ journal, ...ledger });
    assert.deepEqual(
      [...process.rows.lanes()].map(([{ model }]) => model),
      ['good'],
    );
    const [first, ...rest] = process.problems.toSorted();
    assert.match(first ?? '', /table learned, lane of bad: rate\.perSecond: .*expected number/);
    assert.match(rest.join('\n'), /lane of broken: not JSON.*\n.*lane of strange: .*more/);
    await process.save();
    assert.deepEqual(
      (await journal.learned()).filter(({ what }) => what === 'lane').map(({ model }) => model),
      ['good'],
    );
  });

  it('says since when a route’s traffic is known, also to a second process in which nothing was called', async (context) => {
    const ledger = await setUp(context);
    const knownSince = START - 60 * MINUTE;
    const [model] = MODELS as [string];
    const [proposed, ...then] = TO_PROMOTED;
    assert.ok(proposed?.type === 'proposed');
    const rollout = { ...proposed.rollout, model };
    await ledger.journal.commit(storedRollout([{ ...proposed, rollout }, ...then], policy()));
    const run = async (now: number) => {
      const process = await start(ledger);
      const watch = process.routes.watch(model) as RouteWatch;
      const log = (_: string, message: string) => assert.fail(message);
      await restore(process.routes, ledger.journal, { ...CLOCK, now: () => now }, { learned: process.rows, log });
      const since = watch.worth?.knownSince;
      watch.advance(present(now));
      await process.save(now);
      return since;
    };
    const first = await start(ledger);
    const watch = first.routes.watch(model) as RouteWatch;
    watch.enter(routeState(promotedRollout(), watch.filePolicy));
    watch.advance(present(knownSince));
    watch.advance(present(START));
    await first.save();
    assert.equal(await run(START + 4 * MINUTE), knownSince);
    assert.equal(await run(START + 8 * MINUTE), knownSince);
    assert.equal(await run(START + 14 * MINUTE), START + 14 * MINUTE, 'nobody looked for six minutes');
  });
});

test('a daemon gives what it has read to the next one, whatever `status` shows of it', PATIENT, async (t) => {
  const stage = await openStage(t);
  stage.writePolicy(policyText({ routes: MODELS.map((model) => routeWith(model)) }));
  const ledger = await openLedger(stage.dbPath, { clock: stage.clock });
  const rows = MODELS.flatMap((model, i) =>
    PROVIDERS.map((provider) => {
      const value = JSON.stringify({ rate: { perSecond: i + 1 }, inFlight: { most: 4 }, breaker: CLOSED });
      return { what: 'lane' as const, model, provider, value, at: START };
    }),
  );
  await ledger.journal.saveLearned(rows, []);
  await ledger.close();
  const lanes = () => stage.read(learned).filter(({ what }) => what === 'lane');
  const before = lanes();
  for (let restarts = 0; restarts < 2; restarts++) {
    const { daemon, close } = await openDaemon(t, stage);
    const began = daemon.report().at;
    await eventually('it has saved its status', () => (stage.report()?.at ?? 0) > began);
    assert.equal(daemon.report().lanes.length, 50);
    await close();
    assert.deepEqual(lanes(), before);
  }
});
