import assert from 'node:assert/strict';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { openForReading } from '../../src/ledger/open.ts';
import type { SimulationState } from '../../src/simulation/control.ts';
import { endpointBody, send } from '../simulation/support.ts';
import { runUpshift, startDaemon, startSimulationProcess } from '../support/processes.ts';
import { freePort, policyText } from '../support/stage.ts';
import { PATIENT, eventually } from '../support/waiting.ts';

const SCALE = 120;
const MINUTE = 60_000;

interface Booked {
  readonly state: string;
  readonly lastSeenAt: number;
  readonly minutes: number;
  readonly micros: number;
  readonly estimated: number;
}

test('the books agree with the meter though daemon and Hugging Face are killed in turn', PATIENT, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'upshift-money-'));
  const [dbPath, policyPath, statePath] = ['upshift.db', 'policy.yaml', 'sim.json'].map((name) =>
    join(folder, name),
  ) as [string, string, string];
  writeFileSync(policyPath, policyText());
  const wish = { statePath, port: await freePort(), scale: SCALE };
  let sim = await startSimulationProcess(t, wish);
  const base = `${sim.url}/endpoints/v2/endpoint/acme`;
  const once = (...words: Parameters<typeof send>) => send(...words).catch(() => send(...words));
  await send('POST', base, endpointBody('mine'));
  let daemon = await startDaemon(t, { env: sim.env, dbPath, policyPath });

  const booked = (): Booked | undefined => {
    const db = openForReading(dbPath);
    try {
      const sql = `SELECT e.state, e.last_seen_at_ms AS lastSeenAt, total(until_minute - from_minute) AS minutes,
          total((until_minute - from_minute) * s.replicas * s.hourly_price_micros) / 60 AS micros,
          total((until_minute - from_minute) * (source = 'estimate')) AS estimated
        FROM endpoints e JOIN endpoint_spans s ON s.endpoint_id = e.id GROUP BY e.id`;
      return db.prepare<[], Booked>(sql).get();
    } finally {
      db.close();
    }
  };
  const meter = async () => (await once('GET', `${sim.url}/control/state`)).json as SimulationState;
  const bookedWhen = (what: string, isSo: (row: Booked) => boolean) =>
    eventually(what, () => {
      const row = booked();
      return row !== undefined && isSo(row) ? row : null;
    });

  await bookedWhen('five minutes are booked', (row) => row.state === 'running' && row.minutes >= 5);

  await daemon.kill();
  await once('POST', `${base}/mine/pause`);
  await pause((5 * MINUTE) / SCALE);
  await once('POST', `${base}/mine/resume`);
  await pause((4 * MINUTE) / SCALE);
  daemon = await startDaemon(t, { env: sim.env, dbPath, policyPath });
  await bookedWhen('it is settled', (row) => row.state === 'running' && row.minutes >= 12);

  await sim.kill();
  const deadAt = booked()?.lastSeenAt ?? 0;
  await pause((5 * MINUTE) / SCALE);
  sim = await startSimulationProcess(t, wish);
  await bookedWhen('the time that Hugging Face was away is booked', (row) => row.lastSeenAt > deadAt + 4 * MINUTE);

  await once('POST', `${base}/mine/pause`);
  const over = await bookedWhen('the pause is booked', (row) => row.state === 'paused');
  const { spentMicroDollars } = await meter();
  assert.equal(Math.round(over.micros), spentMicroDollars);
  assert.equal(over.estimated, 0);
  const { stdout } = await runUpshift(t, ['cost', '--db', dbPath, '--since', '1d', '--json'], sim.env);
  const told = JSON.parse(stdout) as { dedicated: { micros: number; estimatedMicros: number } };
  assert.deepEqual([told.dedicated.micros, told.dedicated.estimatedMicros], [spentMicroDollars, 0]);
  assert.equal(await daemon.stop(), 0);
});
