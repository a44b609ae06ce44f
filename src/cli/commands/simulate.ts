import type { CommandModule } from 'yargs';
import { AppError } from '../../core/errors.ts';
import { createClock } from '../../files/clock.ts';
import { WHEN_FULL } from '../../simulation/limits.ts';
import type { Limits, WhenFull } from '../../simulation/limits.ts';
import { readKept } from '../../simulation/keeper.ts';
import { startSimulation } from '../../simulation/server.ts';
import { EXIT } from '../exit.ts';
import { withFaults } from './faults.ts';
import { checkNumber, withGlobals } from '../input/options.ts';
import type { GlobalOptions } from '../input/options.ts';
import { printJson, printText } from '../terminal/print.ts';

interface SimulateOptions extends GlobalOptions {
  readonly port: number;
  readonly scale: number;
  readonly limit: number | undefined;
  readonly slots: number | undefined;
  readonly full: WhenFull | undefined;
  readonly seed: number;
  readonly state: string | undefined;
}

/** A token that the simulation takes; it stands for nobody. */
const SIMULATED_TOKEN = 'hf_simulated';

const EPILOGUE =
  'An endpoint is billed for each minute of the clock in which it initialized,\n' +
  'updated or ran. With --state, endpoints exist and are billed even while no\n' +
  'process runs, and a new process uses the same port and continues the clock.\n' +
  'Ctrl-C ends the simulation. `simulate faults` in another terminal lists what\n' +
  'can be made to fail, `simulate fault` makes it fail, and `simulate clear` ends\n' +
  'that. GET /control/state of the simulation shows what was counted.\n' +
  '--json: one line {"url","controlUrl","pid","env":{...}} once it listens.';

export const simulateCommand: CommandModule<object, SimulateOptions> = {
  command: 'simulate',
  describe: 'Run a local Hugging Face over real HTTP: router, Hub, management API and endpoints',
  builder: (yargs) =>
    withFaults(withGlobals(yargs))
      .hide('db')
      .option('port', {
        global: false,
        type: 'number',
        default: 8080,
        requiresArg: true,
        describe: 'Port to listen on; 0 takes any free one',
      })
      .option('scale', {
        global: false,
        type: 'number',
        default: 1,
        requiresArg: true,
        describe: 'How many times faster than real time its clock runs',
      })
      .option('limit', {
        global: false,
        type: 'number',
        requiresArg: true,
        describe: 'Calls to a model that each provider takes in 5 minutes',
      })
      .option('slots', {
        global: false,
        type: 'number',
        requiresArg: true,
        describe: 'Calls that one replica of an endpoint works on at once',
      })
      .option('full', {
        global: false,
        choices: WHEN_FULL,
        requiresArg: true,
        describe: 'What an endpoint does with further calls: hold them, refuse them, or slow down',
      })
      .option('seed', {
        global: false,
        type: 'number',
        default: 1,
        requiresArg: true,
        describe: 'Seed of its random numbers: the same seed gives the same latencies and failures',
      })
      .option('state', {
        global: false,
        type: 'string',
        requiresArg: true,
        describe: 'Keep endpoints, history and bill in this file, so that they survive a restart',
      })
      .example(
        'npx upshift simulate',
        'then paste the lines it prints into another terminal, and start the daemon there',
      )
      .example(
        'npx upshift simulate --scale 60 --limit 1500',
        'one minute passes in a second; providers take fewer calls',
      )
      .example('npx upshift simulate --slots 8 --full refuse503', 'an endpoint that is soon full, and says so')
      .example('npx upshift simulate fault endpoint slow --factor 2', 'in another terminal: the endpoint is slow')
      .example('npx upshift simulate --state sim.json', 'if you stop and start it again, its endpoints still exist')
      .epilogue(EPILOGUE),
  handler: simulate,
};

async function simulate(options: SimulateOptions): Promise<void> {
  const { port, scale, seed, state, json } = options;
  checkNumber('port', port, Number.isInteger(port) && port >= 0 && port <= 65_535, 'a port from 0 to 65535');
  checkNumber('scale', scale, scale > 0 && scale <= 1_000, 'a number above 0, up to 1000');
  checkNumber('seed', seed, Number.isInteger(seed), 'a whole number');
  const limits = limitsOf(options);
  const start = state === undefined ? Date.now() : clockStart(state, scale);
  const simulation = await startSimulation({
    clock: createClock({ scale, start }),
    port,
    seed,
    ...(state === undefined ? {} : { keep: { path: state, clockStart: start } }),
    limits,
  });
  // Listening before it says that it runs: who reads that may send one at once.
  const signalled = new Promise<NodeJS.Signals>((resolve) => {
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, resolve);
  });
  const env = {
    UPSHIFT_ROUTER_URL: simulation.routerUrl,
    UPSHIFT_ENDPOINTS_URL: simulation.endpointsUrl,
    HF_ENDPOINT: simulation.hubUrl,
    HF_TOKEN: SIMULATED_TOKEN,
    ...(scale === 1 ? {} : { UPSHIFT_TIME_SCALE: String(scale), UPSHIFT_TIME_START: String(start) }),
  };
  if (json) printJson({ url: simulation.url, controlUrl: simulation.controlUrl, pid: process.pid, env });
  else {
    const lines = Object.entries(env).map(([name, value]) => `export ${name}=${value}`);
    printText(`# a local Hugging Face at ${simulation.url}; Ctrl-C ends it\n${lines.join('\n')}`);
  }
  const signal = await signalled;
  await simulation.close();
  process.exitCode = signal === 'SIGINT' ? EXIT.interrupted : EXIT.ok;
}

function limitsOf({ limit, slots, full }: SimulateOptions): Partial<Limits> {
  for (const [name, value] of Object.entries({ limit, slots })) {
    if (value !== undefined) checkNumber(name, value, Number.isInteger(value) && value > 0, 'a whole number above 0');
  }
  return {
    ...(limit === undefined ? {} : { routerCalls: limit }),
    ...(slots === undefined ? {} : { replicaCalls: slots }),
    ...(full === undefined ? {} : { whenFull: full }),
  };
}

/** When the clock of a state file began, so that it goes on: its endpoints were billed meanwhile. */
function clockStart(path: string, scale: number): number {
  const kept = readKept(path);
  if (kept === null) return Date.now();
  if (kept.scale === scale) return kept.clockStart;
  throw new AppError('conflict', `${path} was made with --scale ${kept.scale}`, {
    hint: `go on with --scale ${kept.scale}, or name another file`,
  });
}
