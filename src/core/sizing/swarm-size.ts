/** A size of swarm, by the calls of its busiest five minutes, and the example policy for it. */
export interface SwarmSize {
  readonly name: '1-10' | '10-50' | '50-200' | '200-up';
  /** Calls in five minutes: at least `from`, and fewer than `to`. */
  readonly from: number;
  readonly to: number;
  readonly policy: string;
}

export const SWARM_SIZES: readonly SwarmSize[] = [
  { name: '1-10', from: 0, to: 500, policy: 'policies/swarm-1-10.yaml' },
  { name: '10-50', from: 500, to: 2_000, policy: 'policies/swarm-10-50.yaml' },
  { name: '50-200', from: 2_000, to: 10_000, policy: 'policies/swarm-50-200.yaml' },
  { name: '200-up', from: 10_000, to: Number.POSITIVE_INFINITY, policy: 'policies/swarm-200-up.yaml' },
];

/**
 * The size of a swarm by its calls in five minutes. Agents are not counted, because one agent may call often or seldom.
 */
export function swarmSize(calls: number): SwarmSize {
  return SWARM_SIZES.find(({ to }) => calls < to) as SwarmSize;
}
