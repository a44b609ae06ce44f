import { setTimeout as pause } from 'node:timers/promises';
import type { Argv } from 'yargs';
import { AppError } from '../core/errors.ts';
import type { Reply } from '../ledger/words/published.ts';
import { LONGEST_REASON } from '../ledger/words/word.ts';
import type { Word } from '../ledger/words/word.ts';
import { openBoard } from './board.ts';
import type { Board } from './board.ts';
import { EXIT } from './exit.ts';
import { checkGiven, withGlobals } from './input/options.ts';
import type { GlobalOptions } from './input/options.ts';
import { clean, labelled, painter, printJson, printText, warn } from './terminal/print.ts';

/** In real ms. */
const PATIENCE_MS = 10_000;
const LOOK_EVERY_MS = 50;

/** What every command that says a word takes. */
export interface WordOptions extends GlobalOptions {
  readonly reason: string | undefined;
  readonly wait: boolean;
}

export const WORD_EPILOGUE =
  'This command writes a word, a file beside the ledger. The daemon makes it a\n' +
  'request in the ledger: the owner of the file is who asks. It carries it out\n' +
  'once. If no daemon is running, the word waits for one.\n' +
  'Exit status: 0 done, counted or queued, 1 no answer within 10 s,\n' +
  '2 nothing of that name, 4 refused.\n' +
  '--json: {"request","kind","rollout","model","result":"done"|"counted"|\n' +
  '"refused"|"queued"|"unanswered","message"}. counted: more people must approve.\n' +
  'request: the number of the request, or the name of the word as long as it is\n' +
  'only that. rollout or model: what it is about; both null: all routes.';

/** Adds the options that every command that says a word takes. */
export function wordOptions<T>(yargs: Argv<T>): Argv<T & WordOptions> {
  return (withGlobals(yargs as Argv) as Argv<T & GlobalOptions>)
    .option('reason', { type: 'string', requiresArg: true, describe: 'Why; the ledger keeps it' })
    .option('no-wait', { type: 'boolean', describe: 'Do not wait until the daemon has answered' })
    .option('wait', { type: 'boolean', default: true, hidden: true });
}

/** A reason as it was typed. Throws AppError `invalid` if it is empty or too long. */
export function readReason(reason: string | undefined): string | null {
  checkGiven('--reason', reason);
  if (reason !== undefined && reason.length > LONGEST_REASON) {
    throw new AppError('invalid', `--reason has ${reason.length} letters; at most ${LONGEST_REASON} are kept`);
  }
  return reason?.toWellFormed() ?? null;
}

/** Says a word that is about a whole route, or about all of them if `model` is null. */
export async function sayOfRoute(
  kind: Word['kind'],
  options: WordOptions & { readonly model?: string | undefined },
): Promise<void> {
  checkGiven('--model', options.model);
  const reason = readReason(options.reason);
  using board = openBoard(options.db);
  const model = options.model ?? null;
  await sayWord(board, { kind, rolloutId: null, model, askId: null, askDigest: null, step: null, reason }, options);
}

/** Says a word, waits for what becomes of it, prints that, and sets the exit status. */
export async function sayWord(board: Board, word: Word, options: WordOptions): Promise<void> {
  const isRunning = board.isRunning();
  const name = board.say(word);
  const wasAwaited = isRunning && options.wait;
  const reply = wasAwaited ? await awaitReply(board, name) : null;
  const { kind, rolloutId: rollout, model } = word;
  show({ request: board.requestOf(name) ?? name, kind, rollout, model }, reply, { isRunning, wasAwaited }, options);
}

/** What became of a word, looked for again and again for 10 s; null if nothing yet. */
export async function awaitReply(board: Board, word: string): Promise<Reply | null> {
  const end = performance.now() + PATIENCE_MS;
  for (;;) {
    const reply = board.replyTo(word);
    if (reply !== null || performance.now() > end) return reply;
    await pause(LOOK_EVERY_MS);
  }
}

/** Prints what became of a request, and sets the exit status. */
function show(
  request: {
    readonly request: number | string;
    readonly kind: string;
    readonly rollout: string | null;
    readonly model: string | null;
  },
  reply: Reply | null,
  { isRunning, wasAwaited }: { readonly isRunning: boolean; readonly wasAwaited: boolean },
  { json }: WordOptions,
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
  const about = [request.kind, request.rollout ?? request.model].filter((part) => part !== null);
  if (json) printJson({ ...request, result, message });
  else if (result === 'refused') throw new AppError('conflict', `${request.kind} refused: ${message}`);
  else if (result === 'unanswered')
    throw new AppError('timeout', message, { hint: 'see its log, and npx upshift status' });
  else
    printText(
      labelled(`${result === 'queued' ? 'ok' : result}:`, `${about.join(' ')}: ${clean(message)}`, {
        paint: painter(process.stdout).green,
        stream: process.stdout,
      }),
    );
  if (!isRunning) warn('no daemon is running: the request is carried out once one is started (npx upshift start)');
}
