import type { Agreement } from '../form/agreement.ts';
import type { MetricPolicy } from '../policy/judge.ts';
import { MINUTE_US } from '../time.ts';
import type { FailOdds } from './error-rates.ts';
import { MOST_ODDS } from './metric-judge.ts';
import type { Reading } from './metric-judge.ts';
import { ShareStrand } from './share-strand.ts';
import type { MetricVerdict } from './verdict.ts';

/** Embeddings of the same text by the same model have at least this cosine. */
const SAME_COSINE = 0.999;

/**
 * How far two answers to the same request differ, 0..1; null if they should not be the same, or cannot be compared. Embeddings
 * and calls of tools differ or do not. Of a text it is the part after the common beginning.
 */
export function disagreement({ cosine, tools, args, text }: Agreement): number | null {
  if (cosine !== null) return Number(cosine <= SAME_COSINE);
  if (tools === false || args === false) return 1;
  if (text !== null) return 1 - text;
  return args === null ? null : 0;
}

/** Compares the answers of pairs with each other. */
export class AgreementMetric {
  readonly #policy: MetricPolicy;
  readonly #failAt: FailOdds;
  readonly #strand: ShareStrand;
  #sum = 0;
  #minute: number | null = null;

  constructor(policy: MetricPolicy, failAt: FailOdds, callsPerMinute: number) {
    this.#policy = policy;
    this.#failAt = failAt;
    const { margin, rollbackMargin } = policy;
    this.#strand = new ShareStrand({
      margin,
      rollbackMargin,
      usual: margin / 2,
      callsPerMinute,
      isTwoSided: false,
      hasUnits: false,
    });
  }

  /** `atUs`: when the pair was sent, epoch µs; never before the last one. */
  pair(agreement: Agreement | null, atUs: number): void {
    // Minutes of its own, so that it does not matter how pairs and calls of a step are told one after the other.
    const minute = Math.floor(atUs / MINUTE_US);
    if (this.#minute !== null && minute > this.#minute) this.#strand.endMinute(this.#minute, true);
    this.#minute = Math.max(this.#minute ?? minute, minute);
    const score = agreement === null ? null : disagreement(agreement);
    if (score === null) return;
    this.#sum += score;
    this.#strand.pair(0, score);
  }

  /** The verdict; null if no pair was compared. */
  read({ passAt }: Reading): MetricVerdict | null {
    const { seen, failOdds } = this.#strand;
    if (seen === 0) return null;
    const { rollout } = this.#strand.passOdds();
    return {
      metric: 'agreement',
      judge: this.#policy.judge === 'act' ? 'act' : 'advise',
      status: failOdds >= this.#failAt.bet ? 'fail' : rollout >= passAt ? 'pass' : 'open',
      pairs: { of: seen, same: seen - this.#sum },
      stable: null,
      canary: this.#sum / seen,
      ...this.#strand.effect(),
      margin: this.#policy.margin,
      passOdds: Math.min(MOST_ODDS, rollout),
      passAt,
      stepOdds: 1,
      stepAt: 1,
      failOdds: Math.min(MOST_ODDS, failOdds),
      failAt: this.#failAt.bet,
    };
  }
}
