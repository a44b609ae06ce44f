import type { NamedEngine } from '../core/sizing/engine.ts';

/** One of the two deployments that are compared. */
export interface Side {
  readonly name: 'A' | 'B';
  /** Base URL without a slash at its end, with `/v1`. */
  readonly url: string;
  /** The model as this side calls it. */
  readonly model: string;
  /** Sent as credentials to this side alone. Null: none are sent. */
  readonly key: string | null;
  /** By what it says of itself; null if it says nothing. */
  readonly engine: NamedEngine | null;
  /** Dollars for a million tokens, of its cheapest and its dearest host. Null if they are not known. */
  readonly prices: { readonly low: TokenPrice; readonly high: TokenPrice } | null;
}

/** Dollars for a million tokens. */
export interface TokenPrice {
  readonly input: number;
  readonly output: number;
}

/** Where calls of a side go, before its model is known. */
export type Address = Pick<Side, 'name' | 'url' | 'key'>;
