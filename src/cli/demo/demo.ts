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
import { busyConversation, loadTrace, scaleLoad } from '../../simulation/trace.ts';
import { EXIT } from '../exit.ts';
import { openScreen } from '../terminal/screen.ts';
import { Director } from './director.ts';
import { Display } from './display.ts';
import type { DemoOptions } from './options.ts';
import { chooseScale, measureLateness, paceText } from './pace.ts';
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
/**
 * Calls that the simulated serverless takes in five minutes. The traffic has about 2,180: it refuses enough for a proposal,
 * and not so many that most requests of the agents are repeats.
 */
const LIMIT = 1_900;
const SEED = 20231116;
const SWARM_SEED = 7;
/**
 * How often the trace, a quarter of an hour of the clock, is played at most. A promotion takes about seventy minutes. If a person
 * answers the requests, there are thirty hours of the clock.
 */
const PLAYS = 7;
const MANUAL_PLAYS = 120;

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
  const whole = trace === undefined ? busyConversation(manual ? MANUAL_PLAYS : PLAYS, SEED) : await loadTrace(trace);
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
  const scale = options.scale ?? (await measuredScale(options));
  const { simulation, daemon, env } = await startBoth({ ...options, scale }, stage);
  const { controlUrl } = simulation.announced;
  const { timeScale, timeStart, token, routerUrl } = readEnvironment(env);
  const clock = createClock({ scale: timeScale, start: timeStart });
  const screen = !options.json && process.stdout.isTTY ? openScreen(process.stdout) : null;
  const lengthMs = trace.at(-1)?.atMs ?? 0;
  const route = policy.routes[0] ?? policy.watched;
  // With --json, standard output has the result alone.
  const say = options.json ? console.error : console.log;
  const display = new Display({ options, dbPath, clock, policy: route, lengthMs, screen, say });
  const director = new Director({ options, dbPath, controlUrl, clock, display });
  const ended = AbortSignal.any([stage.interrupted, director.isOver]);
  const directing = director.run(ended);
  // It is told below, when the traffic has ended and the processes can be stopped.
  directing.catch(() => undefined);
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
  const result = await gather({ timeScale, fault, dbPath, controlUrl, swarm, policy, routerUrl, token: token ?? '' });
  screen?.close();
  console.log(options.json ? JSON.stringify(toJson(result)) : summary(result, options.keep));
  return result;
}

/** The time scale that this machine can keep up with. */
async function measuredScale({ json }: DemoOptions): Promise<number> {
  const lateMs = await measureLateness();
  const scale = chooseScale(lateMs);
  if (!json) console.log(paceText(lateMs, scale));
  return scale;
}

/** Starts the simulation, and the daemon that uses it as Hugging Face. */
async function startBoth({ scale, policy }: DemoOptions & { scale: number }, { folder, dbPath, children }: Stage) {
  const simulation = await startUpshift<SimulationSaid>(
    ['simulate', '--port', '0', '--scale', String(scale), '--limit', String(LIMIT)],
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
