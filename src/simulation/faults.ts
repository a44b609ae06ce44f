import type { Clock } from '../core/clock.ts';
import type { Dice } from '../core/dice.ts';
import { AppError } from '../core/errors.ts';
import { isObject } from './exchange.ts';
import { FAULTS, factsOf, kindsOf } from './fault-kinds.ts';
import type { FaultKind, FaultTarget } from './fault-kinds.ts';

/** A fault to switch on. */
export interface Fault {
  readonly target: FaultTarget;
  readonly kind: FaultKind;
  /** Share of the calls that the fault hits, 0..1. */
  readonly share: number;
  /** What it multiplies is said in `FAULTS`; 1 if its kind has none. */
  readonly factor: number;
  /** The endpoint that the fault hits, or the instance (`quota`, `capacity`); all if it is missing. */
  readonly name: string | undefined;
  /** The shape of the calls that the fault hits (`rejects`), as `chat+tools`; all calls if it is missing. */
  readonly shape: string | undefined;
  /** Clock time at which the fault ends by itself; null: it lasts until it is cleared. */
  readonly endsAt: number | null;
}

export type FaultInput = Pick<Fault, 'target' | 'kind'> & {
  share?: number;
  factor?: number;
  name?: string;
  shape?: string;
  /** Clock ms until the fault ends by itself. */
  lastsMs?: number;
};

/** The faults in force. */
export interface FaultBoard {
  /** Sets a fault, replacing the same one. */
  set(fault: FaultInput): void;
  clear(target?: FaultTarget, kind?: FaultKind): void;
  list(): readonly Fault[];
  find(target: FaultTarget, kind: FaultKind, name?: string): Fault | undefined;
  /** Whether the fault is in force and hits this call; `shape`: of the call, if faults of a shape may hit it. */
  strikes(target: FaultTarget, kind: FaultKind, name?: string, shape?: string): boolean;
  /** The factor of a fault that has one; 1 if the fault does not hit the call. */
  factor(target: FaultTarget, kind: FaultKind, name?: string): number;
}

export function createFaultBoard(dice: Dice, clock: Clock): FaultBoard {
  let faults: readonly Fault[] = [];
  function list(): readonly Fault[] {
    const isOver = ({ endsAt }: Fault) => endsAt !== null && endsAt <= clock.now();
    if (faults.some(isOver)) faults = faults.filter((fault) => !isOver(fault));
    return faults;
  }
  function find(target: FaultTarget, kind: FaultKind, name?: string): Fault | undefined {
    return list().find((f) => f.target === target && f.kind === kind && (f.name === undefined || f.name === name));
  }
  const hits = ({ share }: Fault) => share >= 1 || dice.next() < share;
  return {
    set({ target, kind, name, shape, lastsMs, ...given }) {
      const usual = factsOf(target, kind);
      const [share, factor] = [given.share ?? usual.share ?? 1, given.factor ?? usual.factor ?? 1];
      const others = faults.filter((f) => f.target !== target || f.kind !== kind || f.name !== name);
      const endsAt = lastsMs === undefined ? null : clock.now() + lastsMs;
      faults = [...others, { target, kind, share, factor, name, shape, endsAt }];
    },
    clear(target, kind) {
      const isCleared = (f: Fault) => (target === undefined || f.target === target) && (!kind || f.kind === kind);
      faults = faults.filter((f) => !isCleared(f));
    },
    list,
    find,
    strikes(target, kind, name, shape) {
      const fault = find(target, kind, name);
      return fault !== undefined && (fault.shape === undefined || fault.shape === shape) && hits(fault);
    },
    factor(target, kind, name) {
      const fault = find(target, kind, name);
      return fault !== undefined && hits(fault) ? fault.factor : 1;
    },
  };
}

/** Faults that last until they are cleared. */
const LASTING: readonly FaultKind[] = ['dies', 'refuses', 'fails'];

/** Reads `{target, kind, share?, factor?, name?, lastsMs?}`; throws `invalid` naming the field, the value and what is allowed. */
export function parseFault(value: unknown): FaultInput {
  if (!isObject(value))
    throw new AppError('invalid', 'a fault is a JSON object {"target","kind","share","factor",...}');
  const { target, kind, share, factor, name, shape, lastsMs } = value;
  if (typeof target !== 'string' || !Object.hasOwn(FAULTS, target)) {
    throw refused('target', target, Object.keys(FAULTS).join(', '));
  }
  const kinds: readonly unknown[] = kindsOf(target as FaultTarget);
  if (!kinds.includes(kind)) throw refused('kind', kind, kinds.join(', '));
  if (share !== undefined && !(typeof share === 'number' && share >= 0 && share <= 1)) {
    throw refused('share', share, 'a number from 0 to 1');
  }
  if (factor !== undefined && !(typeof factor === 'number' && factor > 0 && Number.isFinite(factor))) {
    throw refused('factor', factor, 'a number above 0');
  }
  if (factor !== undefined && factsOf(target as FaultTarget, kind as FaultKind).factor === undefined) {
    throw refused('factor', factor, `nothing for ${String(kind)}, which has no factor`);
  }
  if (name !== undefined && typeof name !== 'string') throw refused('name', name, 'the name of an endpoint');
  if (shape !== undefined && (typeof shape !== 'string' || kind !== 'rejects')) {
    throw refused('shape', shape, 'for rejects, the shape of a call, as chat+tools');
  }
  if (lastsMs !== undefined && !(typeof lastsMs === 'number' && lastsMs > 0)) {
    throw refused('lastsMs', lastsMs, 'a number of milliseconds above 0');
  }
  if (lastsMs !== undefined && LASTING.includes(kind as FaultKind)) {
    throw refused('lastsMs', lastsMs, `nothing for ${LASTING.join(', ')}, which stay until they are cleared`);
  }
  return {
    target: target as FaultTarget,
    kind: kind as FaultKind,
    ...(share === undefined ? {} : { share }),
    ...(factor === undefined ? {} : { factor }),
    ...(name === undefined ? {} : { name }),
    ...(shape === undefined ? {} : { shape }),
    ...(lastsMs === undefined ? {} : { lastsMs }),
  };
}

function refused(field: string, value: unknown, allowed: string): AppError {
  return new AppError('invalid', `${field} of a fault is ${JSON.stringify(value)}; allowed: ${allowed}`);
}
