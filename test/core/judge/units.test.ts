import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { Judge } from '../../../src/core/judge/judge.ts';
import { scoreCall } from '../../../src/core/judge/scores.ts';
import type { Scores } from '../../../src/core/judge/scores.ts';
import { FirstCalls, Units } from '../../../src/core/judge/units.ts';
import type { UnitScore } from '../../../src/core/judge/units.ts';
import type { JudgedCall } from '../../../src/core/judge/verdict.ts';
import { POLICY_DEFAULTS } from '../../../src/core/policy/defaults.ts';
import { assign } from '../../../src/core/rollout/split.ts';
import { dice } from '../../support/dice.ts';
import { PLAIN_FORM } from '../../support/forms.ts';
import { judged, profile } from '../../support/judged.ts';

const POLICY = POLICY_DEFAULTS.judge;
const MINUTE_US = 60_000_000;
const FAULT = { outcome: 'server_error', knownAfterUs: 9_000, durationUs: 9_000 } as const;

const newJudge = (affinity: 'call' | 'agent' | 'session') =>
  new Judge(profile(), POLICY, POLICY_DEFAULTS.steps, affinity, 'dedicated');

function feed(judge: Judge, calls: Iterable<JudgedCall>): void {
  for (const call of calls) {
    judge.early(call);
    judge.take(call);
  }
}

interface Swarm {
  readonly units?: number;
  readonly calls?: number;
  readonly weight?: number;
  /** The chance that a unit is truly given to the canary; the weight unless a test wants a wrong split. */
  readonly chance?: number;
  readonly share?: number;
  readonly canaryFails?: number;
}

/** Calls of units, in turn; `share`: of the units that fail, each with all of its calls, whichever side it is on. */
function* swarm(
  seed: number,
  { units = 60, calls = 40, weight = 0.5, share = 0, canaryFails = 0, ...more }: Swarm = {},
): Generator<JudgedCall> {
  const { chance = weight } = more;
  const roll = dice(seed);
  const all = Array.from({ length: units }, (_, n) => {
    const unit = Math.floor(roll() * 2 ** 40) * 4_096 + n;
    const role = assign({ rolloutId: `r${seed}`, weight: chance }, 0, unit);
    return { unit, role, fails: roll() < (role === 'canary' ? share + canaryFails : share) };
  });
  for (let n = 0; n < units * calls; n++) {
    const { fails, ...own } = all[n % units] as (typeof all)[number];
    const arrivedAtUs = (n * 20 * MINUTE_US) / (units * calls);
    yield judged({ ...own, weight, arrivedAtUs, ...(fails && FAULT) });
  }
}

