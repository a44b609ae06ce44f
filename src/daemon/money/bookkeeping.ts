import type { Clock } from '../../core/clock.ts';
import type { Policy } from '../../core/policy/policy.ts';
import type { Environment } from '../../files/environment.ts';
import type { EndpointsClient } from '../../huggingface/management/endpoints.ts';
import type { Journal } from '../../ledger/journal/journal.ts';
import type { Log } from '../log.ts';
import { perClock } from '../loop.ts';
import type { Loop } from '../loop.ts';
import { Books } from './books.ts';
import { noteTariffs } from './tariffs.ts';

/** How often, in clock time, to check whether a minute has begun, and to read prices and bills. */
const TURN_EVERY_MS = 5_000;
const TARIFFS_EVERY_MS = 3_600_000;

export interface BookkeepingContext {
  readonly clock: Clock;
  readonly endpoints: EndpointsClient;
  readonly journal: Journal;
  readonly environment: Environment;
  readonly policy: () => Policy;
  readonly log: Log;
}

/** Keeps the cost records beside the ticks: endpoints every minute, prices and bills every hour. Needs a token. */
export function keepBooks(loop: Loop, context: BookkeepingContext): void {
  if (context.environment.token === null) return;
  const { clock, policy } = context;
  const namespaces = () => policy().routes.flatMap(({ endpoint }) => endpoint?.namespace ?? []);
  const books = new Books({ ...context, namespaces });
  const tariffs = () => noteTariffs({ ...context, namespaces });
  loop.inBackground(Promise.all([books.turn(), tariffs()]).then(() => undefined));
  loop.every(perClock(TURN_EVERY_MS, clock), () => books.turn());
  loop.every(perClock(TARIFFS_EVERY_MS, clock), tariffs);
}
