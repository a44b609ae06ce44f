import assert from 'node:assert/strict';
import test from 'node:test';
import type { TestContext } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import type { Bypass } from '../../src/core/wire/bypass.ts';
import { REPORT_PATH } from '../../src/core/wire/bypass.ts';
import type { LedgerDb } from '../../src/ledger/database.ts';
import { openAsks } from '../../src/ledger/journal/asks.ts';
import { listRollouts } from '../../src/ledger/journal/rollouts.ts';
import { openForReading } from '../../src/ledger/open.ts';
import { dice } from '../support/dice.ts';
import { holdLock, runUpshift, startDaemon } from '../support/processes.ts';
import { freePort, MODEL, NO_REFUSALS, openStage } from '../support/stage.ts';
import type { Stage } from '../support/stage.ts';
import { startTraffic } from '../support/traffic.ts';
import { say } from '../support/words.ts';

/** How often the daemon is killed. The long form: UPSHIFT_TEST_KILLS=50, and UPSHIFT_TEST_SEED for other moments. */
const KILLS = Number(process.env['UPSHIFT_TEST_KILLS'] ?? 3);
const SEED = Number(process.env['UPSHIFT_TEST_SEED'] ?? 1);

/** A day of the clock in 72 seconds, so that days of calls are closed meanwhile. */
const SCALE = 1_200;
const DAY_US = 86_400_000_000;
/** Real ms: the longest that a daemon lives. */
const LONGEST_LIFE_MS = 6_000;

/** Rollouts that begin at once and ask about every step. */
const POLICY = {
  criteria: { window: '30m', calls: 1, agents: 1, refused: 0, require: 'any', sustain: '1m', cooldown: '30m' },
  limits: { bake: '10m', minCalls: 5, provisionWithin: '10d', stepWithin: '10d', proposalOpen: '1d' },
  steps: ['20%', '50%', '100%'],
  defaults: { shadow: { share: 0.3, time: '10m', calls: 100_000 }, holdBack: { share: '10%', time: '10m' } },
};

/** Reads over a connection of its own, so that what a killed daemon leaves is recovered by the next one. */
function read<T>(dbPath: string, look: (db: LedgerDb) => T): T {
  const db = openForReading(dbPath);
  try {
    return look(db);
  } finally {
    db.close();
  }
}

/** People who answer questions, and now and then pause, resume or abort, until told to stop. */
async function answer({ dbPath }: Stage, roll: () => number, signal: AbortSignal): Promise<void> {
  for (; !signal.aborted; await pause(150)) {
    try {
      for (const { id, rolloutId, step } of read(dbPath, openAsks)) {
        const luck = roll();
        if (luck < 0.6) say(dbPath, { kind: 'approve', rolloutId, askId: id, step });
        else if (luck < 0.65) say(dbPath, { kind: 'reject', rolloutId, askId: id, step, reason: 'not now' });
      }
      const newest = read(dbPath, listRollouts).at(-1);
      const luck = roll();
      const kind = luck < 0.006 ? 'abort' : luck < 0.03 ? 'pause' : luck < 0.3 ? 'resume' : null;
      if (newest !== undefined && kind !== null) say(dbPath, { kind, rolloutId: newest.id });
    } catch {
      // Nothing can be read before the first start, and a question may be gone by the time it is answered.
    }
  }
}

/** A caller that reports calls past the gateway late, some of them a day later. */
async function reportLate(url: string, { clock }: Stage, roll: () => number, signal: AbortSignal): Promise<void> {
  for (let n = 0; !signal.aborted; await pause(200)) {
    const outcomes = Array.from({ length: 5 }, (): Bypass => {
      const arrivedAtUs = Math.round(clock.now() * 1_000 - roll() * DAY_US) - 1_000_000;
      const spans = { startedAfterUs: 100, durationUs: 500_000, firstByteUs: 400_000 };
      const what = { model: MODEL, shape: 'chat', agent: `late-${n++}`, status: 200, end: 'complete' } as const;
      return { arrivedAtUs, ...spans, ...what, hasNoToken: false };
    });
    const body = JSON.stringify({ dropped: 0, outcomes });
    const headers = { 'content-type': 'application/json' };
    await fetch(`${url}${REPORT_PATH}`, { method: 'POST', headers, body }).catch(() => undefined);
  }
}

/** What the audit finds. */
async function findings(t: TestContext, { dbPath, env }: Stage): Promise<readonly unknown[]> {
  const { code, stdout, stderr } = await runUpshift(t, ['audit', '--verify', '--json', '--db', dbPath], env);
  assert.ok(stdout !== '', stderr);
  const { problems } = JSON.parse(stdout) as { problems: readonly unknown[] };
  assert.equal(code, problems.length === 0 ? 0 : 1);
  return problems;
}

/** What a ledger holds after all. */
function figuresOf(db: LedgerDb) {
  const count = (what: string) => db.prepare<[], number>(`SELECT count(*) FROM ${what}`).pluck().get() ?? 0;
  return {
    decisions: count('decisions'),
    rollouts: count('rollouts'),
    questions: count('asks'),
    answers: count('request_outcomes'),
    seals: count('seals'),
    calls: count('calls'),
    bypassed: count('calls WHERE flags & 256'),
    copies: count('shadows'),
    closedDays: count('call_closings WHERE closed_at_ms IS NOT NULL'),
  };
}

const wish = { timeout: 120_000 + KILLS * 60_000 };

test(`a daemon that is killed ${KILLS} times at any moment leaves nothing that the audit finds`, wish, async (t) => {
  const stage = await openStage(t, { scale: SCALE, limits: NO_REFUSALS, policy: POLICY });
  const roll = dice(SEED);
  const ports = { port: await freePort(), adminPort: await freePort() };
  const url = `http://127.0.0.1:${ports.port}`;
  const over = new AbortController();
  const traffic = startTraffic(t, { url, model: MODEL, rate: 40 });
  const others = [answer(stage, dice(SEED + 1), over.signal), reportLate(url, stage, dice(SEED + 2), over.signal)];
  const found: unknown[] = [];
  const phases = new Map<string, number>();
  for (let kill = 0; kill < KILLS; kill++) {
    const daemon = await startDaemon(t, { ...stage, ...ports });
    const beside = kill === 0 ? Promise.resolve([]) : findings(t, stage);
    if (roll() < 0.3) {
      const lock = await holdLock(t, stage.dbPath);
      await pause(roll() * 800);
      // Some die while rows wait for the lock.
      void (roll() < 0.5 ? lock.release() : pause(LONGEST_LIFE_MS).then(() => lock.release()));
    }
    await pause(roll() * LONGEST_LIFE_MS);
    await daemon.kill();
    const phase = read(stage.dbPath, listRollouts).at(-1)?.phase ?? 'none';
    phases.set(phase, (phases.get(phase) ?? 0) + 1);
    for (const problem of [...(await beside), ...(await findings(t, stage))]) found.push({ kill, problem });
  }
  over.abort();
  await Promise.all([...others, traffic.stop()]);
  t.diagnostic(JSON.stringify({ seed: SEED, kills: KILLS, phases: Object.fromEntries(phases) }));
  const figures = read(stage.dbPath, figuresOf);
  t.diagnostic(JSON.stringify(figures));
  assert.deepEqual(found, []);
  assert.ok(figures.decisions > 0 && figures.seals > figures.decisions && figures.calls > 0, JSON.stringify(figures));
});
