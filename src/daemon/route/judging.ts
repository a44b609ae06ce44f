import type { Arrival, CallKey } from '../../core/call.ts';
import { CallOrder } from '../../core/judge/call-order.ts';
import type { Assigned, Known } from '../../core/judge/call-order.ts';
import { Judge } from '../../core/judge/judge.ts';
import type { Profile } from '../../core/judge/profile.ts';
import { Pairs } from '../../core/judge/shadow-pairs.ts';
import type { PairKey } from '../../core/judge/shadow-pairs.ts';
import type { Verdict } from '../../core/judge/verdict.ts';
import type { RoutePolicy } from '../../core/policy/policy.ts';
import type { Role, Toward } from '../../core/route.ts';

/**
 * The judge of one rollout and the calls that it will judge. While a call runs it is only noted; the judge gets the
 * calls that are decided when a tick lets time move on.
 */
export class Judging {
  readonly #judge: Judge;
  readonly #callOrder: CallOrder;
  readonly #pairs: Pairs;

  constructor(
    { profile, toward }: { readonly profile: Profile; readonly toward: Toward },
    policy: Pick<RoutePolicy, 'judge' | 'steps' | 'affinity'>,
  ) {
    this.#judge = new Judge(profile, policy.judge, policy.steps, policy.affinity, toward);
    this.#callOrder = new CallOrder(this.#judge, profile.tauUs);
    this.#pairs = new Pairs(this.#judge, profile.tauUs);
  }

  assigned(assigned: Omit<Assigned, 'waitedUs'>): void {
    this.#callOrder.assigned(assigned);
    this.#pairs.close(assigned.assignedAtUs);
  }

  /** A call's first attempt was sent after the call was held for `waitedUs`, or the call ended without an attempt. */
  sent(call: CallKey, waitedUs: number): void {
    this.#callOrder.sent(call, waitedUs);
  }

  /** A call's first attempt failed, or it ended well. */
  known(call: CallKey, known: Known): void {
    this.#callOrder.known(call, known);
  }

  /** One half of a pair has ended. */
  half(role: Role, key: PairKey, known: Known): void {
    this.#pairs.half(role, key, known);
  }

  /** The verdict on a step, from the calls that the judge has by now. */
  verdict(step: number): Verdict {
    return this.#judge.verdict(step);
  }

  /** Hands the judge what is decided by now. */
  advance(nowUs: number): void {
    this.#pairs.advance(nowUs);
    this.#callOrder.advance(nowUs);
  }

  /** How many calls the judge has not taken yet. */
  get waiting(): number {
    return this.#callOrder.waiting;
  }
}

/** Whether the judge takes a call: it is eligible, has a role, and its step has a weight above 0. */
export function isJudged(call: Pick<Arrival, 'role' | 'isEligible' | 'step'>): boolean {
  return call.role !== null && call.isEligible && call.step > 0;
}
