import type { DemandFigures } from '../core/criteria.ts';
import type { DemandCosts } from '../core/criterion.ts';
import type { Clock } from '../core/clock.ts';
import { errorMessage } from '../core/errors.ts';
import type { Survey } from '../core/observation.ts';
import type { Journal } from '../ledger/journal.ts';
import type { Log } from './log.ts';
import type { RouteWatch } from './watch.ts';

const HOUR_MS = 3_600_000;
/** How long, in clock time, an instance's price is taken for what it was, where only a criterion asks for it. */
const SURVEY_MS = HOUR_MS;

export interface CostsContext {
  readonly clock: Pick<Clock, 'now'>;
  readonly journal: Pick<Journal, 'costPerCall' | 'spending'>;
  readonly survey: (watch: RouteWatch) => Promise<Survey>;
  readonly log: Log;
}

/** What a route's calls cost on either side: read from the books and the market now and then, asked for every second. */
export class Costs {
  readonly #context: CostsContext;
  readonly #known = new WeakMap<RouteWatch, { readonly perCallMicros: number | null; readonly rateMicros: number }>();

  constructor(context: CostsContext) {
    this.#context = context;
  }

  /** Reads anew what may have changed, for routes that have or may get an endpoint. Never throws. */
  async refresh(watches: Iterable<RouteWatch>): Promise<void> {
    for (const watch of watches) {
      if (watch.policy.endpoint === null) continue;
      try {
        await this.#refreshOne(watch);
      } catch (error) {
        this.#context.log('warn', 'costs cannot be read', { model: watch.model, error: errorMessage(error) });
      }
    }
  }

  async #refreshOne(watch: RouteWatch): Promise<void> {
    const { clock, journal, survey } = this.#context;
    const now = clock.now();
    const perCallMicros = await journal.costPerCall(watch.model, now);
    const { ratePerHourMicros } = await journal.spending(watch.model, watch.rollout?.id ?? null, now);
    this.#known.set(watch, { perCallMicros, rateMicros: ratePerHourMicros });
    const isAsked = watch.filePolicy.criteria.cost !== undefined && watch.rollout === null;
    const isOld = watch.survey === null || now - watch.survey.at > SURVEY_MS;
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
}
