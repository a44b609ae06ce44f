import type { CommandModule, Options } from 'yargs';
import { builtInRequests, PATHS } from '../../core/compare/built-in.ts';
import type { ComparePath, CompareRequest } from '../../core/compare/built-in.ts';
import { comparePairs } from '../../core/compare/compare.ts';
import { errorCode } from '../../core/errors.ts';
import { readEnvironment } from '../../files/environment.ts';
import { useProxies } from '../../huggingface/proxy.ts';
import { chooseModel, detailsOf, listModels } from '../../compare/models.ts';
import { requestsFor, sharedPaths } from '../../compare/preflight.ts';
import { runComparison } from '../../compare/run.ts';
import type { Side } from '../../compare/side.ts';
import { seededDice } from '../../simulation/dice.ts';
import { planCompare } from '../compare/options.ts';
import type { ComparePlan, CompareWords } from '../compare/options.ts';
import { ProgressLine } from '../compare/progress.ts';
import { compareJson, renderCompare } from '../compare/report.ts';
import type { CompareReport } from '../compare/report.ts';
import { EXIT, reportError } from '../exit.ts';
import { withGlobals } from '../input/options.ts';
import type { GlobalOptions } from '../input/options.ts';
import { painter, printJson, printText, widthOf } from '../terminal/print.ts';
import { nextSignal, stopAtSecondSignal } from '../terminal/signals.ts';
import { printTexts } from '../compare/texts.ts';

interface CompareOptions extends GlobalOptions, CompareWords {}

const EPILOGUE = `Each request goes to A and to B at the same time, and half of them go to A once
more, because no model agrees with itself in every text. The built-in requests
offer tools (38 %), demand JSON (36 %), ask plain questions, small puzzles and
long answers, and send prompts of 9 000 tokens (4 %); all at temperature 0. They
are the same for the same --n and --seed. For a model of embeddings all are
embeddings. --requests FILE sends your own: one JSON body on each line, or the
lines of an OpenAI batch.

Different: the answers differ beyond chance in a figure (sign test of the pairs;
with two equal sides that is said in at most 1 of 100 comparisons, all figures
together), or the same prompts have other counts of tokens, or embeddings are
not above a cosine of 0.999. Same: every figure's range is within the margin;
each end of a range is wrong in at most 2.5 of 100. Other words than A's own
second answer only advise, because other hardware writes other words.

Prompts go to the two URLs and nowhere else. Answers are kept in memory until
they are read; nothing of them is printed (but see --show) or stored. HF_TOKEN
goes to Hugging Face's hosts only; another host gets a key only if its variable
is named. Redirects are not followed.

Exit status: 0 same, 1 different, 2 wrong usage, a key that is refused or an
unknown model, 6 it could not tell or a side could not be reached, 130 Ctrl-C
(the report so far is printed).
--json: one line {"verdict":"same|different|could not tell","pairs","left",
"figures":[{"name","label","verdict","pairs","onlyA","onlyB","both","a","b",
"difference","low","high","chance","margin","needed"}],"promptTokens",
"density","cosines","likeness","sentences","notes","margin","wronglyDifferent",
"isStopped","a":{"url","model","engine","calls","promptTokens","outputTokens",
"dollars"},"b"}; a figure that no request has is left out.`;

const key = (of: string) => `Environment variable with the key for ${of}`;

const OPTIONS = {
  model: { type: 'string', requiresArg: true, describe: 'Model to call; without it, the only one that a side lists' },
  'model-b': { type: 'string', requiresArg: true, describe: 'What B calls the model, if not as A does' },
  requests: { type: 'string', requiresArg: true, describe: 'Send the requests of this JSONL file' },
  n: { type: 'number', default: 200, requiresArg: true, describe: 'Number of requests' },
  margin: {
    type: 'string',
    default: '10%',
    requiresArg: true,
    describe: 'How far apart shares of answers may be to count as the same',
  },
  baseline: { type: 'string', default: '50%', requiresArg: true, describe: 'Share of the requests that A gets twice' },
  concurrency: { type: 'number', default: 4, requiresArg: true, describe: 'Requests under way at once' },
  timeout: { type: 'string', default: '2m', requiresArg: true, describe: 'Give a call up after this time' },
  seed: { type: 'number', default: 1, requiresArg: true, describe: 'Seed of the built-in requests' },
  show: {
    type: 'number',
    default: 0,
    requiresArg: true,
    describe: 'Print the answers to this many requests whose answers differ',
  },
  'key-env': { type: 'string', requiresArg: true, describe: key('both URLs') },
  'key-env-a': { type: 'string', requiresArg: true, describe: key('A') },
  'key-env-b': { type: 'string', requiresArg: true, describe: key('B') },
} as const satisfies Readonly<Record<string, Options>>;