describe('Units', () => {
  const score = (call: JudgedCall): Scores => scoreCall(call, profile(), 0, 'dedicated');
  const gather = (calls: readonly JudgedCall[]) => {
    const taken: UnitScore[] = [];
    const units = new Units((unit) => taken.push(unit));
    const first = calls.filter((call) => units.add(call, score(call)));
    units.closeAll();
    return { taken, first };
  };

  it('knows of a unit that offers no tools, although one of its calls failed', () => {
    const call = { unit: 3, arrivedAtUs: 0 };
    const { taken } = gather([judged({ ...call, form: PLAIN_FORM }), judged({ ...call, ...FAULT })]);
    const lost = gather([judged({ ...call, ...FAULT })]).taken;
    assert.deepEqual(
      [taken, lost].map(([unit]) => unit?.scores.tools),
      [undefined, null],
    );
    assert.equal(taken[0]?.scores.leak, 0);
  });

  it('counts a failed call of a unit for what it asked', () => {
    const call = { unit: 3, arrivedAtUs: 0 };
    const plain = { tools: false, json: false };
    const tools = { tools: true, json: false };
    const answered = judged({ ...call, form: PLAIN_FORM, asks: plain });
    const [mixed] = gather([answered, judged({ ...call, ...FAULT, asks: tools })]).taken;
    assert.deepEqual([mixed?.scores.tools, mixed?.asks], [null, tools]);
    const [none] = gather([answered, judged({ ...call, ...FAULT, asks: plain })]).taken;
    assert.deepEqual([none?.scores.tools, none?.asks], [undefined, plain]);
  });

  it('takes each unit once, by the mean of its calls, whatever their order', () => {
    const call = fc.record({ unit: fc.nat(5), isFault: fc.boolean(), afterUs: fc.nat(10_000_000) });
    fc.assert(
      fc.property(fc.array(call, { maxLength: 60 }), (plan) => {
        let arrivedAtUs = 0;
        const calls = plan.map(({ unit, isFault, afterUs }) => {
          arrivedAtUs += Math.floor(afterUs / plan.length);
          return judged({ unit, arrivedAtUs, ...(isFault && FAULT) });
        });
        const { taken, first } = gather(calls);
        const kinds = [...new Set(plan.map(({ unit }) => unit))];
        assert.equal(taken.length, kinds.length);
        assert.deepEqual(
          first.map(({ unit }) => unit),
          kinds,
        );
        kinds.forEach((unit, at) => {
          const own = plan.filter((one) => one.unit === unit);
          const share = own.filter(({ isFault }) => isFault).length / own.length;
          assert.equal(taken[at]?.scores.faults, share);
        });
      }),
    );
  });

  it('closes a unit five minutes after its first call, and never opens it again', () => {
    const at = (minutes: number, unit: number, more = {}) =>
      judged({ unit, arrivedAtUs: minutes * MINUTE_US, ...more });
    const { taken } = gather([at(0, 1), at(4, 1, FAULT), at(6, 2), at(7, 1, FAULT), at(20, 1, FAULT)]);
    assert.deepEqual(
      taken.map(({ scores }) => scores.faults),
      [0.5, 0],
    );
  });

  it('takes a call that was assigned by itself as a unit of its own', () => {
    const { taken, first } = gather([judged({}), judged({}), judged(FAULT)]);
    assert.deepEqual([taken.length, first.length], [3, 3]);
  });

  it('remembers the units of the last hundred thousand, in bounded memory', () => {
    const first = new FirstCalls();
    for (let unit = 0; unit < 120_000; unit++) assert.ok(first.isFirst({ unit }));
    assert.equal(first.isFirst({ unit: 119_999 }), false);
    assert.equal(first.isFirst({ unit: 75_000 }), false);
    assert.equal(first.isFirst({ unit: 1 }), true);
  });
});

describe('a judge of units', () => {
  it('is not misled by units that fail as a whole on both sides, as a judge of single calls is', () => {
    let misled = 0;
    for (let seed = 0; seed < 60; seed++) {
      const calls = [...swarm(seed, { share: 0.1 })];
      for (const affinity of ['agent', 'session'] as const) {
        const judge = newJudge(affinity);
        feed(judge, calls);
        const { status, summary } = judge.verdict(1);
        assert.ok(status !== 'fail' && status !== 'unhealthy', `seed ${seed}: ${summary}`);
      }
      const single = newJudge('call');
      feed(single, calls);
      if (['fail', 'unhealthy'].includes(single.verdict(1).status)) misled++;
    }
    assert.ok(misled > 20, `the judge of single calls was misled by ${misled} of 60`);
  });

  it('finds an endpoint that fails', () => {
    for (let seed = 0; seed < 20; seed++) {
      const judge = newJudge('session');
      feed(judge, swarm(seed, { units: 400, calls: 6, canaryFails: 0.5 }));
      assert.deepEqual([judge.verdict(1).status, judge.verdict(1).cause], ['fail', 'faults']);
    }
  });

  it('watches the split by units', () => {
    const wrong = newJudge('agent');
    feed(wrong, swarm(3, { units: 600, calls: 4, weight: 0.2, chance: 0.5 }));
    assert.deepEqual([wrong.verdict(1).status, wrong.verdict(1).cause], ['unhealthy', 'split']);
    for (let seed = 0; seed < 40; seed++) {
      const right = newJudge('agent');
      feed(right, swarm(seed, { units: 600, calls: 4, weight: 0.2 }));
      assert.notEqual(right.verdict(1).cause, 'split');
    }
  });

  it('finds it also among calls that are assigned by themselves, because nothing tells their conversation', () => {
    const alone = [...swarm(9, { units: 2_000, calls: 1, canaryFails: 0.2 })];
    const calls = alone.map(({ role, weight, arrivedAtUs, outcome }) =>
      judged({ role, weight, arrivedAtUs, ...(outcome !== 'ok' && FAULT) }),
    );
    const judge = newJudge('session');
    feed(judge, calls);
    assert.equal(judge.verdict(1).status, 'fail');
  });
});
