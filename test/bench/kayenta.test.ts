import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { classify } from '../../bench/judging/kayenta.ts';
import type { KayentaParameters } from '../../bench/judging/kayenta.ts';

/** Cases of Kayenta's own suite, and of issues reported against it, with what it says to each. */
interface Case {
  readonly case: string;
  readonly experiment: readonly number[];
  readonly control: readonly number[];
  readonly params: {
    readonly tol?: number;
    readonly conf?: number;
    readonly eff?: readonly [number, number];
    readonly crit?: readonly [number, number];
    readonly measure?: 'meanRatio' | 'cles';
    readonly critical?: boolean;
    readonly nan?: 'remove' | 'replace';
    readonly direction?: 'increase' | 'decrease' | 'either';
  };
  readonly expected: readonly string[];
  readonly check: { readonly label: string; readonly critical: boolean; readonly l?: number; readonly u?: number };
}

const file = readFileSync(new URL('kayenta.json', import.meta.url), 'utf8');
const { cases } = JSON.parse(file) as { cases: readonly Case[] };

function parametersOf({ params }: Case): KayentaParameters {
  const [allowedDecrease, allowedIncrease] = params.eff ?? [1, 1];
  const [criticalDecrease, criticalIncrease] = params.crit ?? [1, 1];
  return {
    confidence: params.conf ?? 0.98,
    tolerance: params.tol ?? 0.25,
    direction: params.direction ?? 'either',
    nan: params.nan ?? 'remove',
    measure: params.measure ?? 'meanRatio',
    allowedDecrease,
    allowedIncrease,
    isCritical: params.critical ?? false,
    criticalDecrease,
    criticalIncrease,
  };
}

describe('Kayenta, written anew', () => {
  it('has all 38 cases', () => assert.equal(cases.length, 38));

  for (const [i, known] of cases.entries()) {
    it(`says what Kayenta says: ${i + 1}, ${known.case}`, () => {
      const result = classify(known.experiment, known.control, parametersOf(known));
      assert.equal(result.label, known.check.label);
      assert.equal(result.isCritical, known.check.critical);
      for (const claim of known.expected) {
        const label = /(?:== |issue: )(Pass|High|Low|Nodata)$/.exec(claim)?.[1];
        if (label !== undefined) assert.equal(result.label, label, claim);
      }
      // Within the tolerance of its root finder, and of the noise it adds to constant arrays.
      if (known.check.l !== undefined) assert.ok(Math.abs(result.low - known.check.l) < 4e-4, `low ${result.low}`);
      if (known.check.u !== undefined) assert.ok(Math.abs(result.high - known.check.u) < 4e-4, `high ${result.high}`);
    });
  }
});
