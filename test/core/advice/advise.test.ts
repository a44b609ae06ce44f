import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { WaysSeen } from '../../../src/core/advice/advise.ts';
import { advise } from '../../../src/core/advice/advise.ts';
import { capOf, fewerAgents } from '../../../src/core/advice/agents.ts';
import type { DemandCall } from '../../../src/core/advice/demand.ts';
import { WINDOW_MS, demandOf, inWindow, peaksOf, windowsOf } from '../../../src/core/advice/demand.ts';
import { queueUp } from '../../../src/core/advice/queue.ts';
import { ramped, rampOf } from '../../../src/core/advice/ramp.ts';
import { MODEL, routePolicy, START } from '../../support/samples.ts';

const MINUTE = 60_000;
const NO_WAYS: WaysSeen = { lanes: [], serving: null };

interface Swarm {
  readonly agents: number;
  /** The time between two calls of an agent, and how long it goes on calling. */
  readonly everyMs: number;
  readonly minutes: number;
  readonly fromMinute?: number;
  /** The time between the starts of two agents. */
  readonly gapMs?: number;
  readonly refused?: number;
}

/** The calls of agents that start one after another and call at a steady pace. */
function swarm({ agents, everyMs, minutes, fromMinute = 0, gapMs = 100, refused = 0 }: Swarm): DemandCall[] {
  return Array.from({ length: agents }, (_, agent) =>
    Array.from({ length: Math.floor((minutes * MINUTE) / everyMs) }, (_, n) => ({
      atMs: START + fromMinute * MINUTE + agent * gapMs + n * everyMs,
      agent: `agent-${agent}`,
      isAgentDerived: false,
      isRefused: ((agent * 31 + n * 17) % 100) / 100 < refused,
      isTaken: ((agent * 31 + n * 17) % 100) / 100 >= refused,
    })),
  ).flat();
}

/** The demand of calls from a time on, in a span that ends long after the last call. */
const past = (calls: readonly DemandCall[], fromMs = START) => demandOf(calls, { fromMs, untilMs: START + 1e9 });

const lane = (limit: number | null, ...providers: readonly (readonly [string, number, number])[]) => ({
  limit,
  providers: providers.map(([provider, tried, refused]) => ({ provider, tried, refused, faults: 0 })),
});

const times = fc.array(fc.integer({ min: 0, max: 2_000_000 }), { maxLength: 200 });

describe('sliding windows', () => {
  it('hold the calls in them, whenever the calls arrive', () => {
    fc.assert(
      fc.property(times, fc.integer({ min: 0, max: 50 }), (atMs, limit) => {
        const sorted = atMs.toSorted((a, b) => a - b);
        const { peak, peakAt, p95, aboveShare } = windowsOf(atMs, limit);
        assert.equal(peak, [...inWindow(sorted, peakAt)].length);
        assert.ok(p95 <= peak && aboveShare >= 0 && aboveShare <= 1);
        assert.equal(aboveShare > 0, peak > limit);
        for (const at of sorted)
          assert.ok([...inWindow(sorted, Math.floor(at / 1_000) * 1_000 + 1_000)].length <= peak);
      }),
    );
  });

  it('have fullest ones that do not overlap and are above the limit', () => {
    fc.assert(
      fc.property(times, fc.integer({ min: 0, max: 20 }), (atMs, limit) => {
        const sorted = atMs.toSorted((a, b) => a - b);
        const ends = peaksOf(sorted, limit, 4);
        const counts = ends.map((end) => [...inWindow(sorted, end)].length);
        assert.ok(counts.every((count, i) => count > limit && count <= (counts[i - 1] ?? Infinity)));
        for (const a of ends) for (const b of ends) assert.ok(a === b || Math.abs(a - b) >= WINDOW_MS);
      }),
    );
  });

  it('skip a silence', () => {
    const calls = [
      ...swarm({ agents: 10, everyMs: 10_000, minutes: 10 }),
      ...swarm({ agents: 10, everyMs: 5_000, minutes: 10, fromMinute: 10_000 }),
    ];
    const { peak, p95, aboveShare } = windowsOf(past(calls).atMs, 400);
    assert.equal(peak, 600);
    assert.ok(p95 >= 595 && aboveShare > 0.25 && aboveShare < 0.3, `${p95} ${aboveShare}`);
  });
});

