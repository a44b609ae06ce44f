import type { Clock } from '../core/clock.ts';
import type { DemandFigures } from '../core/criteria.ts';
import type { DemandCosts } from '../core/criterion.ts';
import { errorMessage } from '../core/errors.ts';
import type { Costs } from '../core/load.ts';
import type { Survey } from '../core/observation.ts';
import type { Spending } from '../core/spending.ts';
import type { Journal } from '../ledger/journal.ts';
import type { Log } from './log.ts';
import type { RouteWatch } from './watch.ts';

const HOUR_MS = 3_600_000;
/** How long, in clock time, an instance's price is taken for what it was, where only a criterion asks for it. */
const SURVEY_MS = HOUR_MS;
/** What was spent is read this often while an endpoint costs money, clock ms; calls' costs change more slowly. */
const PER_CALL_MS = 300_000;

export interface RouteCostsContext {
  readonly clock: Pick<Clock, 'now'>;
  readonly journal: Pick<Journal, 'costPerCall' | 'spending'>;
  readonly survey: (watch: RouteWatch) => Promise<Survey>;
  readonly log: Log;
}

interface Known {
  /** What a call costs on serverless in the mean, micro-dollars; null where it is not known. */
  readonly perCallMicros: number | null;
  readonly perCallAt: number;
  readonly rolloutId: string | null;
  readonly spending: Spending;
}

/** What a route's calls cost on either side: read from the books and the market now and then, asked for at every look. */
export class RouteCosts {
  readonly #context: RouteCostsContext;
  readonly #known = new WeakMap<RouteWatch, Known>();

  constructor(context: RouteCostsContext) {
    this.#context = context;
  }

  /** Reads anew what may have changed, for routes that have or may get an endpoint. Never throws. */
  async refresh(watches: Iterable<RouteWatch>): Promise<void> {
    await this.#each(watches, async (watch) => {
      await this.#read(watch);
      await this.#survey(watch);
    });
  }

  /** The same from the books alone: nobody else is asked. */
  read(watches: Iterable<RouteWatch>): Promise<void> {
    return this.#each(watches, (watch) => this.#read(watch));
  }

  async #each(watches: Iterable<RouteWatch>, work: (watch: RouteWatch) => Promise<void>): Promise<void> {
    for (const watch of watches) {
      if (watch.policy.endpoint === null) continue;
      try {
        await work(watch);
      } catch (error) {
        this.#context.log('warn', 'costs cannot be read', { model: watch.model, error: errorMessage(error) });
      }
    }
  }

  async #read(watch: RouteWatch): Promise<void> {
    const { clock, journal } = this.#context;
    const now = clock.now();
    const rolloutId = booked(watch);
    const spending = await journal.spending(watch.model, rolloutId, now);
    const before = this.#known.get(watch);
    const isFresh = before !== undefined && now - before.perCallAt < PER_CALL_MS;
    const perCallMicros = isFresh ? before.perCallMicros : await journal.costPerCall(watch.model, now);
    const perCallAt = isFresh ? before.perCallAt : now;
    this.#known.set(watch, { perCallMicros, perCallAt, rolloutId, spending });
  }

  async #survey(watch: RouteWatch): Promise<void> {
    const { clock, survey } = this.#context;
    const isAsked = watch.filePolicy.criteria.cost !== undefined && watch.rollout === null;
    const isOld = watch.survey === null || clock.now() - watch.survey.at > SURVEY_MS;
    if (isAsked && isOld && !watch.effects.has('survey')) watch.survey = await survey(watch);
  }

  /** What a window's demand costs by the hour, and the endpoint that it would get; null where either is not known. */
  ofDemand(watch: RouteWatch, { calls }: DemandFigures): DemandCosts | null {
    const perCall = this.#known.get(watch)?.perCallMicros ?? null;
    const dedicated = watch.survey?.expectedPerHourMicros ?? null;
    if (perCall === null || dedicated === null) return null;
    const perHour = (calls * HOUR_MS) / watch.filePolicy.criteria.window;
    return { serverlessPerHourMicros: Math.round(perCall * perHour), dedicatedPerHourMicros: dedicated };
  }

  /** What the whole load of a route with an endpoint costs on either side; null where that is not known. */
  ofRoute(watch: RouteWatch): Costs | null {
    const { rollout, worth } = watch;
    const known = this.#known.get(watch);
    const perCall = known?.perCallMicros ?? null;
    const load = worth?.latest ?? null;
    if (rollout === null || known === undefined || perCall === null || perCall <= 0) return null;
    const { ratePerHourMicros } = known.spending;
    const dedicated = ratePerHourMicros > 0 ? ratePerHourMicros : rollout.pricePerHourMicros;
    return {
      serverlessPerHourMicros: Math.round(perCall * (load?.calls ?? 0) * 12),
      dedicatedPerHourMicros: dedicated,
      breakEvenCallsPerMinute: dedicated / 60 / perCall,
    };
  }

  /** What a route's endpoints have cost, as the books last had it; null where that is of another rollout, or not known. */
  spending(watch: RouteWatch): Spending | null {
    const known = this.#known.get(watch);
    return known !== undefined && known.rolloutId === booked(watch) ? known.spending : null;
  }
}

/** The rollout under which the route's endpoint is booked: on a way back that which it would end. */
function booked({ rollout }: RouteWatch): string | null {
  return rollout?.wayBack?.replaces ?? rollout?.id ?? null;
}
