import assert from 'node:assert/strict';
import { decideAgain } from '../../src/core/decide-again.ts';
import { CORE_VERSION } from '../../src/core/decide/decision.ts';
import type { Rollout } from '../../src/core/rollout/rollout.ts';
import { verifyAudit } from '../../src/ledger/journal/audit.ts';
import type { OpenAsk } from '../../src/ledger/journal/requests.ts';
import { insertRequest, openAsks } from '../../src/ledger/journal/requests.ts';
import { listRollouts } from '../../src/ledger/journal/rollouts.ts';
import type { Stage } from './stage.ts';
import type { Sent } from './traffic.ts';
import { eventually } from './waiting.ts';

/** The stage's newest rollout as the ledger has it; null before the first. */
export function newestRollout(stage: Stage): Rollout | null {
  const row = stage.read(listRollouts).at(-1);
  return row === undefined ? null : (JSON.parse(row.snapshot) as Rollout);
}

type In<R, P> = R extends { readonly phase: infer Q } ? (P extends Q ? R : never) : never;

/** Waits until the newest rollout is in a phase, and at a step where one is named. */
export function inPhase<P extends Rollout['phase']>(stage: Stage, phase: P, step?: number): Promise<In<Rollout, P>> {
  const look = () => {
    const rollout = newestRollout(stage);
    const isThere = rollout?.phase === phase && (step === undefined || ('step' in rollout && rollout.step === step));
    return isThere ? (rollout as In<Rollout, P>) : null;
  };
  const where = step === undefined ? '' : ` at step ${step}`;
  return eventually(`a rollout is ${phase}${where}`, look, {
    tell: () => `it is ${newestRollout(stage)?.phase ?? 'none'}, ${decided(stage)}`,
  });
}

/** What the daemon last decided, by its own account. Reading that takes long. */
function decided(stage: Stage): string {
  return JSON.stringify(stage.report()?.routes[0]?.decision);
}

/** Waits for the open question about a step. */
export function askedFor(stage: Stage, step: number): Promise<OpenAsk> {
  const look = () => stage.read(openAsks).find((open) => open.step === step);
  return eventually(`there is an ask for step ${step}`, look, { tell: () => decided(stage) });
}

/** Puts an approval of an ask into the ledger, as the command line does. */
export function approve(stage: Stage, ask: OpenAsk): number {
  return insert(stage, 'approve', ask.rolloutId, ask);
}

/** Puts a wish to abort into the ledger, as the command line does. */
export function abort(stage: Stage, rolloutId: string): number {
  return insert(stage, 'abort', rolloutId, null);
}

function insert(stage: Stage, kind: 'approve' | 'abort', rolloutId: string, ask: OpenAsk | null): number {
  const [askId, step] = [ask?.id ?? null, ask?.step ?? null];
  const who = { reason: null, byUser: 'ann', byHost: 'desk', at: stage.clock.now() };
  return stage.read((db) => insertRequest(db, { kind, rolloutId, askId, step, ...who }));
}

/** Waits for the asks up to a step, one after the other, and approves each. */
export async function approveUpTo(stage: Stage, step: number, from = 0): Promise<void> {
  for (let next = from; next <= step; next++) approve(stage, await askedFor(stage, next));
}

/** Says yes to every step that is asked about, and again where that came too early or too late, until a phase is reached. */
export async function approvedTo<P extends Rollout['phase']>(stage: Stage, phase: P): ReturnType<typeof inPhase<P>> {
  const answeredAt = new Map<number, number>();
  const look = () => {
    for (const ask of stage.read(openAsks)) {
      if (ask.about !== 'step' || Date.now() - (answeredAt.get(ask.id) ?? 0) < 1_000) continue;
      answeredAt.set(ask.id, Date.now());
      approve(stage, ask);
    }
    return newestRollout(stage)?.phase === phase;
  };
  await eventually(`it is ${phase}`, look, { tell: () => decided(stage) });
  return inPhase(stage, phase);
}

/** Fails unless every answer that ended at its client is a row of the ledger, and one only. */
export function assertAllRecorded(stage: Pick<Stage, 'read'>, sent: readonly Sent[]): void {
  const sql = 'SELECT a.name AS name, count(*) AS rows FROM calls c JOIN agents a ON a.id = c.agent_id GROUP BY a.name';
  const rows = stage.read((db) => db.prepare<[], { name: string; rows: number }>(sql).all());
  const found = new Map(rows.map(({ name, rows: count }) => [name, count]));
  const ended = sent.filter(({ failure }) => failure === undefined);
  const missing = ended.filter(({ agent }) => !found.has(agent)).map(({ agent }) => agent);
  assert.deepEqual(missing, [], `${missing.length} of ${ended.length} answers are not in the ledger`);
  assert.deepEqual(
    [...found].filter(([, count]) => count > 1).map(([name]) => name),
    [],
  );
}

/** Fails unless the ledger's decisions are whole and come out the same when they are decided again. */
export function assertAudited(stage: Stage): void {
  const { problems, decisions } = stage.read((db) => verifyAudit(db, decideAgain, CORE_VERSION));
  assert.deepEqual(problems, []);
  assert.ok(decisions > 0);
}
