import { AppError } from '../core/errors.ts';
import type { Dice } from './dice.ts';
import { isObject } from './exchange.ts';

const FAULT_KINDS = {
  /**
   * What an endpoint's own server does, whatever the management API says of it. Both `dies` and `refuses` close the
   * listener and cut calls that wait for an answer; `dies` also breaks the answers that have begun, `refuses` lets them end.
   */
  endpoint: ['dies', 'refuses', 'errors', 'slow', 'hangs', 'ratelimits', 'unavailable', 'unhealthy', 'cuts', 'fails'],
  router: ['errors', 'slow', 'hangs', 'ratelimits', 'unavailable', 'credits', 'cuts'],
  management: ['down', 'errors', 'slow', 'quota', 'capacity', 'payment'],
} as const;

type FaultTarget = keyof typeof FAULT_KINDS;
type FaultKind = (typeof FAULT_KINDS)[FaultTarget][number];

/** Something that goes wrong from now on. */
export interface Fault {
  readonly target: FaultTarget;
  readonly kind: FaultKind;
  /** Share of the calls that are struck, 0..1; 1 unless said. */
  readonly share: number;
  /** How many times slower, for `slow`; 3 unless said. */
  readonly factor: number;
  /** The endpoint it strikes; all of them where it is missing. */
  readonly name: string | undefined;
}

export type FaultInput = Pick<Fault, 'target' | 'kind'> & { share?: number; factor?: number; name?: string };

/** The faults in force. */
export interface FaultBoard {
  /** Sets a fault, replacing the same one. */
  set(fault: FaultInput): void;
  clear(target?: FaultTarget, kind?: FaultKind): void;
  list(): readonly Fault[];
  find(target: FaultTarget, kind: FaultKind, name?: string): Fault | undefined;
  /** Whether the fault is in force and hits this call. */
  strikes(target: FaultTarget, kind: FaultKind, name?: string): boolean;
  /** The factor by which the target is slower than usual; 1 without a fault. */
  slowness(target: FaultTarget, name?: string): number;
}

export function createFaultBoard(dice: Dice): FaultBoard {
  let faults: readonly Fault[] = [];
  function find(target: FaultTarget, kind: FaultKind, name?: string): Fault | undefined {
    return faults.find((f) => f.target === target && f.kind === kind && (f.name === undefined || f.name === name));
  }
  return {
    set({ target, kind, share = 1, factor = 3, name }) {
      const others = faults.filter((f) => f.target !== target || f.kind !== kind || f.name !== name);
      faults = [...others, { target, kind, share, factor, name }];
    },
    clear(target, kind) {
      const isCleared = (f: Fault) => (target === undefined || f.target === target) && (!kind || f.kind === kind);
      faults = faults.filter((f) => !isCleared(f));
    },
    list: () => faults,
    find,
    strikes(target, kind, name) {
      const fault = find(target, kind, name);
      return fault !== undefined && (fault.share >= 1 || dice.next() < fault.share);
    },
    slowness: (target, name) => find(target, 'slow', name)?.factor ?? 1,
  };
}

/** Reads `{target, kind, share?, factor?, name?}`; throws `invalid` naming the field, the value and what is allowed. */
export function parseFault(value: unknown): FaultInput {
  if (!isObject(value)) throw new AppError('invalid', 'a fault is a JSON object {"target","kind","share","factor"}');
  const { target, kind, share, factor, name } = value;
  const kinds = Object.entries(FAULT_KINDS).find(([known]) => known === target)?.[1] as readonly unknown[] | undefined;
  if (!kinds) throw refused('target', target, Object.keys(FAULT_KINDS).join(', '));
  if (!kinds.includes(kind)) throw refused('kind', kind, kinds.join(', '));
  if (share !== undefined && !(typeof share === 'number' && share >= 0 && share <= 1)) {
    throw refused('share', share, 'a number from 0 to 1');
  }
  if (factor !== undefined && !(typeof factor === 'number' && factor > 0 && Number.isFinite(factor))) {
    throw refused('factor', factor, 'a number above 0');
  }
  if (name !== undefined && typeof name !== 'string') throw refused('name', name, 'the name of an endpoint');
  return {
    target: target as FaultTarget,
    kind: kind as FaultKind,
    ...(share === undefined ? {} : { share }),
    ...(factor === undefined ? {} : { factor }),
    ...(name === undefined ? {} : { name }),
  };
}

function refused(field: string, value: unknown, allowed: string): AppError {
  return new AppError('invalid', `${field} of a fault is ${JSON.stringify(value)}; allowed: ${allowed}`);
}
