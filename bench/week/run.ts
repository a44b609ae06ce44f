import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { createClock } from '../../src/files/clock.ts';
import type { SwarmReport } from '../../src/loadtest/swarm.ts';
import { runSwarm } from '../../src/loadtest/swarm.ts';
import { seededDice } from '../../src/simulation/dice.ts';
import type { Simulation } from '../../src/simulation/server.ts';
import { startSimulation } from '../../src/simulation/server.ts';
import type { Arrival } from '../../src/core/trace.ts';
import { DAY_MS } from './load.ts';

export const ENTRY = new URL('../../src/cli/upshift.js', import.meta.url).pathname;
const POLICY_PATH = new URL('policy.yaml', import.meta.url).pathname;
const MODEL = 'meta-llama/Llama-3.1-8B-Instruct';
const TOKEN = 'hf_simulated';
const AGENTS = 24;
/** A Monday, 0:00 UTC: the week begins there, and so do its days. */
const MONDAY = Date.UTC(2026, 10, 30);
/** Clock time that the daemon has to start in: some seconds of real time. */
const HEAD_START_MS = 3_600_000;

interface WeekOptions {
  readonly scale: number;
  readonly days: number;
  readonly dbPath: string;
  readonly onProgress: (share: number) => void;
}

export interface WeekRun {
  readonly swarm: SwarmReport;
  readonly simulation: Simulation;
  readonly startedAt: number;
}

/**
 * Plays a trace through a daemon, which is a process of its own, against a simulation in this one. Returns once the last
 * day is over and the daemon has closed its books; the simulation still runs, so that its meter can be read.
 */
export async function playWeek(
  trace: readonly Arrival[],
  { scale, days, dbPath, onProgress }: WeekOptions,
): Promise<WeekRun> {
  // `now = start + (real - start) * scale`, solved for the start at which it is a little before Monday now.
  const start = Math.round((Date.now() * scale - (MONDAY - HEAD_START_MS)) / (scale - 1));
  const clock = createClock({ scale, start });
  // Serverless could take it all: this week is about money.
  const simulation = await startSimulation({ clock, limits: { routerCalls: 1_000_000 } });
  const daemon = await startDaemon(simulation, { scale, start, dbPath });
  await clock.sleep(Math.max(0, MONDAY - clock.now()));
  const swarm = await runSwarm({
    baseUrl: daemon.gateway,
    clock,
    trace,
    agents: AGENTS,
    model: MODEL,
    token: TOKEN,
    dice: seededDice(7),
    onProgress: ({ played, total }) => onProgress(played / total),
  });
  await clock.sleep(Math.max(0, MONDAY + days * DAY_MS - clock.now()));
  await daemon.stop();
  return { swarm, simulation, startedAt: MONDAY };
}

async function startDaemon(
  simulation: Simulation,
  { scale, start, dbPath }: { scale: number; start: number; dbPath: string },
): Promise<{ gateway: string; stop: () => Promise<void> }> {
  const env = {
    ...process.env,
    UPSHIFT_ROUTER_URL: simulation.routerUrl,
    UPSHIFT_ENDPOINTS_URL: simulation.endpointsUrl,
    HF_ENDPOINT: simulation.hubUrl,
    HF_TOKEN: TOKEN,
    UPSHIFT_TIME_SCALE: String(scale),
    UPSHIFT_TIME_START: String(start),
  };
  const ports = ['--port', '0', '--admin-port', '0'];
  const child = spawn(process.execPath, [ENTRY, 'start', '--db', dbPath, '--policy', POLICY_PATH, ...ports, '--json'], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  const { gateway } = JSON.parse(line) as { gateway: string };
  const stop = async () => {
    const gone = once(child, 'exit');
    child.kill('SIGTERM');
    await gone;
  };
  return { gateway, stop };
}
