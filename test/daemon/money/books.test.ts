import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { billedReplicas } from '../../../src/core/money/books.ts';
import { MINUTE_MS } from '../../../src/core/time.ts';
import type { SimulationState } from '../../../src/simulation/control.ts';
import { makeRollout } from '../../ledger/rig.ts';
import type { Happening, Stage } from './books-rig.ts';
import { openStage } from './books-rig.ts';

const DAY_MS = 86_400_000;

type Life = SimulationState['endpoints'][number];

interface Timed {
  readonly at: number;
  readonly what: Happening;
}

const which = fc.integer({ min: 1, max: 3 });
const short = fc.integer({ min: 1, max: 15 });
const long = fc.integer({ min: 16, max: 600 });

function happening(kinds: { readonly canLoseGraphs: boolean }): fc.Arbitrary<Happening> {
  const one = (kind: 'create' | 'pause' | 'resume' | 'sleep' | 'wake' | 'delete' | 'fail') =>
    fc.record({ kind: fc.constant(kind), which });
  return fc.oneof(
    { weight: 6, arbitrary: one('create') },
    { weight: 3, arbitrary: one('pause') },
    { weight: 3, arbitrary: one('resume') },
    { weight: 2, arbitrary: one('sleep') },
    { weight: 2, arbitrary: one('wake') },
    { weight: 2, arbitrary: one('delete') },
    { weight: 1, arbitrary: one('fail') },
    {
      weight: 3,
      arbitrary: fc.record({ kind: fc.constant('replicas' as const), which, count: fc.integer({ min: 1, max: 2 }) }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constant('books-crash' as const), minutes: fc.oneof(short, long) }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constantFrom('api-down' as const, 'ledger-locked' as const),
        minutes: fc.oneof(short, long),
      }),
    },
    { weight: 1, arbitrary: fc.constant({ kind: 'simulation-crash' as const }) },
    ...(kinds.canLoseGraphs
      ? [
          {
            weight: 2,
            arbitrary: fc.record({
              kind: fc.constantFrom('graphs-gone' as const, 'graphs-fail' as const),
              minutes: long,
            }),
          },
        ]
      : []),
  );
}

// Every run of the tests draws other days: what thirty of them miss, the next thirty may find.
/** A day of things that happen: some close to each other, within a minute, some hours apart. */
function schedule(kinds: { readonly canLoseGraphs: boolean }): fc.Arbitrary<Timed[]> {
  const pause = fc.oneof(
    fc.integer({ min: 1, max: 45_000 }),
    fc.integer({ min: 60_000, max: 600_000 }),
    fc.integer({ min: 600_000, max: 3 * 3_600_000 }),
  );
  const first = fc.constant({ pause: 1, what: { kind: 'create' as const, which: 1 } });
  const rest = fc.array(fc.record({ pause, what: happening(kinds) }), { minLength: 5, maxLength: 18 });
  return fc.tuple(first, rest).map(([one, others]) => {
    let at = 0;
    return [one, ...others]
      .map(({ pause: after, what }) => ({ at: (at += after), what }))
      .filter((each) => each.at < DAY_MS - 3_600_000);
  });
}

/** Looks are made for so long around what happens, and every hour: in between nothing but time passes. */
const AROUND_MS = 3 * MINUTE_MS;

async function pass(stage: Stage, until: number): Promise<void> {
  const { clock } = stage;
  const quietFrom = clock.now() + AROUND_MS;
  if (until <= quietFrom + AROUND_MS) return stage.passTo(until);
  await stage.passTo(quietFrom);
  for (let at = quietFrom + 60 * MINUTE_MS; at < until - AROUND_MS; at += 60 * MINUTE_MS) {
    await stage.passTo(at, at - MINUTE_MS);
  }
  await stage.passTo(until, until - AROUND_MS);
}

/** Deletes where the books can see it: found by a reading that is less than a minute old, not changed since, and then missed. */
async function deleteInSight(stage: Stage, what: Happening & { which: number }): Promise<void> {
  const { clock } = stage;
  const turn = (Math.floor(clock.now() / MINUTE_MS) + 1) * MINUTE_MS;
  await stage.passTo(turn + 17_000);
  const life = living(stage).find((each) => each.name === `e${what.which}`);
  const hasChanged = (life?.history.at(-1)?.at ?? 0) >= turn;
  if (stage.lastReadingAt !== turn || hasChanged) return;
  await stage.happen(what);
  await stage.passTo(turn + MINUTE_MS);
}

