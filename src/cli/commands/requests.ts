import type { Argv, CommandModule } from 'yargs';
import type { OperatorRequest } from '../../core/decide/observation.ts';
import { AppError } from '../../core/errors.ts';
import { askText } from '../../core/rollout/ask.ts';
import { isOver } from '../../core/rollout/rollout.ts';
import { askDigest } from '../../ledger/journal/asks.ts';
import type { OpenAsk } from '../../ledger/journal/asks.ts';
import { openBoard } from '../board.ts';
import type { Board } from '../board.ts';
import { chooseRollout } from '../input/choose-rollout.ts';
import { checkGiven, checkNumber } from '../input/options.ts';
import { readReason, sayOfRoute, sayWord, WORD_EPILOGUE, wordOptions } from '../say-word.ts';
import type { WordOptions } from '../say-word.ts';
import { clean, printText, widthOf, wrap } from '../terminal/print.ts';
import { questionText } from '../views/questions.ts';

type Kind = OperatorRequest['kind'];

interface RequestOptions extends WordOptions {
  readonly rollout: string | undefined;
  /** As typed: a number that is left empty must not be taken for 0. */
  readonly step?: string | undefined;
  /** Of `approve`: enter the step whatever its evidence says. */
  readonly overEvidence?: boolean | undefined;
  /** Of `resume`: the route whose abort is lifted. */
  readonly model?: string | undefined;
}

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
export const abortCommand = plainCommand(
  'abort',
  'End a rollout: all its traffic rolls back to where it came from. Nothing like it is proposed again until `resume --model`',
);

export const resumeCommand: CommandModule<object, RequestOptions> = {
  command: 'resume [rollout]',
  describe: 'Let a paused rollout continue, or with --model let upshift propose again after an abort',
  builder: (yargs) =>
    common(yargs)
      .option('model', {
        type: 'string',
        requiresArg: true,
        describe: 'Lift the abort of the last rollout of this model, so that upshift may propose for it again',
      })
      .conflicts('model', 'rollout')
      .example('npx upshift resume', 'the only active rollout goes on')
      .example('npx upshift resume --model meta-llama/Llama-3.1-8B-Instruct', 'after an abort')
      .epilogue(WORD_EPILOGUE),
  handler: (options) => (options.model === undefined ? carryOut('resume', options) : sayOfRoute('resume', options)),
};

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
      .epilogue(WORD_EPILOGUE),
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
      if (kind === 'approve') {
        built.option('over-evidence', {
          boolean: true,
          describe:
            'Enter the step that --step names although its evidence is missing or no pass. Needs --step and --reason. Budgets, a lost endpoint and what it carries still count, and a policy can forbid it (overEvidence: false)',
        });
      }
      return examples.reduce((argv, [line, why]) => argv.example(line, why), built).epilogue(WORD_EPILOGUE);
    },
    handler: (options) => carryOut(options.overEvidence === true ? 'over_evidence' : kind, options),
  };
}

function plainCommand(kind: 'pause' | 'abort', describe: string): CommandModule<object, RequestOptions> {
  return {
    command: `${kind} [rollout]`,
    describe,
    builder: (yargs) =>
      common(yargs)
        .example(`npx upshift ${kind}`, 'the only active rollout')
        .example(`npx upshift ${kind} k3v`, 'the rollout whose id begins with k3v')
        .epilogue(WORD_EPILOGUE),
    handler: (options) => carryOut(kind, options),
  };
}

function common(yargs: Argv): Argv<RequestOptions> {
  return wordOptions(
    yargs.positional('rollout', {
      type: 'string',
      describe: 'Id of the rollout, or the beginning of it. Needed only if several are active',
    }),
  );
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
  const answers = { askId: ask?.id ?? null, askDigest: ask === null ? null : askDigest(ask) };
  await sayWord(board, { kind, rolloutId, model: null, ...answers, step, reason }, options);
}

/** What was typed. Throws AppError `invalid` for what is empty: in a script, an unset variable is no word. */
function read({ rollout, step: typed, reason, overEvidence }: RequestOptions): {
  step: number | null;
  reason: string | null;
} {
  if (overEvidence === true && (typed === undefined || reason === undefined)) {
    throw new AppError('invalid', '--over-evidence needs --step and --reason', {
      hint: 'npx upshift approve --over-evidence --step N --reason TEXT: the step that you saw, and why',
    });
  }
  for (const [name, value] of [
    ['the rollout', rollout],
    ['--step', typed],
    ['--reason', reason],
  ] as const) {
    checkGiven(name, value);
  }
  const step = typed === undefined ? null : Number(typed);
  if (step !== null) checkNumber('step', step, Number.isInteger(step) && step >= 0, 'a whole number from 0');
  return { step, reason: readReason(reason) };
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
