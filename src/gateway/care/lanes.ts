import type { LaneKey, LaneStatus, LearnedLane } from '../../core/care/lane-status.ts';
import type { Clock } from '../../core/clock.ts';
import type { CarePolicy } from '../../core/policy/care.ts';
import { Lane } from './lane.ts';

/** The most lanes. Beyond it the unused ones are deleted, and what they had learned is kept for as many lanes. */
const MOST = 1_000;

/** All lanes; each is created when it is first used. */
export class Lanes {
  readonly #clock: Pick<Clock, 'now' | 'scale'>;
  readonly #lanes = new Map<string, { key: LaneKey; lane: Lane; policy: CarePolicy }>();
  readonly #learned = new Map<string, LearnedLane>();

  constructor(clock: Pick<Clock, 'now' | 'scale'>, learned: Iterable<readonly [LaneKey, LearnedLane]> = []) {
    this.#clock = clock;
    for (const [key, value] of learned) this.#learned.set(nameOf(key.model, key.provider), value);
  }

  /** The lane of a model and a provider. `provider`: '' if the router chooses one. */
  of(model: string, provider: string, policy: CarePolicy): Lane {
    const name = nameOf(model, provider);
    const known = this.#lanes.get(name);
    if (known !== undefined) {
      if (known.policy !== policy) {
        known.lane.adopt(policy);
        known.policy = policy;
      }
      return known.lane;
    }
    if (this.#lanes.size >= MOST) this.#forgetIdle();
    const lane = new Lane(policy, this.#clock, this.#learned.get(name) ?? null);
    this.#lanes.set(name, { key: { model, provider }, lane, policy });
    return lane;
  }

  /** Whether serverless is out for a model: every lane that its calls have used is out. */
  isOut(model: string, { providers }: CarePolicy): boolean {
    return this.#every(model, providers, (lane) => lane.isOut);
  }

  /** Whether a call of the agent would wait now because serverless is out, whichever lane it took. */
  turnsAway(model: string, agent: string, { providers }: CarePolicy): boolean {
    return this.#every(model, providers, (lane) => lane.turnsAway(agent));
  }

  #every(model: string, providers: readonly string[], is: (lane: Lane) => boolean): boolean {
    const own = this.#lanes.get(nameOf(model, ''));
    if (own === undefined || !is(own.lane)) return false;
    return providers.every((provider) => {
      const other = this.#lanes.get(nameOf(model, provider));
      return other === undefined || is(other.lane);
    });
  }

  /** Refuses the calls that have waited past their deadline. */
  sweep(): void {
    for (const { lane } of this.#lanes.values()) lane.sweep();
  }

  /** The state of each lane. */
  *status(): Generator<LaneKey & LaneStatus> {
    for (const { key, lane } of this.#lanes.values()) yield { ...key, ...lane.status };
  }

  /** What each lane has learned; null if nothing, or nothing any more. Deleted lanes are not included. */
  *learned(): Generator<readonly [LaneKey, LearnedLane | null]> {
    for (const { key, lane } of this.#lanes.values()) yield [key, hasLearned(lane.learned) ? lane.learned : null];
  }

  #forgetIdle(): void {
    for (const [name, { lane }] of this.#lanes) {
      const { inFlight, waiting } = lane.status;
      if (inFlight > 0 || waiting > 0) continue;
      this.#lanes.delete(name);
      this.#learned.delete(name);
      if (hasLearned(lane.learned)) this.#learned.set(name, lane.learned);
    }
    for (const name of this.#learned.keys()) {
      if (this.#learned.size <= MOST) break;
      this.#learned.delete(name);
    }
  }
}

function hasLearned({ rate, inFlight, breaker }: LearnedLane): boolean {
  return rate.perSecond !== null || inFlight.most !== null || breaker.state !== 'closed';
}

function nameOf(model: string, provider: string): string {
  return `${provider}\n${model}`;
}