function living({ sim }: Stage): Life[] {
  return sim.state().endpoints.filter((each) => each.deletedAt === null);
}

interface Row {
  readonly name: string;
  readonly createdAt: number;
  readonly micros: number;
  readonly estimated: number;
}

const BY_ENDPOINT = `SELECT e.name, e.created_at_ms AS createdAt,
    total((until_minute - from_minute) * s.replicas * s.hourly_price_micros) / 60 AS micros,
    total((until_minute - from_minute) * (source = 'estimate')) AS estimated
  FROM endpoints e JOIN endpoint_spans s ON s.endpoint_id = e.id GROUP BY e.id`;

test('the money in the ledger is that of the meter, to the minute, whatever crashed in the day', async () => {
  let readings = 0;
  let lives = 0;
  await fc.assert(
    fc.asyncProperty(schedule({ canLoseGraphs: false }), async (day) => {
      const stage = await openStage();
      try {
        for (const { at, what } of day) {
          if (stage.clock.now() < stage.startAt + at) await pass(stage, stage.startAt + at);
          await (what.kind === 'delete' ? deleteInSight(stage, what) : stage.happen(what));
        }
        await pass(stage, stage.startAt + DAY_MS);
        await stage.settle();
        const rows = stage.query<Row>(BY_ENDPOINT);
        const { endpoints } = stage.sim.state();
        for (const life of endpoints) {
          const row = rows.find((each) => each.name === life.name && each.createdAt === life.createdAt);
          assert.equal(
            Math.round(row?.micros ?? 0),
            life.spentMicroDollars,
            `${life.name} ${JSON.stringify(life.history)}`,
          );
          assert.equal(row?.estimated ?? 0, 0);
        }
        assert.equal(rows.length, endpoints.length);
        assert.deepEqual(stage.findings(), []);
        readings += stage.readings;
        lives += endpoints.length;
      } finally {
        await stage.close();
      }
    }),
    { numRuns: 30, endOnFailure: true },
  );
  assert.ok(readings > 1_200 && lives > 36, `${readings} readings at ${lives} endpoints`);
});

interface SpanRow {
  readonly name: string;
  readonly createdAt: number;
  readonly lastSeenAt: number;
  readonly fromMinute: number;
  readonly untilMinute: number;
  readonly replicas: number;
}

const KNOWN_SPANS = `SELECT e.name, e.created_at_ms AS createdAt, e.last_seen_at_ms AS lastSeenAt, s.from_minute AS fromMinute,
    s.until_minute AS untilMinute, s.replicas
  FROM endpoints e JOIN endpoint_spans s ON s.endpoint_id = e.id WHERE s.source <> 'estimate'`;

/** The most replicas that were billed at any moment of a minute, counted the long way. */
function replicasIn({ history, deletedAt }: Life, minute: number, now: number): number {
  const [from, until] = [minute * MINUTE_MS, (minute + 1) * MINUTE_MS];
  let most = 0;
  for (const [index, { at, state, replicas }] of history.entries()) {
    const end = Math.min(history[index + 1]?.at ?? Infinity, deletedAt ?? now + 1);
    if (at < until && end > from) most = Math.max(most, billedReplicas(state, { ready: replicas, target: replicas }));
  }
  return most;
}

test('whatever was deleted in the dark or lost its graphs: a minute that is not called an estimate is right', async () => {
  let checked = 0;
  await fc.assert(
    fc.asyncProperty(schedule({ canLoseGraphs: true }), async (day) => {
      const stage = await openStage();
      try {
        for (const { at, what } of day) {
          await pass(stage, stage.startAt + at);
          await stage.happen(what);
        }
        await pass(stage, stage.startAt + DAY_MS);
        await stage.settle();
        const { endpoints } = stage.sim.state();
        for (const span of stage.query<SpanRow>(KNOWN_SPANS)) {
          const life = endpoints.find((each) => each.name === span.name && each.createdAt === span.createdAt);
          assert.ok(life);
          for (let minute = span.fromMinute; minute < span.untilMinute; minute++) {
            // What became of it after the last reading before it was deleted nobody saw.
            if (life.deletedAt !== null && minute >= Math.floor(span.lastSeenAt / MINUTE_MS)) continue;
            const truth = replicasIn(life, minute, stage.clock.now());
            if (truth !== span.replicas) {
              assert.equal(span.replicas, truth, `${life.name} ${minute * MINUTE_MS} ${JSON.stringify(life.history)}`);
            }
            checked++;
          }
        }
        assert.deepEqual(stage.findings(), []);
      } finally {
        await stage.close();
      }
    }),
    { numRuns: 12, endOnFailure: true },
  );
  assert.ok(checked > 600);
});

