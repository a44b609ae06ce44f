import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { cellOf, wilson } from '../../bench/judging/cells.ts';
import { Chance } from '../../bench/judging/chance.ts';
import { Draws } from '../../bench/judging/draws.ts';
import { MadeTrace } from '../../bench/judging/made-trace.ts';
import type { Outcome } from '../../src/core/outcome.ts';
import type { MinuteFigures } from '../../bench/judging/minutes.ts';
import { Minutes } from '../../bench/judging/minutes.ts';
import { OURS, OURS_WITHOUT_SHADOW } from '../../bench/judging/ours.ts';
import { RIVALS } from '../../bench/judging/rivals.ts';
import { TRUTHS } from '../../bench/judging/truths.ts';
import type { Truth } from '../../bench/judging/truths.ts';
import { emptySeen } from '../../bench/judging/trace.ts';
import type { Seen } from '../../bench/judging/trace.ts';
import type { World } from '../../bench/judging/worlds.ts';

const CALM: World = { name: 'calm', callsPerMinute: 400, pastMinutes: 360, stableDrift: 0.06, canaryDrift: 0.05 };
/** Nothing wanders and nothing fails. */
const QUIET: World = { name: 'quiet', callsPerMinute: 400, pastMinutes: 360, stableDrift: 0, canaryDrift: 0 };
const EQUAL: Truth = {
  name: 'equal',
  right: 'promote',
  stable: () => ({ faults: 0 }),
  canary: () => ({ faults: 0, slower: 0.6 }),
};

function truth(name: string): Truth {
  return TRUTHS.find((candidate) => candidate.name === name) as Truth;
}

/** The same without the faults that every upstream has. */
function withoutFaults(whole: Truth): Truth {
  return {
    ...whole,
    stable: (minute, incident) => ({ ...whole.stable?.(minute, incident), faults: 0 }),
    canary: (minute, weight) => ({ ...whole.canary?.(minute, weight), faults: 0 }),
  };
}

describe('chance', () => {
  it('draws normal numbers of mean 0 and deviation 1', () => {
    const chance = new Chance(3);
    const draws = Array.from({ length: 40_000 }, () => chance.normal());
    const mean = draws.reduce((sum, draw) => sum + draw, 0) / draws.length;
    const variance = draws.reduce((sum, draw) => sum + draw * draw, 0) / draws.length;
    assert.ok(Math.abs(mean) < 0.02, `${mean}`);
    assert.ok(Math.abs(variance - 1) < 0.03, `${variance}`);
  });
});

describe('a made-up trace', () => {
  const outcomes = (seed: number, order: readonly number[]) => {
    const trace = new MadeTrace(new Draws(CALM, seed), truth('faults 3 %'));
    const seen = emptySeen();
    const lines = order.flatMap((minute) => {
      const found: string[] = [];
      for (let call = trace.start(minute); call < trace.start(minute + 1); call++) {
        trace.read(call, 'canary', minute, 0.25, seen);
        found.push(`${minute} ${trace.arrivedAtMs(call)} ${trace.coin(call)} ${JSON.stringify(seen)}`);
      }
      return found;
    });
    return { lines: lines.toSorted(), history: trace.history() };
  };

  it('is the same for the same seed, in whatever order it is read, and another one for another', () => {
    assert.deepEqual(outcomes(7, [0, 1, 2, 3]), outcomes(7, [3, 0, 2, 1]));
    assert.notDeepEqual(outcomes(7, [0]).lines, outcomes(8, [0]).lines);
  });

  it('has the traffic, the faults and the refusals that were asked for', () => {
    const trace = new MadeTrace(new Draws(CALM, 1), truth('faults 3 %'));
    const minutes = new Minutes(trace);
    const seen = Array.from({ length: 60 }, () => minutes.advance(0.5));
    const calls = trace.start(60) - trace.start(0);
    assert.ok(Math.abs(calls - 24_000) < 600, `${calls} calls`);
    assert.ok(Math.abs(minutes.exposed - calls / 2) < 400, `${minutes.exposed} on the canary`);
    const faults = seen.reduce((sum, { canary }) => sum + canary.faults, 0) / minutes.exposed;
    assert.ok(Math.abs(faults - 0.03) < 0.006, `${faults} faults`);
    const refused = trace.history().filter(({ outcome }) => outcome === 'rate_limited').length;
    assert.ok(Math.abs(refused / trace.history().length - 0.06) < 0.01, `${refused} refused`);
  });

  it('shows a call in the minute in which it ends, and one that never ends not at all', () => {
    const never: Truth = { name: 'never', right: 'refuse', canary: () => ({ faults: 0, hangs: 1 }) };
    const minutes = new Minutes(new MadeTrace(new Draws(QUIET, 1), never));
    for (let i = 0; i < 10; i++) assert.equal(minutes.advance(0.5).canary.calls, 0);
    assert.ok(minutes.exposed > 1_000);
  });
});

