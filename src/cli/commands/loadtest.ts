import { closeSync, openSync, rmSync, writeFileSync } from 'node:fs';
import type { CommandModule, Options } from 'yargs';
import { AppError, errorMessage } from '../../core/errors.ts';
import { readEnvironment } from '../../files/environment.ts';
import { MIXES } from '../../loadtest/body.ts';
import { startLoad } from '../../loadtest/load.ts';
import type { LoadReport } from '../../loadtest/load.ts';
import { loadTrace } from '../../simulation/trace.ts';
import { EXIT } from '../exit.ts';
import { withGlobals } from '../input/options.ts';
import type { GlobalOptions } from '../input/options.ts';
import { showProgress } from '../loadtest/live.ts';
import { renderPage } from '../loadtest/page.ts';
import { planLoad, PRESETS, readTarget, swarmTrace } from '../loadtest/plan.ts';
import type { LoadPlan, LoadWords } from '../loadtest/plan.ts';
import { renderReport, toJson } from '../loadtest/report.ts';
import { openClock } from '../session.ts';
import { printJson, printText, warn } from '../terminal/print.ts';
import { nextSignal, stopAtSecondSignal } from '../terminal/signals.ts';

interface LoadtestOptions extends GlobalOptions, LoadWords {
  readonly baseUrl: string;
  readonly trace: string | undefined;
  readonly swarm: boolean | undefined;
  readonly sendToken: boolean;
  readonly html: string | undefined;
}

const MODEL = 'meta-llama/Llama-3.1-8B-Instruct';

const EPILOGUE = `Presets. You can override their parts (--preset high --duration 1m):
${Object.entries(PRESETS)
  .map(([name, { concurrency, duration, ramp }]) => {
    return `  ${name.padEnd(10)} ${String(concurrency).padStart(3)} at once for ${duration}, ${ramp === '0s' ? 'all from the start' : `ramp ${ramp}`}`;
  })
  .join('\n')}

${[
  '--concurrency N is a closed loop: each of N agents sends its next call when its last one has ended, so a slow server gets fewer calls. After a failed call, an agent waits until 1 s has passed since that call began.',
  '--trace and --swarm are open loops: calls are sent at their times even if the server is slow. Latency counts from the time at which a call was due, so it includes waiting (no coordinated omission). At most --concurrency calls (1000 without it) are in flight.',
  'Latency and time to first token are those of calls that succeeded. Without --retries no call is sent again. With it, a call that ends with 429, 5xx, a connection error or a timeout is sent again after Retry-After, or after 1 to 4 s; the call then counts by its last attempt. The retry share is the share of all attempts that were not the first one, here or in an upshift gateway (x-upshift-attempts).',
  'With --mix agents, of each ten agents three offer tools, one demands JSON by a schema, two ask for a text at temperature 0 and four for a text. The server must serve tools: with --mix plain, all ask for a text.',
  'Memory is bounded: quantiles come from histograms that are exact to 1 %. When the time or the calls are over, calls in flight get 30 s to end (5 s after Ctrl-C). Calls cut then count neither as succeeded nor as failed.',
  'Only the base URL is called. Redirects are not followed. HF_TOKEN is not sent without --send-token. With UPSHIFT_TIME_SCALE, spans and latencies are in the time of the simulation.',
].join('\n\n')}

Exit status: 0 it ran to its end, 6 no call succeeded, 130 Ctrl-C. After Ctrl-C
the report so far is printed; a second Ctrl-C ends the program at once.
--json: one line {"url","model","loop":"closed|open","concurrency","agents",
"durationMs","startedAt","lengthMs","endedBy":"time|calls|trace|stopped",
"planned","calls","succeeded","failed","cut","callsPerSecond","errorShare",
"errors":{"429","5xx","connection","timeout","other"},
"latencyMs":{"p50","p95","p99"},"firstTokenMs","peakInFlight","requests",
"retries":{"own","upstream","share"},"byStatus","latestMs",
"reasons":[{"reason","count"}],"windowMs","windows":[{"fromMs","calls",
"requests","retries","succeeded","failed","cut","errorShare","errors",
"latencyMs","firstTokenMs","peakInFlight"}]}; quantiles are null where no call
succeeded, "planned" is null without --trace or --swarm.`;

