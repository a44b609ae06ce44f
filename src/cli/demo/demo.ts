import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AppError } from '../../core/errors.ts';
import type { Policy } from '../../core/policy/policy.ts';
import type { Arrival } from '../../core/trace.ts';
import { createClock } from '../../files/clock.ts';
import { readEnvironment } from '../../files/environment.ts';
import { loadPolicy } from '../../files/policy.ts';
import { WITH_REASONING } from '../../loadtest/body.ts';
import { runSwarm } from '../../loadtest/swarm.ts';
import { seededDice } from '../../simulation/dice.ts';
import { azureConversation, loadTrace, scaleLoad } from '../../simulation/trace.ts';
import { EXIT } from '../exit.ts';
import { openScreen } from '../terminal/screen.ts';
import { Director } from './director.ts';
import type { DemoOptions } from './options.ts';
import { startUpshift } from './processes.ts';
import type { Running } from './processes.ts';
import { exitCodeOf, gather, toJson } from './report.ts';
import type { DemoResult } from './report.ts';
import { summary } from './summary.ts';

/** The output of `simulate --json`. */
interface SimulationSaid {
  readonly controlUrl: string;
  readonly env: Readonly<Record<string, string>>;
}

const AGENTS = 64;
const SEED = 20231116;
const SWARM_SEED = 7;
/**
 * How often the trace is played. If a person answers the requests, it plays until the rollout is over, up to three
 * quarters of an hour.
 */
const PLAYS = 2;
const MANUAL_PLAYS = 45;

/** Plays a migration with real processes on this machine. Returns the exit code. */
export async function runDemo(options: DemoOptions): Promise<number> {
  const { policy } = await loadPolicy(options.policy);
  const trace = await traceOf(options);
  const folder = options.keep ?? mkdtempSync(join(tmpdir(), 'upshift-demo-'));
  mkdirSync(folder, { recursive: true });
  const dbPath = join(folder, 'upshift.db');
  if (existsSync(dbPath)) {
    throw new AppError('invalid', `${dbPath} already exists`, { hint: 'name a new folder with --keep' });
  }
  const children: Running<unknown>[] = [];
  const interrupted = new AbortController();
  const onSignal = () => interrupted.abort();
  // SIGHUP means that the terminal was closed; the children must end with it.
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal).on('SIGHUP', onSignal);
  try {
    const played = await play(options, { folder, dbPath, policy, trace, children, interrupted: interrupted.signal });
    return interrupted.signal.aborted ? EXIT.interrupted : exitCodeOf(played);
  } finally {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal).off('SIGHUP', onSignal);
    for (const child of children) await child.stop();
    if (options.keep === undefined) rmSync(folder, { recursive: true, force: true });
  }
}

async function traceOf({ trace, manual, load }: DemoOptions): Promise<readonly Arrival[]> {
  const whole = trace === undefined ? azureConversation(manual ? MANUAL_PLAYS : PLAYS, SEED) : await loadTrace(trace);
  return load === 'half' ? scaleLoad(whole, 0.5) : whole;
}

interface Stage {
  readonly folder: string;
  readonly dbPath: string;
  readonly policy: Policy;
  readonly trace: readonly Arrival[];
  /** The started processes; the one to stop first is in front. */
  readonly children: Running<unknown>[];
  readonly interrupted: AbortSignal;
}

/** Starts the simulation and the daemon, sends the calls, directs the events, and prints the result. */
async function play(options: DemoOptions, stage: Stage): Promise<DemoResult> {
  const { dbPath, policy, trace } = stage;
  const { simulation, daemon, env } = await startBoth(options, stage);
  const { controlUrl } = simulation.announced;
  const { timeScale, timeStart, token, routerUrl } = readEnvironment(env);
  const clock = createClock({ scale: timeScale, start: timeStart });
  const screen = !options.json && process.stdout.isTTY ? openScreen(process.stdout) : null;
  const director = new Director({ options, dbPath, controlUrl, env, clock, screen });
  const ended = AbortSignal.any([stage.interrupted, director.isOver]);
  const directing = director.run(ended);
  const swarm = await runSwarm({
    baseUrl: daemon.announced.gateway,
    clock,
    trace,
    agents: AGENTS,
    tasks: WITH_REASONING,
    model: policy.routes[0]?.model ?? 'meta-llama/Llama-3.1-8B-Instruct',
    token: token ?? '',
    dice: seededDice(SWARM_SEED),
    signal: ended,
    onProgress: (progress) => director.progressed(progress),
  });
  director.finish();
  await directing;
  await daemon.stop();
  const fault = options.fault ?? null;
  const result = await gather({ fault, dbPath, controlUrl, swarm, policy, routerUrl, token: token ?? '' });
  screen?.close();
  console.log(options.json ? JSON.stringify(toJson(result)) : summary(result, options.keep));
  return result;
}

/** Starts the simulation, and the daemon that uses it as Hugging Face. */
async function startBoth({ scale, policy }: DemoOptions, { folder, dbPath, children }: Stage) {
  const simulation = await startUpshift<SimulationSaid>(
    ['simulate', '--port', '0', '--scale', String(scale)],
    process.env,
    join(folder, 'simulation.log'),
  );
  children.push(simulation);
  const env = { ...process.env, ...simulation.announced.env };
  const daemon = await startUpshift<{ gateway: string }>(
    ['start', '--db', dbPath, '--policy', policy, '--port', '0', '--admin-port', '0'],
    env,
    join(folder, 'daemon.log'),
  );
  children.unshift(daemon);
  return { simulation, daemon, env };
}
