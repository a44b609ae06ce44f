import type { AnswerForm } from '../form/form.ts';
import type { Role } from '../route.ts';
import type { JudgedCall } from './verdict.ts';

/** Fewer answers of a role than this say nothing. */
const ENOUGH = 100;
/** A share is worth a note if it is larger by this, and by so many standard deviations. */
const MORE = 0.01;
const DEVIATIONS = 5;
/** Characters per token are worth a note if they differ by this part. */
const OTHER_TOKENIZER = 0.05;

interface Sums {
  n: number;
  sum: number;
  squares: number;
}

const COUNTED = {
  garbled: ({ isGarbled }: AnswerForm) => (isGarbled === null ? null : Number(isGarbled)),
  repeating: ({ isRepeating }: AnswerForm) => (isRepeating === null ? null : Number(isRepeating)),
  density: ({ charsPerToken }: AnswerForm) => charsPerToken,
} as const;

type Counted = keyof typeof COUNTED;

/** Notes what is odd about the text of answers. It is advice, decides nothing, and takes no part of the allowed error. */
export class TextNotes {
  readonly #sums: Readonly<Record<Counted, Record<Role, Sums>>> = {
    garbled: { stable: zero(), canary: zero() },
    repeating: { stable: zero(), canary: zero() },
    density: { stable: zero(), canary: zero() },
  };

  take({ role, outcome, form }: Pick<JudgedCall, 'role' | 'outcome' | 'form'>): void {
    if (outcome !== 'ok' || form == null) return;
    for (const name of Object.keys(COUNTED) as Counted[]) {
      const value = COUNTED[name](form);
      if (value === null) continue;
      const sums = this.#sums[name][role];
      sums.n++;
      sums.sum += value;
      sums.squares += value * value;
    }
  }

  /** A sentence each, figures first. */
  read(): string[] {
    const garbled = this.#more('garbled');
    const repeating = this.#more('repeating');
    const density = this.#apart('density');
    return [
      ...(garbled === null ? [] : [`garbled answers ${garbled}: are the weights or the quantisation damaged?`]),
      ...(repeating === null
        ? []
        : [`answers that repeat themselves ${repeating}: is the sampling or the quantisation another?`]),
      ...(density === null ? [] : [`characters per token ${density}: is the tokenizer another?`]),
    ];
  }

  #more(name: Counted): string | null {
    const found = this.#compare(name);
    if (found === null || found.canary - found.stable < MORE || !found.isClear) return null;
    return `${percent(found.canary)} against ${percent(found.stable)}`;
  }

  #apart(name: Counted): string | null {
    const found = this.#compare(name);
    if (found === null || !found.isClear) return null;
    if (Math.abs(found.canary - found.stable) < OTHER_TOKENIZER * found.stable) return null;
    return `${found.canary.toFixed(2)} against ${found.stable.toFixed(2)}`;
  }

  #compare(name: Counted): { readonly stable: number; readonly canary: number; readonly isClear: boolean } | null {
    const { stable, canary } = this.#sums[name];
    if (stable.n < ENOUGH || canary.n < ENOUGH) return null;
    const [before, after] = [stable.sum / stable.n, canary.sum / canary.n];
    const deviation = Math.sqrt(varianceOf(stable) / stable.n + varianceOf(canary) / canary.n);
    return { stable: before, canary: after, isClear: Math.abs(after - before) > DEVIATIONS * deviation };
  }
}

function zero(): Sums {
  return { n: 0, sum: 0, squares: 0 };
}

function varianceOf({ n, sum, squares }: Sums): number {
  return Math.max(0, squares / n - (sum / n) ** 2);
}

function percent(share: number): string {
  return `${(share * 100).toFixed(2)} %`;
}
