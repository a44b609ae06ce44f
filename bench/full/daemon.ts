import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Clock } from '../../src/core/clock.ts';
import { METRICS } from '../../src/core/policy/judge.ts';
import type { Simulation } from '../../src/simulation/server.ts';

export const MODEL = 'meta-llama/Llama-3.1-8B-Instruct';
export const TOKEN = 'hf_simulated';
const ENTRY = new URL('../../src/cli/upshift.js', import.meta.url).pathname;
/** An approval is refused as long as there is no question; it is given again. */
const GIVEN_UP_AFTER = 240;

/** A policy under which a few calls are evidence enough: this is about who takes a call, not about how fast it is. */
const POLICY = {
  defaults: {
    criteria: { window: '1m', calls: 1, agents: 1, refused: 0, require: 'any', sustain: '1s' },
    limits: { bake: '15s', minCalls: 10, provisionWithin: '12h', stepWithin: '48h' },
    shadow: { share: 0 },
    holdBack: { share: '10%', time: '15s' },
    judge: {
      ...Object.fromEntries(METRICS.map((metric) => [metric, { judge: 'advise' }])),
      faults: { margin: 0.9, rollbackMargin: 0.9, judge: 'act' },
      // What is judged also tells when the endpoint is full.
      firstToken: { margin: 9, rollbackMargin: 9, judge: 'act' },
    },
    scaling: { adjust: 'off' },
    steps: ['50%', '100%'],
  },
  routes: [
    {
      model: MODEL,
      endpoint: {
        namespace: 'acme',
        vendor: 'aws',
        region: 'us-east-1',
        instanceType: 'nvidia-l4',
        instanceSize: 'x1',
        maxPricePerHour: 9,
      },
    },
  ],
};

/** A daemon in a process of its own. */
export interface Daemon extends AsyncDisposable {
  readonly gateway: string;
  readonly dbPath: string;
  /** Says yes to whatever is asked until `isDone`. */
  approveUntil(isDone: () => boolean): Promise<void>;
  /** What a command prints as JSON. */
  ask(...words: string[]): Promise<string>;
  stop(): Promise<void>;
}

/** Starts a daemon before a simulation, with its ledger and its policy in `folder`. */
export async function startDaemon(
  simulation: Simulation,
  folder: string,
  clock: Clock,
  start: number,
): Promise<Daemon> {
  const [dbPath, policyPath] = [join(folder, 'upshift.db'), join(folder, 'policy.yaml')];
  // YAML reads JSON.
  writeFileSync(policyPath, JSON.stringify(POLICY));
  const env = {
    ...process.env,
    UPSHIFT_ROUTER_URL: simulation.routerUrl,
    UPSHIFT_ENDPOINTS_URL: simulation.endpointsUrl,
    HF_ENDPOINT: simulation.hubUrl,
    HF_TOKEN: TOKEN,
    UPSHIFT_TIME_SCALE: String(clock.scale),
    UPSHIFT_TIME_START: String(start),
  };
  const words = ['start', '--db', dbPath, '--policy', policyPath, '--port', '0', '--admin-port', '0', '--json'];
  const child = spawn(process.execPath, [ENTRY, ...words], { env, stdio: ['ignore', 'pipe', 'ignore'] });
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  const { gateway } = JSON.parse(line) as { gateway: string };
  const run = (...args: string[]) =>
    new Promise<string>((resolve) => {
      execFile(process.execPath, [ENTRY, ...args, '--db', dbPath], { env }, (_, stdout) => resolve(stdout));
    });
  const stop = async () => {
    if (child.exitCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGTERM');
    await gone;
  };
  return {
    gateway,
    dbPath,
    ask: run,
    stop,
    [Symbol.asyncDispose]: stop,
    async approveUntil(isDone) {
      for (let tries = 0; !isDone(); tries++) {
        if (tries === GIVEN_UP_AFTER) throw new Error(`not approved: ${await run('status')}`);
        await run('approve');
      }
    },
  };
}
