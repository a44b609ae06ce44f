import type { Outcome } from '../../core/call.ts';
import type { CarePolicy } from '../../core/policy/care.ts';
import { providerOf } from '../request/question.ts';
import type { Asked } from '../request/question.ts';
import type { Lane } from './lane.ts';
import type { Lanes } from './lanes.ts';

/** A way to serverless: as the client named it, or by a provider that the policy lists. */
interface Way {
  readonly lane: Lane;
  /** Whose limit it comes under; '' where the router chooses. */
  readonly provider: string;
  /** What is put behind the model's name; null: the call goes as the client sent it. */
  readonly suffix: string | null;
}

/** What a listed provider says where it does not serve the model, or not to this token, or not such a call. */
const UNABLE: ReadonlySet<Outcome> = new Set(['client_error', 'not_found', 'unauthorized']);

/** The ways that one call may take, and the one it takes now. */
export class Ways {
  now: Way;
  private readonly own: Way;
  /** Null where there are none; lanes are made when somebody looks at them. */
  private readonly listOthers: (() => readonly Way[]) | null;
  private listed: readonly Way[] | null = null;
  private readonly refusedBy: Way[] = [];
  private readonly unable: Way[] = [];

  constructor(own: Way, listOthers: (() => readonly Way[]) | null) {
    this.own = own;
    this.now = own;
    this.listOthers = listOthers;
  }

  /** Takes the way on which a call of an agent waits the least: its own unless another is better. */
  choose(agent: string): void {
    const { own } = this;
    this.now = own;
    if (this.listOthers === null) return;
    let least = own.lane.waitMs(agent);
    if (least === 0 && this.refusedBy.length === 0) return;
    for (const way of this.others()) {
      if (this.unable.includes(way)) continue;
      const waitMs = way.lane.waitMs(agent);
      const isFresher = waitMs === least && this.hasRefused(this.now) && !this.hasRefused(way);
      if (waitMs < least || isFresher) [this.now, least] = [way, waitMs];
    }
  }

  /** Whether a call that ended like this on its way goes another way now, without waiting: each is left once at most. */
  leaves(outcome: Outcome, agent: string): boolean {
    const { now, own } = this;
    if (this.listOthers === null) return false;
    if (now !== own && UNABLE.has(outcome)) {
      now.lane.isOfNoUse();
      this.unable.push(now);
      return true;
    }
    if (outcome !== 'rate_limited' || this.hasRefused(now)) return false;
    this.refusedBy.push(now);
    return [own, ...this.others()].some(
      (way) => !this.hasRefused(way) && !this.unable.includes(way) && way.lane.waitMs(agent) === 0,
    );
  }

  private others(): readonly Way[] {
    return (this.listed ??= this.listOthers === null ? [] : this.listOthers());
  }

  private hasRefused(way: Way): boolean {
    return this.refusedBy.includes(way);
  }
}

/** The ways of a call: `providers` are for those that name none themselves, nor how the router chooses one. */
export function waysFor(
  lanes: Lanes,
  { destination, question }: Asked,
  care: CarePolicy,
  providers: readonly string[],
): Ways {
  const model = question.model as string;
  const provider = providerOf(destination, question);
  const own = { lane: lanes.of(model, provider, care), provider, suffix: null };
  const isOpen = destination.kind !== 'native' && question.scan !== null && question.scan.model === model;
  if (!isOpen || providers.length === 0) return new Ways(own, null);
  return new Ways(own, () =>
    providers.map((suffix) => ({ lane: lanes.of(model, suffix, care), provider: suffix, suffix })),
  );
}
