import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { Clock } from '../../src/core/clock.ts';
import type { StatusReport } from '../../src/core/status.ts';
import { createClock } from '../../src/files/clock.ts';
import type { LedgerDb } from '../../src/ledger/database.ts';
import { openForReading } from '../../src/ledger/open.ts';
import { readStatus } from '../../src/ledger/journal/status.ts';
import { METRICS } from '../../src/core/policy/judge.ts';
import { atEnd } from './ending.ts';
import type { Simulation, SimulationOptions } from '../../src/simulation/server.ts';
import { startSimulation } from '../../src/simulation/server.ts';

export const MODEL = 'meta-llama/Llama-3.1-8B-Instruct';
export const OTHER_MODEL = 'google/gemma-2-2b-it';

const ENDPOINT = {
  namespace: 'acme',
  vendor: 'aws',
  region: 'us-east-1',
  instanceType: 'nvidia-l4',
  instanceSize: 'x1',
  maxPricePerHour: 9,
};

/** A judge that a few calls satisfy: of latencies, which a busy machine moves on a scaled clock, it only tells. */
export const LOOSE_JUDGE = {
  ...Object.fromEntries(METRICS.map((metric) => [metric, { judge: 'advise' }])),
  faults: { margin: 0.9, rollbackMargin: 0.9, judge: 'act' },
};

/** What a policy says beyond what every test's policy says; merged block by block. */
export interface PolicyWish {
  readonly defaults?: object;
  readonly criteria?: object;
  readonly limits?: object;
  readonly steps?: readonly string[];
  /** The routes; one for MODEL with an endpoint unless said. */
  readonly routes?: readonly object[];
  /** Of that one route. */
  readonly endpoint?: object;
}

/** A rollout that any call is enough for, and that goes on by itself. */
export const AT_ONCE = {
  criteria: { calls: 1, agents: 1, refused: 0, require: 'any', sustain: '1s' },
  defaults: { approval: 'automatic' },
} satisfies PolicyWish;

/** Limits of a simulation whose router refuses no call. */
export const NO_REFUSALS = { routerCalls: 1_000_000 };

/**
 * A policy under which a few calls a second and few seconds of scaled time are enough. Latencies are hardly compared:
 * on a scaled clock a busy machine's hiccup counts for seconds.
 */
export function policyText(wish: PolicyWish = {}): string {
  const defaults = {
    criteria: { window: '1m', calls: 15, agents: 10, refused: '5%', sustain: '15s', cooldown: '6h', ...wish.criteria },
    // A busy machine must not be what ends a step: hours are minutes here.
    limits: { bake: '15s', minCalls: 10, provisionWithin: '12h', stepWithin: '12h', ...wish.limits },
    shadow: { share: 0 },
    holdBack: { share: '10%', time: '15s' },
    // What is refused is refused at once, so that demand does not wait.
    care: { maxWait: '0s' },
    judge: LOOSE_JUDGE,
    steps: wish.steps ?? ['50%', '100%'],
    ...wish.defaults,
  };
  const routes = wish.routes ?? [{ model: MODEL, endpoint: { ...ENDPOINT, ...wish.endpoint } }];
  // YAML reads JSON.
  return JSON.stringify({ defaults, routes }, null, 2);
}

/** A route of a policy, with the simulation's usual endpoint. */
export function routeWith(model: string, more: object = {}): object {
  return { model, endpoint: ENDPOINT, ...more };
}

/** What a daemon needs around it, in a folder of its own. */
export interface Stage {
  readonly folder: string;
  readonly dbPath: string;
  readonly policyPath: string;
  readonly clock: Clock;
  readonly scale: number;
  readonly simulation: Simulation;
  /** What a process of upshift is to find in its environment. */
  readonly env: NodeJS.ProcessEnv;
  writePolicy(text: string): void;
  /** Reads the ledger, always over the same connection. */
  read<T>(look: (db: LedgerDb) => T): T;
  /** What the daemon last told of itself. */
  report(): StatusReport | null;
}

export interface StageOptions {
  /** 60 unless said: a minute in a second. */
  readonly scale?: number;
  readonly limits?: SimulationOptions['limits'];
  /** Other models, and quotas for many endpoints. */
  readonly hub?: Pick<SimulationOptions, 'models' | 'quotas'>;
  readonly policy?: PolicyWish;
}

/** Sets up a folder, a policy and a simulation that refuses about half of 30 calls a second. All gone after the test. */
export async function openStage(t: TestContext, options: StageOptions = {}): Promise<Stage> {
  const folder = openFolder(t);
  const scale = options.scale ?? 60;
  const start = Date.now();
  const clock = createClock({ scale, start });
  const limits = {
    routerCalls: 15,
    routerWindowMs: 60_000,
    pendingMs: 5_000,
    initializingMs: 5_000,
    healthLagMs: 2_000,
  };
  const simulation = await startSimulation({ clock, ...options.hub, limits: { ...limits, ...options.limits } });
  atEnd(t, () => simulation.close());
  const dbPath = join(folder, 'upshift.db');
  const policyPath = join(folder, 'policy.yaml');
  const writePolicy = (text: string) => writeFileSync(policyPath, text);
  writePolicy(policyText(options.policy));
  const read = readerOf(t, dbPath);
  return {
    folder,
    dbPath,
    policyPath,
    clock,
    scale,
    simulation,
    env: {
      ...process.env,
      HF_TOKEN: 'hf_test',
      UPSHIFT_ROUTER_URL: simulation.routerUrl,
      UPSHIFT_ENDPOINTS_URL: simulation.endpointsUrl,
      HF_ENDPOINT: simulation.hubUrl,
      UPSHIFT_TIME_SCALE: String(scale),
      UPSHIFT_TIME_START: String(start),
    },
    writePolicy,
    read,
    report: () => read((db) => readStatus(db)?.report ?? null),
  };
}

/**
 * Reads a ledger, over one connection until the test ends: opening it and reading its schema anew costs much more than
 * most reads.
 */
export function readerOf(t: TestContext, dbPath: string): Stage['read'] {
  let db: LedgerDb | null = null;
  atEnd(t, () => db?.close());
  return (look) => look((db ??= openForReading(dbPath)));
}

/** A folder that is gone after the test. */
export function openFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'upshift-test-'));
  atEnd(t, () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/**
 * A port that is free and stays so: below those that the system gives to outgoing connections, so that no client calling
 * a daemon that is down takes its place.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(12_000, 32_000);
    const server = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false)).listen(port, '127.0.0.1', () => resolve(true));
    });
    if (!isFree) continue;
    server.close();
    await once(server, 'close');
    return port;
  }
}
