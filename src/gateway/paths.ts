export { locate } from '../core/paths.ts';
export type { Destination } from '../core/paths.ts';
