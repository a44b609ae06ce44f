import type { Clock } from '../core/clock.ts';
import type { Dice } from '../core/dice.ts';
import { AppError } from '../core/errors.ts';
import { isObject } from './exchange.ts';

/** Faults of an endpoint that answers 200 with something that is no answer. */
export const BROKEN_ANSWERS = ['empty', 'garbage', 'html', 'error200'] as const;

export type BrokenAnswer = (typeof BROKEN_ANSWERS)[number];

const FAULT_KINDS = {
  /**
   * What an endpoint's own server does, whatever state the management API shows. `dies` and `refuses` both close the
   * listener and cut calls that wait for an answer. `dies` also breaks the answers that have begun; `refuses` lets them
   * end. `hangs` answers nothing, not even the health route. `stalls` leaves calls unfinished: one half before the
   * first byte, the other half after half of the answer. `short` changes how many tokens an answer has. `narrow`
   * shrinks the context that the engine takes, but not the one that it states. `rejects` answers 400, if `shape` is
   * given only calls of that shape. The last five answer 200: `truncated` with the first half of an answer, `empty` with
   * nothing (in a stream, `[DONE]` alone), `garbage` with bytes that are neither JSON nor events, `html` with a page,
   * `error200` with an error in JSON.
   */
  endpoint: [
    'dies',
    'refuses',
    'fails',
    'unhealthy',
    'unavailable',
    'hangs',
    'stalls',
    'cuts',
    'errors',
    'ratelimits',
    'slow',
    'short',
    'narrow',
    'rejects',
    'truncated',
    ...BROKEN_ANSWERS,
  ],
  router: ['errors', 'slow', 'hangs', 'ratelimits', 'unavailable', 'credits', 'cuts'],
  /** `quota` and `capacity` hit one instance if they have its name: `nvidia-l4/x1`. */
  management: ['down', 'errors', 'slow', 'quota', 'capacity', 'payment'],
} as const;

type FaultTarget = keyof typeof FAULT_KINDS;
type FaultKind = (typeof FAULT_KINDS)[FaultTarget][number];

/** A fault to switch on. */
export interface Fault {
  readonly target: FaultTarget;
  readonly kind: FaultKind;
  /** Share of the calls that the fault hits, 0..1; 1 by default. */
  readonly share: number;
  /** Factor on the times of a hit call (`slow`, 3 by default), on its output tokens (`short`, 0.7), or on the context (`narrow`, 0.01). */
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
  /** Factor on a call's times (`slow`), its tokens (`short`) or the context that it gets (`narrow`); 1 if the fault does not hit the call. */
  factor(target: FaultTarget, kind: 'slow' | 'short' | 'narrow', name?: string): number;
}

const DEFAULT_FACTORS: Readonly<Partial<Record<FaultKind, number>>> = { short: 0.7, narrow: 0.01 };

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
    set({ target, kind, share = 1, factor = DEFAULT_FACTORS[kind] ?? 3, name, shape, lastsMs }) {
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