const OPTIONS = {
  preset: { choices: Object.keys(PRESETS), describe: 'A prepared load; see below' },
  concurrency: { type: 'number', requiresArg: true, describe: 'Calls in flight at once' },
  duration: { type: 'string', requiresArg: true, describe: 'How long calls are sent; 1m without it' },
  ramp: { type: 'string', requiresArg: true, describe: 'Start the agents evenly over this span' },
  trace: {
    type: 'string',
    requiresArg: true,
    describe: 'Send calls at the times in a CSV file: t_ms, prompt_tokens, output_tokens',
  },
  swarm: {
    type: 'boolean',
    describe: "Send the calls of the demo's 64 agents, 2,180 in five minutes; for 2h, or --duration",
  },
  agents: {
    type: 'number',
    requiresArg: true,
    describe: 'Number of agents, named by X-Agent-Id; without it, as many as calls at once',
  },
  model: {
    type: 'string',
    default: MODEL,
    defaultDescription: 'Llama 3.1 8B',
    requiresArg: true,
    describe: 'Model to call',
  },
  stream: { type: 'boolean', default: false, describe: 'Ask for streamed answers' },
  mix: {
    choices: Object.keys(MIXES),
    default: 'plain',
    requiresArg: true,
    describe: 'What agents ask for: texts, or also tools and JSON; see below',
  },
  'max-calls': { type: 'number', default: 100_000, requiresArg: true, describe: 'Stop after this many calls' },
  'max-tokens': {
    type: 'number',
    requiresArg: true,
    describe: 'Longest answer; without it 128, or what the trace says',
  },
  timeout: {
    type: 'string',
    default: '2m',
    requiresArg: true,
    describe: 'Give a request up after this real time',
  },
  retries: {
    type: 'number',
    default: 0,
    requiresArg: true,
    describe: 'Send a failed call again this many times',
  },
  'send-token': { type: 'boolean', default: false, describe: 'Send HF_TOKEN to the base URL' },
  window: { type: 'string', default: '5m', requiresArg: true, describe: 'Length of the windows in the report' },
  seed: {
    type: 'number',
    default: 1,
    requiresArg: true,
    describe: 'Seed: the same seed gives the same prompts and waits',
  },
  html: { type: 'string', requiresArg: true, describe: 'Write a report with charts to this new file' },
} as const satisfies Readonly<Record<string, Options>>;

export const loadtestCommand: CommandModule<object, LoadtestOptions> = {
  command: 'loadtest <base-url>',
  describe: 'Send the calls of many agents to a base URL, and report what they got',
  builder: (yargs) =>
    withGlobals(yargs)
      .hide('db')
      .positional('base-url', {
        type: 'string',
        demandOption: true,
        describe: 'Base URL to call; nothing else is called',
      })
      .options(OPTIONS)
      .conflicts('trace', ['preset', 'ramp'])
      .conflicts('swarm', ['preset', 'ramp', 'trace'])
      .example(
        'npx upshift loadtest http://127.0.0.1:8787 --preset medium',
        '25 agents through a gateway, for 10 minutes',
      )
      .example(
        'npx upshift loadtest http://127.0.0.1:8787 --trace calls.csv.gz --stream',
        'send calls at the times of a recorded trace',
      )
      .epilogue(EPILOGUE) as never,
  handler: loadtest,
};

async function loadtest(options: LoadtestOptions): Promise<void> {
  const { token, timeScale: scale } = readEnvironment(process.env);
  if (options.sendToken && token === null) {
    throw new AppError('invalid', '--send-token needs HF_TOKEN, which is not set', {
      hint: 'set HF_TOKEN, or leave out --send-token',
    });
  }
  const url = readTarget(options.baseUrl, { sendsToken: options.sendToken, scale });
  const trace =
    options.swarm === true ? swarmTrace(options) : options.trace === undefined ? null : await loadTrace(options.trace);
  const sent = options.sendToken ? (token ?? undefined) : undefined;
  const plan = planLoad(options, { url, token: sent, trace, clock: openClock() });
  const page = options.html === undefined ? null : openPage(options.html);
  const stop = new AbortController();
  const load = startLoad({ ...plan, stop: stop.signal });
  let status: number = EXIT.ok;
  void nextSignal().then((signal) => {
    status = signal === 'SIGINT' ? EXIT.interrupted : 143;
    stopAtSecondSignal();
    stop.abort();
  });
  const report = await showProgress(load, plan, options.json);
  show(report, plan, options.json);
  page?.(renderPage(report, plan));
  if (page !== null && !options.json) printText(`\npage         ${options.html}`);
  process.exitCode = status === EXIT.ok && report.total.ends.ok === 0 ? EXIT.noneSucceeded : status;
}

function show(report: LoadReport, plan: LoadPlan, json: boolean): void {
  if (json) printJson(toJson(report, plan));
  else printText(renderReport(report, plan));
  if (report.total.ends.ok > 0 || report.endedBy === 'stopped') return;
  warn(`no call succeeded${report.reasons[0] === undefined ? '' : `: ${report.reasons[0].reason}`}`);
}

/** Takes the place of the page before the load begins: a name that cannot be written should not cost a run. */
function openPage(path: string): (html: string) => void {
  try {
    const file = openSync(path, 'wx');
    const forget = () => rmSync(path, { force: true });
    process.once('exit', forget);
    return (html) => {
      process.off('exit', forget);
      writeFileSync(file, html);
      closeSync(file);
    };
  } catch (cause) {
    const isThere = (cause as NodeJS.ErrnoException).code === 'EEXIST';
    if (isThere) throw new AppError('conflict', `${path} already exists`, { hint: 'name a new file with --html' });
    throw new AppError('invalid', `--html ${path} cannot be written: ${errorMessage(cause)}`, { cause });
  }
}