describe('calls that are not answered', () => {
  const cases: readonly (readonly [truth: string, outcome: Outcome, status: number, share: number])[] = [
    ['no answer 5 %', 'empty_answer', 200, 0.05],
    ['cut short 5 %', 'incomplete_answer', 200, 0.05],
    ['error in stream 5 %', 'server_error', 200, 0.05],
    ['rejected 50 %', 'rejected_by_endpoint', 400, 0.5],
    ['context 8k', 'rejected_by_endpoint', 400, 0.047],
    ['no memory, 424', 'rejected_by_endpoint', 424, 0.047],
    ['no memory, 500', 'server_error', 500, 0.047],
  ];
  for (const [name, outcome, status, share] of cases) {
    it(`${name}: ${outcome} with status ${status}, and nothing of the kind at serverless`, () => {
      const trace = new MadeTrace(new Draws(QUIET, 1), withoutFaults(truth(name)));
      const seen = emptySeen();
      const found = { stable: 0, canary: 0 };
      const calls = trace.start(50) - trace.start(0);
      for (let call = trace.start(0); call < trace.start(50); call++) {
        for (const role of ['stable', 'canary'] as const) {
          trace.read(call, role, 0, 0.5, seen);
          if (seen.outcome === outcome && seen.status === status) found[role]++;
        }
      }
      assert.ok(Math.abs(found.canary / calls - share) < 0.007, `${found.canary} of ${calls}`);
      assert.equal(found.stable, 0);
    });
  }

  it('are answers or callers’ mistakes to whoever looks at the status alone, unless it is a 5xx', () => {
    const faultsOf = (name: string) => {
      const minutes = new Minutes(new MadeTrace(new Draws(QUIET, 1), withoutFaults(truth(name))));
      const seen = Array.from({ length: 20 }, () => minutes.advance(0.5).canary);
      const sum = (of: (minute: MinuteFigures) => number) => seen.reduce((total, minute) => total + of(minute), 0);
      const calls = sum((minute) => minute.calls);
      return {
        faults: sum(({ faults }) => faults) / calls,
        answers: sum(({ latenciesMs }) => latenciesMs.length) / calls,
      };
    };
    const [none, rejected, memory] = ['no answer 50 %', 'rejected 50 %', 'no memory, 500'].map(faultsOf);
    assert.ok(none && none.faults === 0 && none.answers === 1, JSON.stringify(none));
    assert.ok(rejected && rejected.faults === 0 && Math.abs(rejected.answers - 0.5) < 0.03, JSON.stringify(rejected));
    assert.ok(memory && Math.abs(memory.faults - 0.047) < 0.012, JSON.stringify(memory));
  });

  it('are faults to our judge, which without a shadow stage needs few calls to see half of them', () => {
    for (const name of ['no answer 50 %', 'rejected 50 %']) {
      const { end, exposed } = OURS_WITHOUT_SHADOW.run(new MadeTrace(new Draws(CALM, 1), truth(name)));
      assert.equal(end, 'rolledBack');
      assert.ok(exposed < 40, `${exposed} calls`);
    }
  });
});

