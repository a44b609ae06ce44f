import type { RoleFigures } from '../../core/rollout/step-figures.ts';
import { countText, numberText } from '../terminal/format.ts';

/** How many calls the endpoint had no room for; null if it had room for all. */
export function fullText({ saturated, assigned }: RoleFigures): string | null {
  if (saturated === 0) return null;
  return `the endpoint was full for ${numberText(saturated)} of its ${countText(assigned, 'call')}, which is no error`;
}
