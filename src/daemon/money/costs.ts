import type { Clock } from '../../core/clock.ts';
import type { DemandCosts, DemandFigures } from '../../core/criteria/criteria.ts';
import type { Survey } from '../../core/decide/observation.ts';
import { errorMessage } from '../../core/errors.ts';
import { HOUR_MS } from '../../core/time.ts';
import type { Costs } from '../../core/worth/traffic-history.ts';
import type { Journal } from '../../ledger/journal/journal.ts';
import type { Log } from '../log.ts';
import type { RouteWatch } from '../route/watch.ts';
import type { SpendingSource } from './spending.ts';

/** The traffic is counted over five minutes. */
const WINDOWS_PER_HOUR = 12;
/** How long, in clock time, an instance's price stays valid if only a criterion needs it. */
const SURVEY_MS = HOUR_MS;

export interface RouteCostsContext {
  readonly clock: Pick<Clock, 'now'>;
  readonly journal: Pick<Journal, 'costPerCall'>;
  readonly spending: SpendingSource;
  readonly survey: (watch: RouteWatch) => Promise<Survey>;
  readonly log: Log;
}

/**
 * What the calls of a route cost on serverless and on an endpoint. It is read at intervals and used by every
 * observation.
 */
export class RouteCosts {
  readonly #context: RouteCostsContext;

  constructor(context: RouteCostsContext) {
    this.#context = context;
  }

  /** Reads costs and prices again, for routes that have or may get an endpoint. Never throws. */
  async refresh(watches: Iterable<RouteWatch>): Promise<void> {
    await this.#each(watches, async (watch) => {
      await this.#read(watch);
      await this.#survey(watch);
    });
  }

  /** The same from the ledger alone, without requests to Hugging Face. */
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
    watch.priced(await journal.costPerCall(watch.model, clock.now()));
  }

  async #survey(watch: RouteWatch): Promise<void> {
    const { clock, survey } = this.#context;
    const isAsked = watch.filePolicy.criteria.cost !== undefined && watch.rollout === null;
    const { reported } = watch;
    const isOld = reported.survey === null || clock.now() - reported.survey.at > SURVEY_MS;
    if (isAsked && isOld && !reported.isRunning('survey')) reported.surveyed(await survey(watch));
  }

  /** What the demand of a window costs per hour, and the endpoint that it would get; null if either is unknown. */
  ofDemand(watch: RouteWatch, { calls }: DemandFigures): DemandCosts | null {
    const { perCallMicros: perCall } = watch;
    const dedicated = watch.reported.survey?.expectedPerHourMicros ?? null;
    if (perCall === null || dedicated === null) return null;
    const perHour = (calls * HOUR_MS) / watch.filePolicy.criteria.window;
    return { serverlessPerHourMicros: Math.round(perCall * perHour), dedicatedPerHourMicros: dedicated };
  }

  /** What the whole traffic of a route with an endpoint costs on either side; null if that is unknown. */
  ofRoute(watch: RouteWatch): Costs | null {
    const { rollout, worth, perCallMicros: perCall } = watch;
    const traffic = worth?.latest ?? null;
    if (rollout === null || perCall === null || perCall <= 0) return null;
    const rate = this.#context.spending.of(watch)?.ratePerHourMicros ?? 0;
    const dedicated = rate > 0 ? rate : rollout.pricePerHourMicros;
    return {
      serverlessPerHourMicros: Math.round(perCall * (traffic?.calls ?? 0) * WINDOWS_PER_HOUR),
      dedicatedPerHourMicros: dedicated,
      breakEvenCallsPerMinute: dedicated / 60 / perCall,
    };
  }
}
