import type { ComparePath, CompareRequest } from '../core/compare/built-in.ts';
import { AppError } from '../core/errors.ts';
import { errorText, jsonOrText } from '../core/wire/error-text.ts';
import { Lane } from './lane.ts';
import { refusedKey, unreachable } from './models.ts';
import { send } from './send.ts';
import type { Sending } from './send.ts';
import type { Side } from './side.ts';

/** One small call for each path. */
const TRIALS: Readonly<Record<ComparePath, object>> = {
  '/chat/completions': { messages: [{ role: 'user', content: 'Say hello.' }], max_tokens: 4 },
  '/completions': { prompt: 'One, two,', max_tokens: 4 },
  '/embeddings': { input: 'hello' },
};

/** Statuses that say that a side has no such route, or that its model does not do this. */
const NO_ROUTE: readonly number[] = [400, 404, 405, 415, 422, 501];
const MOST_SAID = 200;

/**
 * Which paths both sides answer, tried by one small call each, and what to say of those that only one does. Throws AppError if
 * a side cannot be called at all: `unauthorized`, `unavailable`, or `not_found` if it answers no path.
 */
export async function sharedPaths(
  sides: readonly [Side, Side],
  paths: readonly ComparePath[],
  { timeoutMs, stop }: Omit<Sending, 'lane'>,
): Promise<{ readonly paths: readonly ComparePath[]; readonly notes: readonly string[] }> {
  const shared: ComparePath[] = [];
  const notes: string[] = [];
  const refusals: string[] = [];
  for (const path of paths) {
    const refused = await Promise.all(sides.map((side) => trial(side, path, { lane: new Lane(1), timeoutMs, stop })));
    const said = refused.filter((text) => text !== null);
    if (said.length === 0) shared.push(path);
    else if (said.length === 1) notes.push(`left out: ${said[0]}`);
    refusals.push(...said);
  }
  if (shared.length > 0) return { paths: shared, notes };
  throw new AppError('not_found', refusals.join('; ') || 'there is nothing to compare', {
    hint: 'check the names of the models (--model, --model-b) and the base URLs',
  });
}

/** Why a side does not answer a path; null if it does. */
async function trial(side: Side, path: ComparePath, sending: Sending): Promise<string | null> {
  const got = await send(side, path, { ...TRIALS[path], model: side.model }, sending);
  if (got.kind === 'answered') return null;
  if (sending.stop.aborted) throw new AppError('unavailable', 'stopped before anything was compared');
  if (got.kind === 'left') {
    throw new AppError('unavailable', `${side.name} limits its rate and took no call`, { hint: 'try again later' });
  }
  const { status, text } = got;
  if (status === 401 || status === 403) throw refusedKey(side, status);
  if (status === 0) throw unreachable(side, text);
  const said = (errorText(jsonOrText(text)) ?? '').slice(0, MOST_SAID).replaceAll(/\s+/g, ' ').trim();
  const refusal = `${side.name} answers ${status} to ${side.model} at ${path}${said === '' ? '' : `: ${said}`}`;
  if (NO_ROUTE.includes(status)) return refusal;
  throw new AppError('unavailable', refusal, { hint: 'a side that does not answer cannot be compared' });
}

/** The requests that go to one of the paths. */
export function requestsFor(requests: readonly CompareRequest[], paths: readonly ComparePath[]): CompareRequest[] {
  return requests.filter(({ path }) => paths.includes(path));
}
