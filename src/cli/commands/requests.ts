import { setTimeout as pause } from 'node:timers/promises';
import type { Argv, CommandModule } from 'yargs';
import type { OperatorRequest } from '../../core/decide/observation.ts';
import { AppError } from '../../core/errors.ts';
import { askText } from '../../core/rollout/ask.ts';
import { isOver } from '../../core/rollout/rollout.ts';
import { askDigest } from '../../ledger/journal/asks.ts';
import type { OpenAsk } from '../../ledger/journal/asks.ts';
import type { Reply } from '../../ledger/words/published.ts';
import { LONGEST_REASON } from '../../ledger/words/word.ts';
import { openBoard } from '../board.ts';
import type { Board } from '../board.ts';
import { EXIT } from '../exit.ts';
import { chooseRollout } from '../input/choose-rollout.ts';
import { checkGiven, checkNumber, withGlobals } from '../input/options.ts';
import type { GlobalOptions } from '../input/options.ts';
import { clean, painter, printJson, printText, warn, widthOf, wrap } from '../terminal/print.ts';
import { questionText } from '../views/questions.ts';

type Kind = OperatorRequest['kind'];

interface RequestOptions extends GlobalOptions {
  readonly rollout: string | undefined;
  /** As typed: a number that is left empty must not be taken for 0. */
  readonly step?: string | undefined;
  readonly reason: string | undefined;
  readonly wait: boolean;
}

/** In real ms. */
const PATIENCE_MS = 10_000;
const LOOK_EVERY_MS = 50;

export const approveCommand = answerCommand(
  'approve',
  'Say yes to what the daemon asks: the next step, the endpoint, or more money',
  [
    ['npx upshift approve', 'say yes to the only open question'],
    ['npx upshift approve k3v9q2ab --step 2 --reason "p95 is fine"', 'only if the open question is about step 2'],
  ],
);

export const rejectCommand = answerCommand(
  'reject',
  'Say no to what the daemon asks. If you refuse a step or the endpoint, the rollout ends and all its traffic rolls back. If you refuse more money, nothing changes',
  [['npx upshift reject k3v9q2ab --reason "too expensive"', 'the ledger keeps the reason']],
);

export const pauseCommand = plainCommand('pause', 'Keep a rollout at its present step. It still rolls back if it must');
export const resumeCommand = plainCommand('resume', 'Let a paused rollout continue');
export const abortCommand = plainCommand('abort', 'End a rollout: all its traffic rolls back to where it came from');

export const promoteCommand: CommandModule<object, RequestOptions> = {
  command: 'promote [rollout]',
  describe: 'While serverless is out, give its calls to the endpoint before every step is passed',
  builder: (yargs) =>
    common(yargs)
      .option('through-outage', {
        choices: [true] as const,
        boolean: true,
        describe: 'Only until serverless is back. Nothing is compared meanwhile, and the step stays as it is',
      })
      .demandOption(['through-outage', 'reason'] as string[])
      .example('npx upshift promote --through-outage --reason "serverless is down, the endpoint looks fine"', '')
      .epilogue(EPILOGUE),
  handler: (options) => carryOut('through_outage', options),
};

function answerCommand(
  kind: 'approve' | 'reject',
  describe: string,
  examples: readonly (readonly [string, string])[],
): CommandModule<object, RequestOptions> {
  return {
    command: `${kind} [rollout]`,
    describe,
    builder: (yargs) => {
      const built = common(yargs).option('step', {
        type: 'string',
        requiresArg: true,
        describe:
          'Answer only if the question is about this step: 0 = create the endpoint, 1..n = enter that step, n+1 = promote (or return to serverless, on a way back)',
      });
      return examples.reduce((argv, [line, why]) => argv.example(line, why), built).epilogue(EPILOGUE);
    },
    handler: (options) => carryOut(kind, options),
  };
}

function plainCommand(kind: 'pause' | 'resume' | 'abort', describe: string): CommandModule<object, RequestOptions> {
  return {
    command: `${kind} [rollout]`,
    describe,
    builder: (yargs) =>
      common(yargs)
        .example(`npx upshift ${kind}`, 'the only active rollout')
        .example(`npx upshift ${kind} k3v`, 'the rollout whose id begins with k3v')
        .epilogue(EPILOGUE),
    handler: (options) => carryOut(kind, options),
  };
}

const EPILOGUE =
  'This command writes a word, a file beside the ledger. The daemon makes it a\n' +
  'request in the ledger: the owner of the file is who asks. It carries it out\n' +
  'once. If no daemon is running, the word waits for one.\n' +
  'Exit status: 0 done, counted or queued, 1 no answer within 10 s,\n' +
  '2 no such rollout, 4 refused.\n' +
  '--json: {"request","kind","rollout","result":"done"|"counted"|"refused"|\n' +
  '"queued"|"unanswered","message"}. counted: more people must approve. request:\n' +
  'the number of the request, or the name of the word as long as it is only that.';

function common(yargs: Argv): Argv<RequestOptions> {
  return withGlobals(yargs)
    .positional('rollout', {
      type: 'string',
      describe: 'Id of the rollout, or the beginning of it. Needed only if several are active',
    })
    .option('reason', { type: 'string', requiresArg: true, describe: 'Why; the ledger keeps it' })
    .option('no-wait', { type: 'boolean', describe: 'Do not wait until the daemon has answered' })
    .option('wait', { type: 'boolean', default: true, hidden: true });
}