test('an API that serves no graphs leaves a day without readings an estimate, and a quiet one exact', async () => {
  const stage = await openStage({ servesGraphs: false });
  try {
    await stage.happen({ kind: 'create', which: 1 });
    await stage.passTo(stage.startAt + 10 * MINUTE_MS);
    await stage.happen({ kind: 'books-crash', minutes: 600 });
    await stage.passTo(stage.startAt + 700 * MINUTE_MS);
    const [quiet] = stage.query<Row>(BY_ENDPOINT);
    assert.equal(Math.round(quiet?.micros ?? 0), stage.sim.spentMicroDollars('e1'));
    const before = quiet?.estimated ?? 0;
    await stage.happen({ kind: 'books-crash', minutes: 600 });
    await stage.passTo(stage.startAt + 900 * MINUTE_MS);
    await stage.happen({ kind: 'pause', which: 1 });
    await stage.passTo(stage.startAt + 1_400 * MINUTE_MS);
    const [paused] = stage.query<Row>(BY_ENDPOINT);
    // It was paused once, and says when: the estimate is right, and is called one all the same.
    assert.equal(Math.round(paused?.micros ?? 0), stage.sim.spentMicroDollars('e1'));
    assert.ok((paused?.estimated ?? 0) >= before + 599);
  } finally {
    await stage.close();
  }
});

test('an endpoint that is deleted while nobody reads it is booked, as an estimate, until it is missed', async () => {
  const stage = await openStage();
  try {
    await stage.happen({ kind: 'create', which: 1 });
    await stage.passTo(stage.startAt + 10 * MINUTE_MS);
    const spent = stage.sim.spentMicroDollars('e1');
    await stage.happen({ kind: 'books-crash', minutes: 60 });
    await stage.passTo(stage.startAt + 10 * MINUTE_MS + 20_000);
    await stage.happen({ kind: 'delete', which: 1 });
    await stage.passTo(stage.startAt + 90 * MINUTE_MS);
    const [row] = stage.query<Row>(BY_ENDPOINT);
    assert.equal(row?.estimated, 60);
    assert.ok(Math.abs((row?.micros ?? 0) - spent - (60 * 800_000) / 60) < 1);
  } finally {
    await stage.close();
  }
});

test('an endpoint that somebody else made is not in the books', async () => {
  const stage = await openStage();
  try {
    await stage.happen({ kind: 'create', which: 1 });
    const { endpointBody, send } = await import('../../simulation/support.ts');
    const theirs = { ...endpointBody('theirs'), tags: ['somebody'] };
    await send('POST', `${stage.sim.endpointsUrl}/v2/endpoint/acme`, theirs);
    await stage.passTo(stage.startAt + 10 * MINUTE_MS);
    assert.deepEqual(
      stage.query<Row>(BY_ENDPOINT).map(({ name }) => name),
      ['e1'],
    );
  } finally {
    await stage.close();
  }
});

test('a rollout that cannot be read is logged once, and the books go on', async () => {
  const stage = await openStage();
  try {
    for (const [id, phase] of [
      ['aaaabbbb', 'aborted'],
      ['ccccdddd', 'promoted'],
    ] as const) {
      stage.store(makeRollout({ id, phase, snapshot: '{}' }));
    }
    await stage.happen({ kind: 'create', which: 1 });
    await stage.passTo(stage.startAt + 10 * MINUTE_MS);
    const [row] = stage.query<Row>(BY_ENDPOINT);
    assert.equal(Math.round(row?.micros ?? 0), stage.sim.spentMicroDollars('e1'));
    assert.equal(stage.logged.length, 1, stage.logged.join('\n'));
    assert.match(stage.logged[0] ?? '', /^a rollout cannot be read and is left out .*"rollout":"ccccdddd"/);
  } finally {
    await stage.close();
  }
});
