import { randomBytes } from 'node:crypto';
import { REQUEST_KINDS } from '../../core/decide/observation.ts';
import type { OperatorRequest } from '../../core/decide/observation.ts';
import { AppError } from '../../core/errors.ts';

/** `freeze` and `thaw` are about all routes: the ledger answers them, and no decision does. */
type WordKind = OperatorRequest['kind'] | 'freeze' | 'thaw';

/** What somebody wants of the daemon, as a file says it. Who says it and when is not in it: the file system knows. */
export interface Word extends Pick<OperatorRequest, 'rolloutId' | 'askId' | 'step' | 'reason'> {
  readonly kind: WordKind;
  /** The route that it is about, if it is about no rollout; null: about all routes, or about a rollout. */
  readonly model: string | null;
  /** Digest of the question as its answerer saw it; null if the word answers none. */
  readonly askDigest: string | null;
}

/**
 * The wish for a copy of the ledger to read. `place`: what only its writer knows of the copy's name, so that nobody else finds
 * it. It is no request: it changes nothing.
 */
export interface CopyWord {
  readonly kind: 'copy';
  readonly place: string;
}

/** The most bytes that a word may have. */
export const LARGEST_WORD = 16_384;
/** The most letters that a reason may have. */
export const LONGEST_REASON = 500;

const ANSWERS: readonly string[] = ['approve', 'reject'];
const OF_ALL: readonly string[] = ['freeze', 'thaw'];
const KINDS: readonly string[] = [...REQUEST_KINDS, ...OF_ALL];
/** What can be asked of a route. */
const OF_ROUTE: readonly string[] = ['resume', 'propose'];
const KEYS = 'ask,askDigest,kind,model,name,reason,rollout,step';
const COPY_KEYS = 'kind,name,place';
const LONGEST_ID = 64;
const LONGEST_MODEL = 500;
const DIGEST = /^[0-9a-f]{64}$/;
const PLACE = /^[0-9a-f]{32}$/;
const NAME = /^\d{16}-[0-9a-f]{16}$/;

/** The word that the name of an empty file says, where there was no room for more: `abort.k3v9q2ab.` and a random end. */
const BARE = /^(abort|pause)\.([a-z0-9]{1,64})\.[0-9a-f]{16}$/;

/** The end of a file's name while it is written, and when it is whole. */
export const ENDS = { part: '.part', word: '.word' } as const;

/** A new name, without its end. Names of later words sort behind those of earlier ones. `now`: epoch µs. */
export function newName(now: number): string {
  return `${String(Math.floor(now)).padStart(16, '0')}-${randomBytes(8).toString('hex')}`;
}

/** A new place for a copy. */
export function newPlace(): string {
  return randomBytes(16).toString('hex');
}

/** A new name that says the whole word; null if the word is too long for a name. */
export function newBareName({ kind, rolloutId }: Word): string | null {
  const name = `${kind}.${rolloutId ?? ''}.${randomBytes(8).toString('hex')}`;
  return BARE.test(name) ? name : null;
}

/** The word that a name says; null if its file does. */
export function bareWord(name: string): Word | null {
  const [, kind, rolloutId] = BARE.exec(name) ?? [];
  if (kind === undefined || rolloutId === undefined) return null;
  return { kind: kind as 'abort' | 'pause', rolloutId, ...NOTHING_ELSE };
}

const NOTHING_ELSE = { model: null, askId: null, askDigest: null, step: null, reason: null } as const;

/** Where the word with a name is. */
export function fileOf(name: string): string {
  return BARE.test(name) ? name : name + ENDS.word;
}

/** The name of the word in a file; null if the file's name is not that of a word. */
export function nameOf(file: string): string | null {
  if (BARE.test(file)) return file;
  const name = file.slice(0, -ENDS.word.length);
  return file.endsWith(ENDS.word) && NAME.test(name) ? name : null;
}

/** A word as it stands in its file. It holds its own name, so that a copy under another name is none. */
export function wordText(name: string, word: Word | CopyWord): string {
  if (word.kind === 'copy') return `${JSON.stringify({ name, ...word })}\n`;
  const { kind, rolloutId, model, askId, askDigest, step, reason } = word;
  return `${JSON.stringify({ name, kind, rollout: rolloutId, model, ask: askId, askDigest, step, reason })}\n`;
}

/** Reads a word. Throws AppError `invalid`, which says what it is not. */
export function readWord(name: string, text: string): Word | CopyWord {
  const value = parse(text);
  return kindOf(value) === 'copy' ? readCopyWord(name, value) : readRequest(name, value);
}

function readCopyWord(name: string, value: unknown): CopyWord {
  const { name: own, place } = members(value, COPY_KEYS);
  check('name', own === name);
  check('place', typeof place === 'string' && PLACE.test(place));
  return { kind: 'copy', place } as CopyWord;
}

function readRequest(name: string, value: unknown): Word {
  const { name: own, kind, rollout, model, ask, askDigest, step, reason } = members(value, KEYS);
  // What answers no question is refused by a decision, which says why.
  const answers = typeof kind === 'string' && ANSWERS.includes(kind) && ask !== null;
  check('kind', typeof kind === 'string' && KINDS.includes(kind));
  check('name', own === name);
  check('rollout', isSubject(kind, rollout, model));
  check('ask', answers ? isCount(ask) : ask === null);
  check('askDigest', answers ? typeof askDigest === 'string' && DIGEST.test(askDigest) : askDigest === null);
  check('step', step === null || isCount(step));
  check('reason', reason === null || isText(reason, LONGEST_REASON));
  return { kind, rolloutId: rollout, model, askId: ask, askDigest, step, reason } as Word;
}

/** Whether it is about what its kind can be about: all routes, one route, or one rollout. */
function isSubject(kind: unknown, rollout: unknown, model: unknown): boolean {
  if (OF_ALL.includes(String(kind))) return rollout === null && model === null;
  const isOfRoute = (rollout === null && OF_ROUTE.includes(String(kind))) || kind === 'propose';
  return isOfRoute ? rollout === null && isName(model, LONGEST_MODEL) : model === null && isName(rollout, LONGEST_ID);
}

function isName(value: unknown, longest: number): boolean {
  return isText(value, longest) && value !== '';
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new AppError('invalid', 'it is not JSON', { cause });
  }
}

function kindOf(value: unknown): unknown {
  return typeof value === 'object' && value !== null && 'kind' in value ? value.kind : null;
}

function members(value: unknown, keys: string): Readonly<Record<string, unknown>> {
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  if (isObject && Object.keys(value).toSorted().join(',') === keys) return value as Record<string, unknown>;
  throw new AppError('invalid', `it is no object of ${keys}`);
}

function check(member: string, isFine: boolean): void {
  if (!isFine) throw new AppError('invalid', `its ${member} is wrong`);
}

function isText(value: unknown, longest: number): value is string {
  return typeof value === 'string' && value.length <= longest && value.isWellFormed();
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
