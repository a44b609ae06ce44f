import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { decideAgain } from '../../src/core/decide-again.ts';
import { CORE_VERSION } from '../../src/core/decide/decision.ts';
import type { Rollout } from '../../src/core/rollout/rollout.ts';
import { verifyAudit } from '../../src/ledger/journal/audit.ts';
import type { OpenAsk } from '../../src/ledger/journal/asks.ts';
import { openAsks } from '../../src/ledger/journal/asks.ts';
import { listRollouts } from '../../src/ledger/journal/rollouts.ts';
import { runUpshift } from './processes.ts';
import type { Stage } from './stage.ts';
import type { Sent } from './traffic.ts';
import { eventually } from './waiting.ts';
import { say } from './words.ts';

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

/** Approves an ask, as the command line does. Returns the name of the word. */
export function approve({ dbPath }: Stage, { id, rolloutId, step }: OpenAsk): string {
  return say(dbPath, { kind: 'approve', rolloutId, askId: id, step });
}

/** Says that a rollout is to end, as the command line does. Returns the name of the word. */
export function abort({ dbPath }: Stage, rolloutId: string): string {
  return say(dbPath, { kind: 'abort', rolloutId });
}

/**
 * Why an approval may be refused that answers an open question: the evidence has changed since, or the question was
 * taken back because of that, and is put again.
 */
const EVIDENCE = /^approve (?:verdict_changed|capacity|saturated|serverless_cannot|nothing_asked|stale_request)$/;

interface Answered {
  readonly id: number;
  readonly word: string;
  readonly kind: string;
  readonly result: 'done' | 'refused';
  readonly reason: string | null;
}

/** What the daemon has answered, in the order in which it was asked: an answer that was given twice stands here twice. */
export function answers(stage: Stage): Answered[] {
  const sql = `SELECT q.id, q.word, q.kind, o.result, d.reason FROM requests q JOIN request_outcomes o ON o.request_id = q.id
    LEFT JOIN decisions d ON d.id = o.decision_id ORDER BY q.id`;
  return stage.read((db) => db.prepare<[], Answered>(sql).all());
}

/** Whether an approval was carried out, once the daemon has answered it. Fails if it was refused for another reason than the evidence. */
export async function isCarriedOut(stage: Stage, name: string): Promise<boolean> {
  const answer = await eventually('the approval is answered', () => answers(stage).find(({ word }) => word === name));
  if (answer.result === 'refused') assert.match(`${answer.kind} ${answer.reason}`, EVIDENCE);
  return answer.result === 'done';
}

/** Fails unless each request was answered once, and so many carried out; of the others only approvals may be refused, for the evidence. */
export function assertAnsweredOnce(stage: Stage, carriedOut: number): void {
  const given = answers(stage);
  const asked = stage.read((db) => db.prepare('SELECT id FROM requests ORDER BY id').pluck().all());
  assert.deepEqual(
    given.map(({ id }) => id),
    asked,
  );
  const refused = given.filter(({ result }) => result !== 'done');
  assert.equal(given.length - refused.length, carriedOut, JSON.stringify(given));
  for (const { kind, reason } of refused) assert.match(`${kind} ${reason}`, EVIDENCE);
}

/** Waits for the asks up to a step, one after the other, and approves each, again if the evidence has changed meanwhile. */
export async function approveUpTo(stage: Stage, step: number, from = 0): Promise<void> {
  for (let next = from; next <= step; next++) {
    while (!(await isCarriedOut(stage, approve(stage, await askedFor(stage, next)))));
  }
}

/**
 * Approves a step on the command line, as often as it takes: the question is taken back and put again as the evidence
 * changes, and in between there is nothing to approve.
 */
export function approvedByCommand(t: TestContext, { dbPath, env }: Stage, step: number): Promise<unknown> {
  return eventually(`step ${step} is approved`, async () => {
    const { code, stderr } = await runUpshift(t, ['approve', '--step', `${step}`, '--db', dbPath], env);
    assert.equal(code, 0, stderr);
    return true;
  });
}

/** Says yes to every step that is asked about until a phase is reached. */
export async function approvedTo<P extends Rollout['phase']>(stage: Stage, phase: P): ReturnType<typeof inPhase<P>> {
  const look = () => {
    if (newestRollout(stage)?.phase === phase) return 'there';
    return stage.read(openAsks).find(({ about }) => about === 'step');
  };
  for (;;) {
    const ask = await eventually(`it asks, or is ${phase}`, look, { tell: () => decided(stage) });
    if (ask === 'there') return inPhase(stage, phase);
    await isCarriedOut(stage, approve(stage, ask));
  }
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
