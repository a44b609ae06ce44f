/** What is right in a world: whether the endpoint should be promoted, must not be, or either may be. */
export type Right = 'promote' | 'refuse' | 'either';

/** How one upstream behaves in a minute, beside its noise. Shares 0..1, factors on the time a call takes. */
export interface Behaviour {
  readonly slower: number;
  /** Share of calls that fail, and whether they fail by refusing the connection. */
  readonly faults: number;
  readonly isDead: boolean;
  /** Share of calls that never end. */
  readonly hangs: number;
  /** Share of calls that take `tailFactor` times as long. */
  readonly tail: number;
  readonly tailFactor: number;
  /** Factor on the tokens of an answer. */
  readonly length: number;
}

/** What the two upstreams are truly like. */
export interface Truth {
  readonly name: string;
  readonly right: Right;
  /** So bad that every call counts. */
  readonly isGross?: true;
  /** Serverless in a minute since the rollout began; `incident`: the first minute of ten that may go wrong. */
  stable?(minute: number, incident: number): Partial<Behaviour>;
  /** The endpoint in a minute, while it carries `weight` (0..1) of the calls. */
  canary?(minute: number, weight: number): Partial<Behaviour>;
  /** Factor on the size of prompts and answers, for both. */
  size?(minute: number): number;
}

export const NORMAL: Behaviour = {
  slower: 1,
  faults: 0.005,
  isDead: false,
  hangs: 0,
  tail: 0,
  tailFactor: 4,
  length: 1,
};

const INCIDENT_MINUTES = 10;

const incident = (minute: number, start: number): Partial<Behaviour> =>
  minute >= start && minute < start + INCIDENT_MINUTES ? { slower: 3, faults: 0.09 } : {};

/** From 1 to `to` over the first half hour. */
const ramp = (minute: number, to: number): number => 1 + (to - 1) * Math.min(1, minute / 30);

/**
 * `refuse` is used where the endpoint is worse than serverless by more than the default margin. Exactly at a margin,
 * and where it is bad only for its first minutes, either answer can be defended.
 */
export const TRUTHS: readonly Truth[] = [
  { name: 'identical', right: 'promote' },
  { name: '20 % faster', right: 'promote', canary: () => ({ slower: 0.8 }) },
  { name: '5 % slower', right: 'promote', canary: () => ({ slower: 1.05 }) },
  {
    name: 'both drift +40 %',
    right: 'promote',
    stable: (minute) => ({ slower: ramp(minute, 1.4) }),
    canary: (minute) => ({ slower: ramp(minute, 1.4) }),
  },
  { name: 'mix shifts', right: 'promote', size: (minute) => ramp(minute, 2) },
  { name: 'serverless incident', right: 'promote', stable: incident },
  { name: '20 % slower', right: 'refuse', canary: () => ({ slower: 1.2 }) },
  { name: '30 % slower', right: 'refuse', canary: () => ({ slower: 1.3 }) },
  { name: 'incident, 30 % slower', right: 'refuse', stable: incident, canary: () => ({ slower: 1.3 }) },
  { name: '6 % take 4x', right: 'refuse', canary: () => ({ tail: 0.06 }) },
  { name: '2 % never end', right: 'refuse', canary: () => ({ hangs: 0.02 }) },
  { name: 'answers 30 % shorter', right: 'refuse', canary: () => ({ length: 0.7 }) },
  { name: 'faults 1.5 %', right: 'either', canary: () => ({ faults: 0.015 }) },
  { name: 'faults 3 %', right: 'refuse', canary: () => ({ faults: 0.03 }) },
  { name: 'faults 10 %', right: 'refuse', isGross: true, canary: () => ({ faults: 0.1 }) },
  { name: '60 % slower from half', right: 'refuse', canary: (_, weight) => ({ slower: weight >= 0.5 ? 1.6 : 1 }) },
  { name: 'latency x2', right: 'refuse', isGross: true, canary: () => ({ slower: 2 }) },
  { name: 'dead', right: 'refuse', isGross: true, canary: () => ({ faults: 1, isDead: true }) },
  { name: 'cold for 3 min', right: 'either', canary: (minute) => ({ slower: minute < 3 ? 5 : 1 }) },
];
