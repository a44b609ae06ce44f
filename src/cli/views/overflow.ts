import type { EndpointLoadStatus } from '../../core/overflow/load-status.ts';
import type { RoleFigures } from '../../core/rollout/step-figures.ts';
import { numberText as atOnceText } from '../../core/scaling/propose.ts';
import { countText, numberText, percentText } from '../terminal/format.ts';

/** How many calls the endpoint had no room for; null if it had room for all. */
export function fullText({ saturated, assigned }: RoleFigures): string | null {
  if (saturated === 0) return null;
  return `the endpoint was full for ${numberText(saturated)} of its ${countText(assigned, 'call')}, which is no error`;
}

/** Both sides as one capacity: `the endpoint carries 9 of 11; overflow 6.0 %, 3 waiting, 2 refused`. */
export function capacityText({ inFlight, limit, sent, overflowed, waiting, refused }: EndpointLoadStatus): string {
  const carries = `the endpoint carries ${numberText(inFlight)}`;
  if (limit === null) return `${carries}; it has never been full`;
  const share = overflowed / Math.max(1, sent + overflowed);
  const facts = [`overflow ${percentText(share)}`, `${numberText(waiting)} waiting`, `${numberText(refused)} refused`];
  return `${carries} of ${atOnceText(limit)}; ${facts.join(', ')}`;
}
