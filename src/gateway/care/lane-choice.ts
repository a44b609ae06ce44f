import { meaningOf } from '../../core/outcome.ts';
import type { Outcome } from '../../core/outcome.ts';
import type { CarePolicy } from '../../core/policy/care.ts';
import { providerOf } from '../request/incoming-call.ts';
import type { IncomingCall } from '../request/incoming-call.ts';
import type { Lane } from './lane.ts';
import type { Waiter } from './waiting-line.ts';
import type { Lanes } from './lanes.ts';

/** A lane that a call may take: the one that the client's request names, or that of a provider in the policy's list. */
interface LaneOption {
  readonly lane: Lane;
  /** The provider whose limit applies; '' if the router chooses one. */
  readonly provider: string;
  /** What is appended to the model's name; null: the call is sent as the client sent it. */
  readonly suffix: string | null;
}

/** The lanes that one call may take, and the one it takes now. */
export class LaneChoice {
  current: LaneOption;
  readonly #own: LaneOption;
  /** Null if there are none. A function, because a lane is created when it is first asked for. */
  readonly #listOthers: (() => readonly LaneOption[]) | null;
  #listed: readonly LaneOption[] | null = null;
  readonly #refusedBy: LaneOption[] = [];
  readonly #unable: LaneOption[] = [];

  constructor(own: LaneOption, listOthers: (() => readonly LaneOption[]) | null) {
    this.#own = own;
    this.current = own;
    this.#listOthers = listOthers;
  }

  /** Takes the lane on which the call waits the least: its own unless another is better. */
  choose(call: Waiter): void {
    const own = this.#own;
    this.current = own;
    if (this.#listOthers === null) return;
    let least = own.lane.waitMs(call);
    if (least === 0 && this.#refusedBy.length === 0) return;
    for (const option of this.#others()) {
      if (this.#unable.includes(option)) continue;
      const waitMs = option.lane.waitMs(call);
      const isUntried = waitMs === least && this.#hasRefused(this.current) && !this.#hasRefused(option);
      if (waitMs < least || isUntried) [this.current, least] = [option, waitMs];
    }
  }

  /** Whether a call whose attempt ended with `outcome` takes another lane at once. It leaves each lane once at most. */
  leaves(outcome: Outcome, call: Waiter): boolean {
    const { current } = this;
    const own = this.#own;
    if (this.#listOthers === null) return false;
    if (current !== own && meaningOf(outcome).isUnable) {
      current.lane.noteUnable();
      this.#unable.push(current);
      return true;
    }
    if (outcome !== 'rate_limited' || this.#hasRefused(current)) return false;
    this.#refusedBy.push(current);
    return [own, ...this.#others()].some(
      (option) => !this.#hasRefused(option) && !this.#unable.includes(option) && option.lane.waitMs(call) === 0,
    );
  }

  #others(): readonly LaneOption[] {
    return (this.#listed ??= this.#listOthers === null ? [] : this.#listOthers());
  }

  #hasRefused(option: LaneOption): boolean {
    return this.#refusedBy.includes(option);
  }
}

/**
 * The lanes that a call may take. `providers` are offered only to a call whose model has no suffix, which would name a
 * provider or how the router chooses one.
 */
export function laneChoiceFor(
  lanes: Lanes,
  { destination, content }: IncomingCall,
  care: CarePolicy,
  providers: readonly string[],
): LaneChoice {
  const model = content.model as string;
  const provider = providerOf(destination, content);
  const own = { lane: lanes.of(model, provider, care), provider, suffix: null };
  const isOpen = destination.kind !== 'native' && content.scan !== null && content.scan.model === model;
  if (!isOpen || providers.length === 0) return new LaneChoice(own, null);
  return new LaneChoice(own, () =>
    providers.map((suffix) => ({ lane: lanes.of(model, suffix, care), provider: suffix, suffix })),
  );
}