describe('a queue at the limit', () => {
  const at = { perSecond: 2, maxWaitMs: 30_000, most: 1_000 };

  it('holds no call if demand is below the limit', () => {
    const calls = Array.from({ length: 600 }, (_, i) => i * 501);
    const { heldShare, refused, waitedP50 } = queueUp(calls, at);
    assert.deepEqual([heldShare, refused, waitedP50], [0, 0, null]);
  });

  it('holds a burst for as long as the limit needs, and refuses calls that would wait too long', () => {
    const { heldShare, refused, waitedP95, delayedShare } = queueUp(Array<number>(100).fill(0), at);
    // Four calls go out at once, then two a second for thirty seconds.
    assert.equal(refused, 100 - 4 - 60);
    assert.equal(heldShare, 0.6);
    assert.equal(delayedShare, 0.59);
    assert.ok(Math.abs((waitedP95 ?? 0) - 28_500) < 300, String(waitedP95));
    assert.equal(queueUp(Array<number>(100).fill(0), { ...at, most: 10 }).refused, 100 - 4 - 10);
  });

  it('never lets out more than the limit and a burst, and its shares agree with that', () => {
    fc.assert(
      fc.property(times, fc.integer({ min: 1, max: 20 }), (atMs, perSecond) => {
        const sorted = atMs.toSorted((a, b) => a - b);
        const queued = queueUp(sorted, { ...at, perSecond });
        const spanMs = (sorted.at(-1) ?? 0) - (sorted[0] ?? 0) + at.maxWaitMs;
        assert.ok(sorted.length - queued.refused <= Math.ceil((perSecond * (spanMs + 2_000)) / 1_000) + 1);
        assert.ok(queued.delayedShare <= queued.heldShare && queued.heldShare + queued.refusedShare <= 1 + 1e-9);
        assert.ok((queued.waitedP50 ?? 0) <= (queued.waitedP95 ?? 0) && (queued.waitedP95 ?? 0) <= at.maxWaitMs * 1.01);
      }),
    );
  });
});

describe('fewer agents', () => {
  it('have the highest cap that keeps within the limit', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 30 }),
        fc.nat(1_000),
        (counts, limit) => {
          const cap = capOf(
            counts.toSorted((a, b) => b - a),
            limit,
          );
          const within = (most: number) => counts.reduce((sum, count) => sum + Math.min(count, most), 0) <= limit;
          if (cap === Infinity) assert.ok(within(1_000));
          else assert.ok(within(cap) && !within(cap + 1), String(cap));
        },
      ),
    );
  });

  it('are as many as the peak is too high, or the few that make many calls', () => {
    const even = past(swarm({ agents: 50, everyMs: 6_000, minutes: 10 }));
    const ends = peaksOf(even.atMs, 2_000, 10);
    // 50 calls each in five minutes.
    assert.deepEqual(fewerAgents(even, ends, 2_000), { atPeak: 50, fewer: 10, busiest: 10, cap: 40 });
    const greedy = swarm({ agents: 1, everyMs: 300, minutes: 10 }).map((call) => ({ ...call, agent: 'greedy' }));
    const uneven = past([...swarm({ agents: 40, everyMs: 6_000, minutes: 10 }), ...greedy]);
    const { busiest, cap } = fewerAgents(uneven, peaksOf(uneven.atMs, 2_500, 10), 2_500);
    assert.deepEqual([busiest, cap], [1, 500]);
  });

  it('have no cap if one call each is too much', () => {
    const demand = past(swarm({ agents: 50, everyMs: 30_000, minutes: 10 }));
    assert.equal(fewerAgents(demand, peaksOf(demand.atMs, 40, 10), 40).cap, null);
  });
});

