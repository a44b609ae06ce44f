import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { builtInRequests } from '../../../src/core/compare/built-in.ts';
import { comparePairs, WRONGLY_DIFFERENT } from '../../../src/core/compare/compare.ts';
import type { Sides } from '../../../src/core/compare/compare.ts';
import type { ComparedPair, Ended, RequestKind } from '../../../src/core/compare/pair.ts';
import type { Dice } from '../../../src/core/dice.ts';
import { seededDice } from '../../../src/simulation/dice.ts';
import { answered, CALLED, pair } from './rig.ts';

const SIDE = { model: 'Qwen/Qwen2.5-7B-Instruct', engine: null, args: null };
const SIDES: Sides = { a: SIDE, b: SIDE };
const KINDS: readonly RequestKind[] = builtInRequests(200, seededDice(1)).map(({ kind }) => kind);

/** How often a side does what, 0..1. */
interface Habits {
  readonly broken: number;
  readonly called: number;
  readonly badJson: number;
  readonly cut: number;
  readonly failed: number;
}

const USUAL: Habits = { broken: 0.03, called: 0.8, badJson: 0.03, cut: 0.1, failed: 0.01 };

function answer(kind: RequestKind, habits: Habits, dice: Dice): Ended {
  const does = (chance: number) => dice.next() < chance;
  if (does(habits.failed)) return { kind: 'failed', status: 500 };
  const finish = does(habits.cut) ? 'length' : 'stop';
  if (kind === 'json') return answered({ finish, format: does(habits.badJson) ? 'bad' : 'good' });
  if (kind !== 'tools') return answered({ finish });
  const schema = does(habits.broken) ? 'bad' : 'good';
  const isCalled = does(habits.called);
  return answered({ tools: isCalled ? { ...CALLED, schema } : { ...CALLED, called: 0, schema: null } });
}

/** Of so many comparisons, the share that finds a difference. */
function differentShare(a: Habits, b: Habits, runs: number): number {
  const dice = seededDice(4);
  let different = 0;
  for (let run = 0; run < runs; run++) {
    const pairs: ComparedPair[] = KINDS.map((kind) => pair(answer(kind, a, dice), answer(kind, b, dice), { kind }));
    if (comparePairs(pairs, 0.1, SIDES).verdict === 'different') different++;
  }
  return different / runs;
}

describe('two hundred requests', () => {
  it('call equal sides different as rarely as is said, whatever both do often', () => {
    const runs = 120;
    for (const habits of [USUAL, { ...USUAL, broken: 0.3, badJson: 0.4, called: 0.5, cut: 0.4, failed: 0.2 }]) {
      // Three standard errors above what is said.
      const most = WRONGLY_DIFFERENT + 3 * Math.sqrt((WRONGLY_DIFFERENT * (1 - WRONGLY_DIFFERENT)) / runs);
      const share = differentShare(habits, habits, runs);
      assert.ok(share <= most, `${share} of ${runs}`);
    }
  });

  it('find a side that breaks half of its calls of tools or many answers in JSON, or calls half as often', () => {
    for (const worse of [{ broken: 0.5 }, { badJson: 0.4 }, { called: 0.4 }]) {
      const share = differentShare(USUAL, { ...USUAL, ...worse }, 40);
      assert.ok(share >= 0.9, `${JSON.stringify(worse)}: ${share}`);
    }
  });
});
