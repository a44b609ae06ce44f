import type { BillLine } from '../../core/money/cost.ts';
import type { ProviderPrice } from '../../core/money/price-book.ts';
import type { Spending } from '../../core/money/spending.ts';
import type { BookedEndpoint, BookEntry } from '../money/books.ts';
import type { JournalStore } from './store.ts';

/** The books of money, as a part of the journal: rejects as all of its methods do. Times in epoch ms. */
export interface MoneyJournal {
  /** The endpoints that were there at the last look, and what it saw. */
  bookedEndpoints(): Promise<BookedEndpoint[]>;
  /** Writes looks at endpoints and the minutes that follow from them, all or nothing. */
  book(entries: readonly BookEntry[]): Promise<void>;
  /**
   * What the endpoints of a model have cost lately, and what that of a rollout has cost in all; up to `now`, however long
   * ago the last look was. Takes a millisecond or less.
   */
  spending(model: string, rolloutId: string | null, now: number): Promise<Spending>;
  /** What a recent call of a model costs on serverless in the mean, whoever served it; micro-dollars, null where unknown. */
  costPerCall(model: string, now: number): Promise<number | null>;
  /** Notes what has changed in the router's list of prices. */
  bookPrices(prices: readonly ProviderPrice[], at: number): Promise<void>;
  /** Notes what the Hub says of an organization's bill. */
  bookBill(lines: readonly BillLine[], at: number): Promise<void>;
}

type Method = keyof MoneyJournal;
type Send = <M extends Method>(method: M, ...args: Parameters<JournalStore[M]>) => Promise<ReturnType<JournalStore[M]>>;

/** The journal's methods for money over its thread. */
export function moneyJournal(send: Send): MoneyJournal {
  return {
    bookedEndpoints: () => send('bookedEndpoints'),
    book: (entries) => send('book', entries),
    spending: (model, rolloutId, now) => send('spending', model, rolloutId, now),
    costPerCall: (model, now) => send('costPerCall', model, now),
    bookPrices: (prices, at) => send('bookPrices', prices, at),
    bookBill: (lines, at) => send('bookBill', lines, at),
  };
}