describe('a ramp', () => {
  const AT = { limit: 1_000, refused: 0.05 };
  // Each agent makes many calls at first and then none.
  const burst = swarm({ agents: 60, everyMs: 3_000, minutes: 2, gapMs: 200 });

  it('is enough if agents that start together cause the peak', () => {
    const demand = past(burst);
    const [end = 0] = peaksOf(demand.atMs, 1_000, 1);
    const ramp = rampOf(demand, end, AT);
    assert.deepEqual([ramp.isCause, ramp.started, ramp.atPeak, ramp.minutes], [true, 60, 60, 15]);
    assert.ok(ramp.peak <= 1_000);
  });

  it('is not enough if the agents had started before; an agent starts with its first call or after a silence', () => {
    const steady = swarm({ agents: 60, everyMs: 6_000, minutes: 60 });
    const demand = past(steady, START + 30 * MINUTE);
    assert.equal(demand.isStart.includes(true), false);
    const [end = 0] = peaksOf(demand.atMs, 1_000, 1);
    assert.deepEqual(rampOf(demand, end, AT), {
      atPeak: 60,
      started: 0,
      after: 3_000,
      isCause: false,
      minutes: null,
      peak: 3_000,
    });
    const again = past([...burst, ...swarm({ agents: 60, everyMs: 3_000, minutes: 2, fromMinute: 20 })]);
    assert.equal(again.isStart.filter(Boolean).length, 120);
  });

  it('is not enough if the demand goes on, if it is held back, or if the time after the peak is not over', () => {
    const steady = swarm({ agents: 60, everyMs: 6_000, minutes: 20 });
    const heldBack = [...burst, ...swarm({ agents: 60, everyMs: 60_000, minutes: 20, refused: 0.5 })];
    for (const [demand, after] of [
      [past(steady), 3_000],
      [past(heldBack), 300],
      [{ ...past(burst), untilMs: START + 4 * MINUTE }, null],
    ] as const) {
      const [end = 0] = peaksOf(demand.atMs, 1_000, 1);
      const ramp = rampOf(demand, end, AT);
      assert.deepEqual([ramp.started, ramp.isCause, ramp.minutes, ramp.after], [60, false, null, after]);
    }
  });

  it('never moves a call earlier, and keeps starts apart', () => {
    const demand = past(burst);
    const late = ramped(demand, 5_000);
    assert.ok(late.every((at, i) => at >= (demand.atMs[i] as number)));
    const starts = late.filter((_, i) => demand.isStart[i]).toSorted((a, b) => a - b);
    assert.ok(starts.every((at, i) => i === 0 || at - (starts[i - 1] as number) >= 5_000 - 1e-6));
  });
});

