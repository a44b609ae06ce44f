import type { Score } from './form.ts';

/** Good if all are; bad as soon as one is, whatever cannot be told of the others. */
export function allOf(checks: readonly (() => Score)[]): Score {
  let score: Score = 'good';
  for (const check of checks) {
    const each = check();
    if (each === 'bad') return 'bad';
    if (each === 'unscored') score = each;
  }
  return score;
}

/** Good if exactly one of the scores is. Null: they cannot be told. */
export function oneOf(scores: readonly Score[] | null): Score {
  return scores === null ? 'unscored' : contained(scores, 1, 1);
}

/** Good if the number of good scores is within a range, whatever those are that cannot be told. */
export function contained(scores: readonly Score[], least: number, most: number): Score {
  const good = scores.filter((score) => score === 'good').length;
  const possible = good + scores.filter((score) => score === 'unscored').length;
  if (possible < least || good > most) return 'bad';
  return good >= least && possible <= most ? 'good' : 'unscored';
}

/** The worst of the scores; good if there are none. */
export function worstOf(scores: readonly Score[]): Score {
  return allOf(scores.map((score) => () => score));
}

/** Good if the other is bad. */
export function negation(score: Score): Score {
  if (score === 'unscored') return score;
  return score === 'good' ? 'bad' : 'good';
}