async function carryOut(kind: Kind, options: RequestOptions): Promise<void> {
  const { step, reason } = read(options);
  using board = openBoard(options.db);
  const { id: rolloutId, ...rollout } = chooseRollout(board.rollouts(), options.rollout);
  if (isOver(rollout.phase)) {
    throw new AppError('conflict', `rollout ${rolloutId} is over: it is ${rollout.phase}`, {
      hint: `see why: npx upshift audit --rollout ${rolloutId}`,
    });
  }
  const ask = kind === 'approve' || kind === 'reject' ? askFor(board, kind, rolloutId, step) : null;
  // Before the word is said, and from the same row that its digest is of.
  if (ask !== null && !options.json) {
    const question = clean(`question ${ask.id}: ${questionText(ask)}`);
    printText(wrap(question, widthOf(process.stdout)).join('\n'));
  }
  const isRunning = board.isRunning();
  const answers = { askId: ask?.id ?? null, askDigest: ask === null ? null : askDigest(ask) };
  const word = board.say({ kind, rolloutId, ...answers, step, reason });
  const reply = isRunning && options.wait ? await replyTo(board, word) : null;
  const request = board.requestOf(word) ?? word;
  show({ request, kind, rollout: rolloutId }, reply, { isRunning, wasAwaited: isRunning && options.wait }, options);
}

/** What was typed. Throws AppError `invalid` for what is empty: in a script, an unset variable is no word. */
function read({ rollout, step: typed, reason }: RequestOptions): { step: number | null; reason: string | null } {
  for (const [name, value] of [
    ['the rollout', rollout],
    ['--step', typed],
    ['--reason', reason],
  ] as const) {
    checkGiven(name, value);
  }
  const step = typed === undefined ? null : Number(typed);
  if (step !== null) checkNumber('step', step, Number.isInteger(step) && step >= 0, 'a whole number from 0');
  if (reason !== undefined && reason.length > LONGEST_REASON) {
    throw new AppError('invalid', `--reason has ${reason.length} letters; at most ${LONGEST_REASON} are kept`);
  }
  return { step, reason: reason?.toWellFormed() ?? null };
}

/** The open question that an answer is about. Throws AppError `conflict` if there is none, or if it is about another step. */
function askFor(board: Board, kind: 'approve' | 'reject', rolloutId: string, step: number | null): OpenAsk {
  const ask = board.asks().find((open) => open.rolloutId === rolloutId);
  if (ask === undefined) {
    const doing = board.doing(rolloutId);
    throw new AppError('conflict', `rollout ${rolloutId} asks nothing now${doing === '' ? '' : `: it is ${doing}`}`, {
      hint:
        kind === 'reject' ? `to end it anyway: npx upshift abort ${rolloutId}` : 'watch it: npx upshift status --watch',
    });
  }
  if (step !== null && (ask.about !== 'step' || step !== ask.step)) {
    const [option, not] = ask.about === 'step' ? [` --step ${ask.step}`, `${step}`] : ['', `step ${step}`];
    throw new AppError('conflict', `rollout ${rolloutId} asks about ${askText(ask)}, not ${not}`, {
      hint: `look at it first: npx upshift status; then: npx upshift ${kind} ${rolloutId}${option}`,
    });
  }
  return ask;
}

async function replyTo(board: Board, word: string): Promise<Reply | null> {
  const end = performance.now() + PATIENCE_MS;
  for (;;) {
    const reply = board.replyTo(word);
    if (reply !== null || performance.now() > end) return reply;
    await pause(LOOK_EVERY_MS);
  }
}

/** Prints what became of a request, and sets the exit status. */
function show(
  request: { readonly request: number | string; readonly kind: Kind; readonly rollout: string },
  reply: Reply | null,
  { isRunning, wasAwaited }: { readonly isRunning: boolean; readonly wasAwaited: boolean },
  { json }: RequestOptions,
): void {
  const result = reply?.result ?? (wasAwaited ? 'unanswered' : 'queued');
  const message =
    reply?.message ??
    (wasAwaited
      ? `the daemon runs, but has not answered within ${PATIENCE_MS / 1_000} s; the request stays queued`
      : `queued for the ${isRunning ? 'daemon' : 'next daemon'}`);
  process.exitCode = {
    done: EXIT.ok,
    counted: EXIT.ok,
    queued: EXIT.ok,
    refused: EXIT.refused,
    unanswered: EXIT.failed,
  }[result];
  if (json) printJson({ ...request, result, message });
  else if (result === 'refused') throw new AppError('conflict', `${request.kind} refused: ${message}`);
  else if (result === 'unanswered')
    throw new AppError('timeout', message, { hint: 'see its log, and npx upshift status' });
  else
    printText(
      `${painter(process.stdout).green(result === 'queued' ? 'ok' : result)}: ${request.kind} ${request.rollout}: ${clean(message)}`,
    );
  if (!isRunning) warn('no daemon is running: the request is carried out once one is started (npx upshift start)');
}
