import type { Outcome } from '../../core/call.ts';
import type { CarePolicy } from '../../core/policy/care.ts';
import { providerOf } from '../request/incoming-call.ts';
import type { IncomingCall } from '../request/incoming-call.ts';
import type { Lane } from './lane.ts';
import type { Lanes } from './lanes.ts';

/** A way to serverless: as the client named it, or by a provider that the policy lists. */
interface LaneOption {
  readonly lane: Lane;
  /** Whose limit it comes under; '' where the router chooses. */
  readonly provider: string;
  /** What is put behind the model's name; null: the call goes as the client sent it. */
  readonly suffix: string | null;
}

/** What a listed provider says where it does not serve the model, or not to this token, or not such a call. */
const UNABLE: ReadonlySet<Outcome> = new Set(['client_error', 'not_found', 'unauthorized']);

/** The ways that one call may take, and the one it takes now. */
export class LaneChoice {
  current: LaneOption;
  readonly #own: LaneOption;
  /** Null where there are none; lanes are made when somebody looks at them. */
  readonly #listOthers: (() => readonly LaneOption[]) | null;
  #listed: readonly LaneOption[] | null = null;
  readonly #refusedBy: LaneOption[] = [];
  readonly #unable: LaneOption[] = [];

  constructor(own: LaneOption, listOthers: (() => readonly LaneOption[]) | null) {
    this.#own = own;
    this.current = own;
    this.#listOthers = listOthers;
  }

  /** Takes the way on which a call of an agent waits the least: its own unless another is better. */
  choose(agent: string): void {
    const own = this.#own;
    this.current = own;
    if (this.#listOthers === null) return;
    let least = own.lane.waitMs(agent);
    if (least === 0 && this.#refusedBy.length === 0) return;
    for (const option of this.#others()) {
      if (this.#unable.includes(option)) continue;
      const waitMs = option.lane.waitMs(agent);
      const isFresher = waitMs === least && this.#hasRefused(this.current) && !this.#hasRefused(option);
      if (waitMs < least || isFresher) [this.current, least] = [option, waitMs];
    }
  }

  /** Whether a call that ended like this on its way goes another way now, without waiting: each is left once at most. */
  leaves(outcome: Outcome, agent: string): boolean {
    const { current } = this;
    const own = this.#own;
    if (this.#listOthers === null) return false;
    if (current !== own && UNABLE.has(outcome)) {
      current.lane.noteUnable();
      this.#unable.push(current);
      return true;
    }
    if (outcome !== 'rate_limited' || this.#hasRefused(current)) return false;
    this.#refusedBy.push(current);
    return [own, ...this.#others()].some(
      (option) => !this.#hasRefused(option) && !this.#unable.includes(option) && option.lane.waitMs(agent) === 0,
    );
  }

  #others(): readonly LaneOption[] {
    return (this.#listed ??= this.#listOthers === null ? [] : this.#listOthers());
  }

  #hasRefused(option: LaneOption): boolean {
    return this.#refusedBy.includes(option);
  }
}

/** The ways of a call: `providers` are for those that name none themselves, nor how the router chooses one. */
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