describe('the form of made-up answers', () => {
  /** What both upstreams answer to the calls of 40 minutes. */
  const answers = (name: string) => {
    const trace = new MadeTrace(new Draws(QUIET, 1), withoutFaults(truth(name)));
    return Array.from({ length: trace.start(40) - trace.start(0) }, (_, i) => {
      const both = (['stable', 'canary'] as const).map((role) => {
        const seen = emptySeen();
        trace.read(trace.start(0) + i, role, 0, 0.5, seen);
        return seen;
      });
      return both as [Seen, Seen];
    }).filter((both) => both.every(({ outcome }) => outcome === 'ok'));
  };
  const share = (found: readonly [Seen, Seen][], at: 0 | 1, has: (seen: Seen) => boolean | null) => {
    const told = found.flatMap((both) => has(both[at]) ?? []);
    return told.filter(Boolean).length / told.length;
  };
  const isBroken = ({ form }: Seen) => (form?.tools?.called === 1 ? form.tools.schema === 'bad' : null);
  const isCalled = ({ form }: Seen) => (form?.tools == null ? null : form.tools.called > 0);
  const isBadJson = ({ form }: Seen) => (form?.format == null ? null : form.format === 'bad');

  const cases: readonly [string, (seen: Seen) => boolean | null, number, number][] = [
    ['schema 76 %', isBroken, 0, 0.24],
    ['identical', isCalled, 0.7, 0.7],
    ['parser missing', isCalled, 0.7, 0],
    ['parser missing', ({ form }) => form?.hasLeak ?? null, 0, 0.31],
    ['JSON schema ignored', isBadJson, 0.01, 0.3],
    ['reasoning dropped', ({ form }) => form?.hasReasoning ?? null, 0.4, 0],
    ['max_tokens 256', ({ form }) => form?.finish === 'length', 0.03, 0.27],
  ];
  for (const [name, has, stable, canary] of cases) {
    it(`${name}: ${stable} at serverless and ${canary} at the endpoint`, () => {
      const found = answers(name);
      assert.ok(Math.abs(share(found, 0, has) - stable) < 0.025, `${share(found, 0, has)}`);
      assert.ok(Math.abs(share(found, 1, has) - canary) < 0.025, `${share(found, 1, has)}`);
    });
  }

  it('counts the tokens of a prompt as the truth says', () => {
    const differences = (name: string) =>
      answers(name).map(
        ([stable, canary]) => [stable.promptTokens, canary.promptTokens - stable.promptTokens] as const,
      );
    assert.ok(differences('identical').every(([, more]) => more === 0));
    assert.ok(differences('three tokens more').every(([, more]) => more === 3));
    assert.equal(new Set(differences('wrong template').map(([, more]) => more)).size, 12);
    assert.ok(differences('another tokenizer').every(([tokens, more]) => more === Math.round(tokens * 1.08) - tokens));
    assert.ok(differences('prompts cut to 8k').every(([tokens, more]) => more === Math.min(0, 8_000 - tokens)));
  });

  it('has three providers where the truth says so, and one of them is another', () => {
    const found = answers('one provider of three other');
    const of = (provider: number) => found.filter(([stable]) => stable.provider === provider);
    assert.deepEqual(new Set(found.map(([stable]) => stable.provider)), new Set([0, 1, 2]));
    assert.ok(share(of(2), 0, isBroken) > 0.03 && share(of(0), 0, isBroken) < 0.03);
    assert.ok(found.every(([, canary]) => canary.provider === null));
  });

  it('is held before its first step by our judge if the prompts differ, and rolled back if a parser is missing', () => {
    const end = (name: string) => OURS.run(new MadeTrace(new Draws(CALM, 1), truth(name)));
    for (const name of ['wrong template', 'another tokenizer']) {
      assert.deepEqual([end(name).end, end(name).exposed], ['held', 0]);
    }
    assert.deepEqual([end('parser missing').end, end('parser missing').exposed], ['rolledBack', 0]);
  });
});

describe('the rivals', () => {
  for (const rival of RIVALS) {
    it(`${rival.name} promotes a faster endpoint without faults, and rolls a dead one back`, () => {
      assert.equal(rival.run(new MadeTrace(new Draws(QUIET, 1), EQUAL)).end, 'promoted');
      const dead = rival.run(new MadeTrace(new Draws(QUIET, 1), truth('dead')));
      assert.equal(dead.end, 'rolledBack');
      assert.ok(dead.exposed > 0 && dead.exposed < 1_000, `${dead.exposed} calls`);
    });
  }
});

describe('our judge', () => {
  it('rolls a dead endpoint back before it gets a call, or, without a shadow stage, after five', () => {
    const trace = new MadeTrace(new Draws(CALM, 1), truth('dead'));
    const shadowed = OURS.run(trace);
    assert.deepEqual([shadowed.end, shadowed.exposed], ['rolledBack', 0]);
    const bare = OURS_WITHOUT_SHADOW.run(trace);
    assert.equal(bare.end, 'rolledBack');
    assert.ok(bare.exposed <= 5, `${bare.exposed} calls`);
  });

  it('comes to the same end on the same trace, to the call', () => {
    const once = () => OURS.run(new MadeTrace(new Draws(CALM, 2), truth('faults 3 %')));
    assert.deepEqual(once(), once());
  });
});

describe('a cell', () => {
  it('counts as wrong only what is wrong under its truth', () => {
    const endings = (['promoted', 'rolledBack', 'held', 'rolledBack'] as const).map((end, i) => ({
      end,
      minutes: 50 * i,
      exposed: i,
      weight: 0.25 * i,
      forecast: 40,
    }));
    const names = { judge: 'a', world: 'b', truth: 'c' };
    const fine = cellOf({ ...names, right: 'promote' }, endings);
    assert.deepEqual([fine.falseRollback, fine.falsePromotion, fine.hold, fine.exposedMedian], [0.5, 0, 0.25, 1]);
    assert.deepEqual([fine.backBeforeHalf, fine.withinTwoHours, fine.asForecast], [0.25, 0.25, 0]);
    const bad = cellOf({ ...names, right: 'refuse' }, endings);
    assert.deepEqual([bad.falseRollback, bad.falsePromotion], [0, 0.25]);
  });

  it('gives shares a range that is honest about few traces', () => {
    const [low, high] = wilson(0, 20);
    assert.equal(low, 0);
    assert.ok(Math.abs(high - 0.1611) < 1e-3, `${high}`);
  });
});
