import assert from 'node:assert/strict';
import test from 'node:test';
import type { CostReport } from '../../src/core/money/cost.ts';
import { runUpshift, startDaemon } from '../support/processes.ts';
import { approveUpTo, assertAudited, inPhase, newestRollout } from '../support/rollout.ts';
import { MODEL, NO_REFUSALS, openStage } from '../support/stage.ts';
import type { Stage } from '../support/stage.ts';
import { startTraffic } from '../support/traffic.ts';
import { PATIENT, eventually } from '../support/waiting.ts';

/** Three places, each taken for a fifth of a real second: about thirteen calls a second. */
const LIMITS = { ...NO_REFUSALS, replicaCalls: 3 };
const OFFERED = 40;
const LONG_ANSWER = 300;

interface Counted {
  readonly overflow: number;
  readonly dedicated: number;
}

function countedSince(stage: Stage, sinceUs: number): Counted {
  const sql = `SELECT total(is_overflow AND served_by = 'serverless') AS overflow,
      total(served_by = 'dedicated') AS dedicated
    FROM call_log WHERE ended_at_us > ?`;
  return stage.read((db) => db.prepare<[number], Counted>(sql).get(sinceUs) as Counted);
}

for (const whenFull of ['refuse429', 'refuse503'] as const) {
  test(
    `a promoted endpoint under three times what it takes keeps its traffic, and no call is lost (${whenFull})`,
    PATIENT,
    async (t) => {
      const stage = await openStage(t, {
        limits: { ...LIMITS, whenFull },
        policy: { criteria: { calls: 1, agents: 1, refused: 0, require: 'any', sustain: '1s' } },
      });
      const daemon = await startDaemon(t, stage);
      const calm = startTraffic(t, { url: daemon.gateway, model: MODEL });
      await approveUpTo(stage, 3);
      const { id } = await inPhase(stage, 'promoted');
      await calm.stop();

      const promotedAtUs = stage.clock.now() * 1_000;
      const peak = startTraffic(t, { url: daemon.gateway, model: MODEL, rate: OFFERED, maxTokens: LONG_ANSWER });
      await eventually('calls overflow, and the endpoint works on', () => {
        const { overflow, dedicated } = countedSince(stage, promotedAtUs);
        return overflow > 100 && dedicated > 50;
      });
      await peak.stop();
      assert.deepEqual(
        peak.sent.filter(({ status }) => status !== 200),
        [],
      );
      assert.deepEqual([newestRollout(stage)?.id, newestRollout(stage)?.phase], [id, 'promoted']);

      assert.equal(await daemon.stop(), 0, daemon.stderr());
      const { stdout } = await runUpshift(t, ['cost', '--db', stage.dbPath, '--since', '1d', '--json'], stage.env);
      const { overflow, serverless } = JSON.parse(stdout) as CostReport;
      assert.equal(overflow.calls, countedSince(stage, 0).overflow);
      assert.ok(overflow.micros > 0 && overflow.micros <= serverless.micros);
      assertAudited(stage);
    },
  );
}
