import type { Contestant } from './contest.ts';
import { OURS, OURS_WITHOUT_SHADOW } from './ours.ts';
import { RIVALS } from './rivals.ts';

export const CONTESTANTS: readonly Contestant[] = [OURS, OURS_WITHOUT_SHADOW, ...RIVALS];
