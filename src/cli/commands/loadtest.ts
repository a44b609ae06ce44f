import { closeSync, openSync, rmSync, writeFileSync } from 'node:fs';
import type { CommandModule } from 'yargs';
import { AppError, errorMessage } from '../../core/errors.ts';
import { readEnvironment } from '../../files/environment.ts';
import { startLoad } from '../../loadtest/load.ts';
import type { LoadReport } from '../../loadtest/load.ts';
import { loadTrace } from '../../simulation/trace.ts';
import { EXIT } from '../exit.ts';
import { showProgress } from '../loadtest/live.ts';
import { renderPage } from '../loadtest/page.ts';
import { planLoad, PRESETS, readTarget } from '../loadtest/plan.ts';
import type { LoadPlan, LoadWords, PresetName } from '../loadtest/plan.ts';
import { renderReport, toJson } from '../loadtest/report.ts';
import { openClock, withGlobals } from '../session.ts';
import type { GlobalOptions } from '../session.ts';
import { nextSignal, stopAtSecondSignal } from '../signals.ts';
import { printJson, printText, warn } from '../terminal/print.ts';

interface LoadtestOptions extends GlobalOptions, LoadWords {
  readonly baseUrl: string;
  readonly trace: string | undefined;
  readonly sendToken: boolean;
  readonly html: string | undefined;
}

const MODEL = 'meta-llama/Llama-3.1-8B-Instruct';

const EPILOGUE = `Presets, whose parts can be said anew (--preset high --duration 1m):
${Object.entries(PRESETS)
  .map(([name, { concurrency, duration, ramp }]) => {
    return `  ${name.padEnd(10)} ${String(concurrency).padStart(3)} at once for ${duration}, ${ramp === '0s' ? 'all from the start' : `ramp ${ramp}`}`;
  })
  .join('\n')}

${[
  '--concurrency is a closed loop: each of so many agents makes one call after the other, so a slow server gets fewer calls. After a call that failed, its next one begins no sooner than 1 s after that one did.',
  '--trace is an open loop: calls go out at their times however slow the server is, and latency counts from the time a call should have gone out, waiting included (no coordinated omission). At most --concurrency (1000) are in flight.',
  'Latency and time to first token are of calls that succeeded. Nothing is repeated unless --retries says so; then what failed by a 429, 5xx, connection or timeout is sent again after Retry-After or 1 to 4 s, and a call counts by its end. Retry share: own retries, and what an upshift gateway tried beyond once (x-upshift-attempts), of all attempts.',
  'Memory is bounded: quantiles are of histograms right to 1 %, one for all calls and one for each window and chart point. When the time or the calls are over, those under way get 30 s (5 s after Ctrl-C) and are then cut; cut calls count neither way.',
  'Only the named URL is contacted, redirects are not followed, and HF_TOKEN stays here without --send-token. With UPSHIFT_TIME_SCALE spans and latencies are in the time of the simulation.',
].join('\n\n')}

Exit: 0 it ran to its end, 6 no call succeeded, 130 Ctrl-C: the report so far is
printed; a second one ends it at once.
--json: one line {"url","model","loop":"closed|open","concurrency","agents",
"durationMs","startedAt","lengthMs","endedBy":"time|calls|trace|stopped",
"planned","calls","succeeded","failed","cut","callsPerSecond","errorShare",
"errors":{"429","5xx","connection","timeout","other"},
"latencyMs":{"p50","p95","p99"},"firstTokenMs","peakInFlight","requests",
"retries":{"own","upstream","share"},"byStatus","latestMs",
"reasons":[{"reason","count"}],"windowMs","windows":[{"fromMs","calls",
"requests","retries","succeeded","failed","cut","errorShare","errors",
"latencyMs","firstTokenMs","peakInFlight"}]}; quantiles are null where no call
succeeded, "planned" is null without --trace.`;

export const loadtestCommand: CommandModule<object, LoadtestOptions> = {
  command: 'loadtest <base-url>',
  describe: 'Drive a base URL with a swarm of agents, and report what they got',
  builder: (yargs) =>
    withGlobals(yargs)
      .hide('db')
      .positional('base-url', { type: 'string', demandOption: true, describe: 'The only place that is called' })
      .options({
        preset: { choices: Object.keys(PRESETS) as PresetName[], describe: 'A scenario; see below' },
        concurrency: { type: 'number', requiresArg: true, describe: 'Calls at once' },
        duration: { type: 'string', requiresArg: true, describe: 'No call begins after this; 1m unless said' },
        ramp: { type: 'string', requiresArg: true, describe: 'Agents begin evenly over this span' },
        trace: { type: 'string', requiresArg: true, describe: 'Play a CSV file: t_ms, prompt_tokens, output_tokens' },
        agents: {
          type: 'number',
          requiresArg: true,
          describe: 'Agents, named by x-agent-id; as many as calls at once',
        },
        model: {
          type: 'string',
          default: MODEL,
          defaultDescription: 'Llama 3.1 8B',
          requiresArg: true,
          describe: 'The model',
        },
        stream: { type: 'boolean', default: false, describe: 'Ask for streams' },
        'max-calls': { type: 'number', default: 100_000, requiresArg: true, describe: 'End after so many calls' },
        'max-tokens': { type: 'number', requiresArg: true, describe: 'Longest answer; 128, or what the trace says' },
        timeout: { type: 'string', default: '2m', requiresArg: true, describe: 'Give a request up; in real time' },
        retries: { type: 'number', default: 0, requiresArg: true, describe: 'Send a failed call again so often' },
        'send-token': { type: 'boolean', default: false, describe: 'Send HF_TOKEN to the base URL' },
        window: { type: 'string', default: '5m', requiresArg: true, describe: 'Span of the windows in the report' },
        seed: { type: 'number', default: 1, requiresArg: true, describe: 'Repeats the same prompts and waits' },
        html: { type: 'string', requiresArg: true, describe: 'Write a report page with charts to this new file' },
      })
      .conflicts('trace', ['preset', 'ramp'])
      .example('npx upshift loadtest http://127.0.0.1:8787 --preset medium', 'through a gateway')
      .example('npx upshift loadtest http://127.0.0.1:8787 --trace calls.csv.gz --stream', 'recorded arrivals')
      .epilogue(EPILOGUE) as never,
  handler: loadtest,
};

async function loadtest(options: LoadtestOptions): Promise<void> {
  const { token, timeScale: scale } = readEnvironment(process.env);
  if (options.sendToken && token === null) {
    throw new AppError('invalid', '--send-token, and HF_TOKEN is not set', { hint: 'set it, or leave the option out' });
  }
  const url = readTarget(options.baseUrl, { sendsToken: options.sendToken, scale });
  const trace = options.trace === undefined ? null : await loadTrace(options.trace);
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
    if (isThere) throw new AppError('conflict', `${path} is there already`, { hint: 'name a new file with --html' });
    throw new AppError('invalid', `--html ${path} cannot be written: ${errorMessage(cause)}`, { cause });
  }
}