describe('advice', () => {
  const policy = routePolicy();
  const heavy = past(swarm({ agents: 80, everyMs: 6_000, minutes: 60, gapMs: 40_000, refused: 0.2 }));
  const burst = past(swarm({ agents: 60, everyMs: 3_000, minutes: 2, gapMs: 200, refused: 0.2 }));
  const calm = past(swarm({ agents: 44, everyMs: 6_000, minutes: 60, gapMs: 30_000, refused: 0.02 }));
  const slightly = past(swarm({ agents: 44, everyMs: 6_000, minutes: 60, gapMs: 30_000, refused: 0.08 }));

  const rows: readonly (readonly [
    string,
    Parameters<typeof advise>[1],
    WaysSeen['lanes'],
    string,
    readonly string[],
    RegExp,
  ])[] = [
    ['is unknown without calls', past([]), [], 'unknown', [], /^0 calls/],
    [
      'is fine within the limit',
      calm,
      [lane(2_500)],
      'fine',
      [],
      /^2200 calls at the peak against a limit of 2500: no GPU/,
    ],
    [
      'is fine if serverless takes more than the policy’s criterion',
      past(swarm({ agents: 80, everyMs: 6_000, minutes: 30, refused: 0.01 })),
      [lane(null)],
      'fine',
      [],
      /^1\.\d % refused \(4000 calls at the peak against the policy's 2000\)/,
    ],
    [
      'is unknown if calls are refused before a limit was learned',
      past(swarm({ agents: 10, everyMs: 6_000, minutes: 10, refused: 0.5 })),
      [],
      'unknown',
      [],
      /limit is not known yet/,
    ],
    [
      'is to migrate at twice the limit',
      heavy,
      [lane(2_000, ['groq', 9_000, 1_800])],
      'migrate',
      [],
      /^4000 calls at the peak against a limit of 2000: migrate; .*40 of 80 agents/,
    ],
    [
      'is another provider if one takes what another refuses',
      heavy,
      [lane(2_000, ['groq', 9_000, 1_800], ['novita', 400, 2])],
      'remedy',
      ['provider'],
      /^4000 .*another provider would be enough$/,
    ],
    [
      'does not trust a provider with too few attempts',
      heavy,
      [lane(2_000, ['groq', 9_000, 1_800], ['novita', 40, 0])],
      'migrate',
      [],
      /^4000/,
    ],
    ['is a ramp if starts cause the peak', burst, [lane(1_000)], 'remedy', ['ramp'], /a slower ramp would be enough$/],
    [
      'is fewer agents if demand is a little too high',
      slightly,
      [lane(2_000)],
      'remedy',
      ['agents'],
      /fewer agents would be enough$/,
    ],
    [
      'is the queue for a short burst',
      past([
        ...swarm({ agents: 20, everyMs: 6_000, minutes: 180, gapMs: 59_700 }),
        ...swarm({ agents: 1, everyMs: 500, minutes: 4.2, fromMinute: 100 }).map((one) => ({ ...one, agent: 'late' })),
      ]),
      [lane(1_450)],
      'remedy',
      ['queue', 'agents'],
      /the queue or fewer agents would be enough$/,
    ],
  ];
  for (const [title, demand, lanes, kind, remedies, first] of rows) {
    it(title, () => {
      const { verdict } = advise(policy, demand, { ...NO_WAYS, lanes });
      assert.deepEqual([verdict.kind, verdict.remedies], [kind, remedies], JSON.stringify(verdict));
      assert.match(verdict.reasons[0] ?? '', first);
      assert.equal(verdict.reasons.length, remedies.length + 1);
      for (const reason of verdict.reasons) assert.match(reason, /^\d/, 'numbers first');
    });
  }

  it('is another provider if one never refused and another reached its limit with few refusals', () => {
    const of = (...lanes: WaysSeen['lanes']) => advise(policy, heavy, { lanes, serving: null });
    const one = of(lane(2_000, ['groq', 9_000, 180]), lane(null, ['novita', 400, 0]));
    assert.deepEqual(one.verdict.remedies, ['provider']);
    assert.deepEqual(
      one.providers.map(({ provider, isLimited }) => [provider, isLimited]),
      [
        ['groq', true],
        ['novita', false],
      ],
    );
    assert.equal(of(lane(1_500, ['groq', 9_000, 180]), lane(500, ['novita', 4_000, 80])).verdict.kind, 'migrate');
  });

  it('names the model at the other provider and the policy’s key, or says that the policy lists the provider', () => {
    const lanes = [lane(2_000, ['groq', 9_000, 1_800]), lane(null, ['novita', 400, 2])];
    const reason = (providers: readonly string[]) =>
      advise({ ...policy, care: { ...policy.care, providers } }, heavy, { lanes, serving: null }).verdict.reasons[1];
    assert.equal(
      reason([]),
      `0.5 % of 400 attempts refused by novita, 20.0 % of 9000 by groq: call ${MODEL}:novita, or set care.providers: [novita]`,
    );
    assert.match(reason(['novita']) ?? '', /care\.providers already lists it$/);
  });

  it('lists the other providers that serve the model, without those that were tried', () => {
    const serving = ['groq', 'together'].map((provider) => ({ provider, inputPrice: 0.1, outputPrice: null }));
    const { others, verdict } = advise(policy, heavy, { lanes: [lane(2_000, ['groq', 9_000, 1_800])], serving });
    assert.deepEqual(others, [
      { provider: 'together', inputPrice: 0.1, outputPrice: null, model: `${MODEL}:together` },
    ]);
    assert.equal(verdict.kind, 'migrate');
    assert.match(verdict.reasons[1] ?? '', /^1 provider not tried yet: first call .*:together/);
  });

  it('uses what serverless took while it refused calls, if the learned limit cannot have held then', () => {
    const { limit, verdict } = advise(policy, heavy, { ...NO_WAYS, lanes: [lane(5_000)] });
    assert.equal(limit.source, 'taken');
    // A fifth of up to 4,000 calls was refused. The agents started one by one.
    assert.ok(limit.calls > 1_500 && limit.calls <= 3_200, String(limit.calls));
    assert.equal(verdict.kind, 'migrate');
    assert.equal(advise(policy, calm, { ...NO_WAYS, lanes: [lane(5_000)] }).limit.source, 'learned');
  });

  it('uses the policy’s criterion, scaled to five minutes, if nothing was learned', () => {
    const limitOf = (window: number, lanes: WaysSeen['lanes']) =>
      advise(routePolicy({ criteria: { ...policy.criteria, calls: 300, window } }), burst, { ...NO_WAYS, lanes }).limit;
    assert.deepEqual(limitOf(MINUTE, [lane(null)]), { calls: 1_500, source: 'policy' });
    assert.deepEqual(limitOf(MINUTE, [lane(700), lane(null), lane(400)]), { calls: 1_100, source: 'learned' });
  });
});
