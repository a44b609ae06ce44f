import { z } from 'zod';
import { count, share, span, UNIT_MS } from './values.ts';

/** When a rollout toward serverless is proposed for a promoted route. Spans in clock ms, shares 0..1. */
export interface BackPolicy {
  /** An endpoint no longer pays if demand is below this share of break-even; null: not a reason. */
  readonly below: number | null;
  /** If its cost is not known, it no longer pays below this many calls in five minutes; null: not a reason. */
  readonly calls: number | null;
  /** How long demand must have been below without interruption. */
  readonly sustain: number;
  /** For this long after a promotion, low demand is no reason. */
  readonly after: number;
  /** For this long after a way back ends in any way, nothing is proposed in either direction. */
  readonly cooldown: number;
  /** Calls of serverless that must have been judged in a step before it may end. */
  readonly minCalls: number;
  /** The share of calls that serverless may be expected to refuse; null: the share of the criteria. */
  readonly refused: number | null;
  readonly slo: SloPolicy;
}

/** What an endpoint must deliver. */
export interface SloPolicy {
  /** At most 5 % of its answers may take longer than this, clock ms; null: no target. */
  readonly p95: number | null;
  /** At least this share of its calls must not fail; null: no target. */
  readonly availability: number | null;
  /** How long a target must have been missed without interruption. */
  readonly sustain: number;
}

/** The longest time for which demand is remembered minute by minute. */
export const LONGEST_SUSTAIN_MS = UNIT_MS.d;
const LONGEST_SLO_MS = 6 * UNIT_MS.h;

/** The values of settings that a policy leaves out. */
export const BACK_DEFAULTS: BackPolicy = {
  below: 0.8,
  calls: null,
  sustain: UNIT_MS.d,
  after: UNIT_MS.d,
  cooldown: UNIT_MS.d,
  minCalls: 30,
  refused: null,
  slo: { p95: null, availability: null, sustain: 30 * UNIT_MS.m },
};

/** A value, or `off`, which becomes null. */
const orOff = <T extends z.ZodType>(value: T) =>
  z.preprocess((given) => (given === 'off' ? null : given), value.nullable()).describe(`${value.description}, or off`);

const sloShape = z
  .strictObject({
    p95: orOff(span(1)),
    availability: orOff(share),
    sustain: span(UNIT_MS.m, LONGEST_SLO_MS),
  })
  .partial();

const backShape = z
  .strictObject({
    below: orOff(share),
    calls: orOff(count(1)),
    sustain: span(UNIT_MS.m, LONGEST_SUSTAIN_MS),
    after: span(),
    cooldown: span(),
    minCalls: count(1),
    refused: share,
    slo: z.preprocess((given) => (given === 'off' ? { p95: null, availability: null } : given), sloShape),
  })
  .partial();

const OFF = { below: null, calls: null, slo: { p95: null, availability: null } };

/** `off` switches off every reason. */
export const backSchema = z.preprocess((given) => (given === 'off' ? OFF : given), backShape);

/** The keys that the two blocks may have. */
export const BACK_KEYS = { back: Object.keys(backShape.shape), slo: Object.keys(sloShape.shape) };

/** The settings of `base`, replaced by those that the block gives. */
export function fillBack(base: BackPolicy, given: z.output<typeof backSchema> = {}): BackPolicy {
  const { below, calls, sustain, after, cooldown, minCalls, refused, slo } = given;
  return {
    below: below === undefined ? base.below : below,
    calls: calls === undefined ? base.calls : calls,
    sustain: sustain ?? base.sustain,
    after: after ?? base.after,
    cooldown: cooldown ?? base.cooldown,
    minCalls: minCalls ?? base.minCalls,
    refused: refused ?? base.refused,
    slo: {
      p95: slo?.p95 === undefined ? base.slo.p95 : slo.p95,
      availability: slo?.availability === undefined ? base.slo.availability : slo.availability,
      sustain: slo?.sustain ?? base.slo.sustain,
    },
  };
}
