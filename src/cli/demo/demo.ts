import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AppError } from '../../core/errors.ts';
import { createClock } from '../../files/clock.ts';
import { readEnvironment } from '../../files/environment.ts';
import { loadPolicy } from '../../files/policy.ts';
import { runSwarm } from '../../loadtest/swarm.ts';
import { seededDice } from '../../simulation/dice.ts';
import { azureConversation, loadTrace, scaleLoad } from '../../simulation/trace.ts';
import { openScreen } from '../terminal/screen.ts';
import { Director } from './director.ts';
import type { DemoOptions } from './options.ts';
import { startUpshift } from './processes.ts';
import type { Running } from './processes.ts';
import { exitCodeOf, gather, toJson } from './report.ts';
import { summary } from './summary.ts';

/** What `simulate --json` says of itself. */
interface SimulationSaid {
  readonly controlUrl: string;
  readonly env: Readonly<Record<string, string>>;
}

const AGENTS = 64;
const SEED = 20231116;
const SWARM_SEED = 7;
/** How often the trace is played: with a person at the keyboard until the rollout is over, up to three quarters of an hour. */
const PLAYS = 2;
const MANUAL_PLAYS = 45;

/** Plays a migration with real processes on this machine. Returns the exit code. */
export async function runDemo(options: DemoOptions): Promise<number> {
  const policy = await loadPolicy(options.policy);
  const whole =
    options.trace === undefined
      ? azureConversation(options.manual ? MANUAL_PLAYS : PLAYS, SEED)
      : await loadTrace(options.trace);
  const trace = options.load === 'half' ? scaleLoad(whole, 0.5) : whole;
  const folder = options.keep ?? mkdtempSync(join(tmpdir(), 'upshift-demo-'));
  mkdirSync(folder, { recursive: true });
  const dbPath = join(folder, 'upshift.db');
  if (existsSync(dbPath)) {
    throw new AppError('invalid', `${dbPath} is there already`, { hint: 'name a new folder with --keep' });
  }
  const children: Running<unknown>[] = [];
  const interrupted = new AbortController();
  const onSignal = () => interrupted.abort();
  // SIGHUP: the terminal was closed; the children must not outlive it.
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal).on('SIGHUP', onSignal);
  try {
    const simulation = await startUpshift<SimulationSaid>(
      ['simulate', '--port', '0', '--scale', String(options.scale)],
      process.env,
      join(folder, 'simulation.log'),
    );
    children.push(simulation);
    const { controlUrl } = simulation.said;
    const env = { ...process.env, ...simulation.said.env };
    const { timeScale, timeStart, token, routerUrl } = readEnvironment(env);
    const clock = createClock({ scale: timeScale, start: timeStart });
    const daemon = await startUpshift<{ gateway: string }>(
      ['start', '--db', dbPath, '--policy', options.policy, '--port', '0', '--admin-port', '0'],
      env,
      join(folder, 'daemon.log'),
    );
    children.unshift(daemon);
    const screen = !options.json && process.stdout.isTTY ? openScreen(process.stdout) : null;
    const director = new Director({ options, dbPath, controlUrl, env, clock, screen });
    const ended = AbortSignal.any([interrupted.signal, director.isOver]);
    const directing = director.run(ended);
    const swarm = await runSwarm({
      baseUrl: daemon.said.gateway,
      clock,
      trace,
      agents: AGENTS,
      model: policy.policy.routes[0]?.model ?? 'meta-llama/Llama-3.1-8B-Instruct',
      token: token ?? '',
      dice: seededDice(SWARM_SEED),
      signal: ended,
      onProgress: (progress) => director.progressed(progress),
    });
    director.finish();
    await directing;
    await daemon.stop();
    const result = await gather({
      fault: options.fault ?? null,
      dbPath,
      controlUrl,
      swarm,
      policy: policy.policy,
      routerUrl,
      token: token ?? '',
    });
    screen?.close();
    if (options.json) console.log(JSON.stringify(toJson(result)));
    else console.log(summary(result, options.keep));
    return interrupted.signal.aborted ? 130 : exitCodeOf(result);
  } finally {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal).off('SIGHUP', onSignal);
    for (const child of children) await child.stop();
    if (options.keep === undefined) rmSync(folder, { recursive: true, force: true });
  }
}
