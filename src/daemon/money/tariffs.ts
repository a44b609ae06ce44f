import type { Clock } from '../../core/clock.ts';
import { errorMessage } from '../../core/errors.ts';
import { DAY_MS, dayOf } from '../../core/time.ts';
import { readBill } from '../../huggingface/hub/billing.ts';
import { listPrices } from '../../huggingface/providers.ts';
import type { Journal } from '../../ledger/journal/journal.ts';
import type { Log } from '../log.ts';

export interface TariffContext {
  readonly clock: Clock;
  readonly journal: Pick<Journal, 'bookPrices' | 'bookBill'>;
  readonly environment: { readonly routerUrl: string; readonly hubUrl: string; readonly token: string | null };
  /** Namespaces in which the policy would create endpoints. Those that are organizations have a bill. */
  readonly namespaces: () => Iterable<string>;
  readonly log: Log;
}

/** Bills may be completed late, so the last days are read again. */
const BILL_DAYS = 31;

/** Stores the prices of the router's providers and what the Hub has billed. Never throws: the next run tries again. */
export async function noteTariffs({ clock, journal, environment, namespaces, log }: TariffContext): Promise<void> {
  const { routerUrl, hubUrl, token } = environment;
  if (token === null) return;
  try {
    await journal.bookPrices(await listPrices(routerUrl, token), clock.now());
  } catch (error) {
    log('warn', 'prices of serverless cannot be stored', { error: errorMessage(error) });
  }
  for (const org of new Set(namespaces())) {
    try {
      const now = clock.now();
      const bill = await readBill({ hubUrl, token }, org, { from: dayOf(now - BILL_DAYS * DAY_MS), until: dayOf(now) });
      if (bill !== null) await journal.bookBill(bill, now);
    } catch (error) {
      log('warn', 'a bill cannot be stored', { org, error: errorMessage(error) });
    }
  }
}
