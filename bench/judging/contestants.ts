import type { Contestant } from './contest.ts';
import { OURS } from './ours.ts';
import { RIVALS } from './rivals.ts';

export const CONTESTANTS: readonly Contestant[] = [OURS, ...RIVALS];