export const compareCommand: CommandModule<object, CompareOptions> = {
  command: 'compare <url-a> <url-b>',
  describe: 'Find out whether two base URLs serve the same model: tools, JSON, templates, reasoning',
  builder: (yargs) =>
    withGlobals(yargs)
      .hide('db')
      .positional('url-a', { type: 'string', demandOption: true, describe: 'Base URL of the side to trust' })
      .positional('url-b', { type: 'string', demandOption: true, describe: 'Base URL of the side in question' })
      .options(OPTIONS)
      .example(
        'npx upshift compare https://router.huggingface.co/v1 http://10.0.0.7:8000/v1 --model Qwen/Qwen3-8B',
        'is our vLLM the same model as serverless?',
      )
      .epilogue(EPILOGUE) as never,
  handler: compare,
};

async function compare(options: CompareOptions): Promise<void> {
  const environment = readEnvironment(process.env);
  const plan = planCompare(options, process.env, environment.routerUrl);
  useProxies(environment.proxies);
  const stop = new AbortController();
  let interrupted: number | null = null;
  void nextSignal().then((signal) => {
    interrupted = signal === 'SIGINT' ? EXIT.interrupted : 143;
    stopAtSecondSignal();
    stop.abort();
  });
  try {
    const report = await run(plan, options, stop.signal);
    if (options.json) printJson(compareJson(report));
    else printText(renderCompare(report, { width: widthOf(process.stdout), paint: painter(process.stdout) }));
    process.exitCode = interrupted ?? STATUS[report.comparison.verdict];
  } catch (error) {
    // A side that cannot be reached is no difference, which status 1 says.
    const isAway = errorCode(error) === 'unavailable' || errorCode(error) === 'timeout';
    if (!isAway) throw error;
    if (interrupted === null) reportError(error, options.json);
    process.exitCode = interrupted ?? EXIT.untold;
  }
}

const STATUS = { same: EXIT.ok, different: EXIT.different, open: EXIT.untold } as const;

async function run(plan: ComparePlan, options: CompareOptions, stop: AbortSignal): Promise<CompareReport> {
  const { timeoutMs, margin, baseline, concurrency, show } = plan;
  const { a, b, notes } = await sidesOf(plan, options, stop);
  const wanted = plan.requests === null ? BUILT_IN_PATHS : PATHS.filter((path) => usesPath(plan.requests ?? [], path));
  const shared = await sharedPaths([a, b], wanted, { timeoutMs, stop });
  const progress = new ProgressLine(process.stderr, options.json);
  const result = await runComparison({
    a,
    b,
    requests: chooseRequests(plan, shared.paths),
    baseline,
    concurrency,
    timeoutMs,
    stop,
    onProgress: (done) => progress.say(done),
    ...(show > 0 && !options.json && { onTexts: printTexts(show) }),
  });
  progress.end();
  const left = plan.requests === null ? notes : [...notes, ...shared.notes];
  const comparison = comparePairs(result.pairs, margin, {
    a: { model: a.model, engine: a.engine, args: null },
    b: { model: b.model, engine: b.engine, args: null },
  });
  return { comparison, consumed: result.consumed, a, b, margin, notes: left, isStopped: stop.aborted };
}

/** For the built-in requests both are tried: a model chats or embeds. */
const BUILT_IN_PATHS: readonly ComparePath[] = ['/chat/completions', '/embeddings'];

function usesPath(requests: readonly CompareRequest[], path: ComparePath): boolean {
  return requests.some((request) => request.path === path);
}

/** The requests to send: of a file with more than are wanted, those that the seed picks. */
function chooseRequests(plan: ComparePlan, paths: readonly ComparePath[]): readonly CompareRequest[] {
  const dice = seededDice(plan.seed);
  if (plan.requests === null) return builtInRequests(plan.count, dice, !paths.includes('/chat/completions'));
  const left = requestsFor(plan.requests, paths);
  const count = Math.min(plan.count, left.length);
  return Array.from(
    { length: count },
    () => left.splice(Math.floor(dice.next() * left.length), 1)[0] as CompareRequest,
  );
}

async function sidesOf(plan: ComparePlan, { model, modelB }: CompareOptions, stop: AbortSignal) {
  const [listA, listB] = await Promise.all([listModels(plan.a, stop), listModels(plan.b, stop)]);
  const nameA = chooseModel(plan.a, listA, model);
  const nameB = modelB ?? chooseModel(plan.b, listB, listB?.length === 1 ? undefined : nameA);
  const a: Side = { ...plan.a, model: nameA, ...detailsOf(listA, nameA) };
  const b: Side = { ...plan.b, model: nameB, ...detailsOf(listB, nameB) };
  const notes = nameA === nameB ? [] : [`A calls its model ${nameA}, and B calls its own ${nameB}`];
  return { a, b, notes };
}
