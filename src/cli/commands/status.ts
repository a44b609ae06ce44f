import { setTimeout as pause } from 'node:timers/promises';
import type { CommandModule } from 'yargs';
import type { Clock } from '../../core/clock.ts';
import { AppError, errorMessage } from '../../core/errors.ts';
import type { RouteStatus, StatusReport } from '../../core/status.ts';
import type { LedgerDb } from '../../ledger/database.ts';
import { readStatus } from '../../ledger/journal/status.ts';
import { isAlive, isLocked } from '../../ledger/lock.ts';
import type { Published } from '../../ledger/words/published.ts';
import { publishedOnly } from '../board.ts';
import { EXIT } from '../exit.ts';
import { withGlobals } from '../input/options.ts';
import type { GlobalOptions } from '../input/options.ts';
import { openToRead } from '../reading.ts';
import { commandSuffix, openClock, timeOf } from '../session.ts';
import { hasColor, printJson, printText, warn, widthOf } from '../terminal/print.ts';
import { openScreen } from '../terminal/screen.ts';
import { renderQuestions } from '../views/questions.ts';
import { renderStatus } from '../views/status.ts';

interface StatusOptions extends GlobalOptions {
  readonly watch: boolean;
}

interface Seen {
  readonly report: StatusReport;
  readonly isRunning: boolean;
  readonly now: number;
}

/** In real ms: how often the ledger is looked at, and so the most often that is drawn. */
const LOOK_EVERY_MS = 250;
/** A report this young, in real ms, is proof enough that its daemon runs; its lock is left alone. */
const FRESH_MS = 3_000;

export const statusCommand: CommandModule<object, StatusOptions> = {
  command: 'status',
  describe: 'Show what the daemon sees, does and waits for',
  builder: (yargs) =>
    withGlobals(yargs)
      .option('watch', {
        type: 'boolean',
        default: false,
        alias: 'w',
        describe: 'Keep showing the status until Ctrl-C',
      })
      .example('npx upshift status', 'show it once')
      .example('npx upshift status --watch', 'redraw it in place; through a pipe, print it again after each change')
      .example("npx upshift status --json | jq -r '.routes[].phase'", 'the phase of each route, for a script')
      .epilogue(
        'Exit status: 0 if the daemon is running, 3 if it is not. In both cases the last\n' +
          'figures are shown. Somebody who may approve but not read the ledger sees what is\n' +
          'asked (upshift start --group), with the role read all of it, from a copy.\n' +
          '--json: one object, the report with "running": boolean. With --watch, one such\n' +
          'line for each new report.',
      ),
  handler: async (options) => {
    const published = publishedOnly(options.db);
    if (published !== null && options.watch) throw noWatch();
    const db = published === null ? await openToRead(options.db) : await openIfReader(published, options);
    if (db === null) {
      process.exitCode = showQuestions(published as Published, options);
      return;
    }
    const clock = openClock();
    try {
      if (options.watch) await watch(db, clock, options);
      else process.exitCode = show(look(db, clock, options, false), options);
    } finally {
      db.close();
    }
  },
};

/** A copy of the ledger for who may read one; null for who may only approve, or if there is no copy, which is said. */
async function openIfReader({ hasReaders }: Published, { db }: StatusOptions): Promise<LedgerDb | null> {
  if (!hasReaders) return null;
  try {
    return await openToRead(db);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    warn(`this is only what is asked: ${errorMessage(error)}`);
    return null;
  }
}

function noWatch(): AppError {
  return new AppError('invalid', 'status --watch reads the ledger itself, which this user may not read', {
    hint: 'without --watch it shows one state; for more: watch -n 10 npx upshift status',
  });
}

function look(db: LedgerDb, clock: Clock, { db: path }: StatusOptions, trustsFresh: boolean): Seen {
  const row = readStatus(db);
  if (row === null) {
    throw new AppError('not_found', `no daemon has run on ${path} yet`, { hint: 'start it: npx upshift start' });
  }
  const { report, problem } = row;
  if (report === null) throw problem;
  const now = timeOf(clock, report);
  const isFresh = report.timeScale === clock.scale && (now - report.at) / clock.scale < FRESH_MS;
  // Of a copy: nobody may ask the daemon's lock but its own user.
  const isRunning =
    db.name === path ? (isFresh && (trustsFresh || isAlive(row.pid))) || isLocked(path) : isAlive(row.pid);
  return { report, now, isRunning };
}

function show({ report, isRunning, now }: Seen, { json, db }: StatusOptions): number {
  if (json) printJson({ ...report, running: isRunning });
  else printText(renderStatus(report, { ...viewOptions(db), isRunning, now }));
  return isRunning ? EXIT.ok : EXIT.needsDaemon;
}

/** For those who may not read the ledger. */
function showQuestions(published: Published, { json, db }: StatusOptions): number {
  const isRunning = isAlive(published.pid);
  if (json) printJson({ running: isRunning, rollouts: published.rollouts, asks: published.asks });
  else printText(renderQuestions(published, { ...viewOptions(db), isRunning }));
  return isRunning ? EXIT.ok : EXIT.needsDaemon;
}

function viewOptions(db: string): { width: number; color: boolean; commandSuffix?: string } {
  const suffix = commandSuffix(db);
  return {
    width: widthOf(process.stdout),
    color: hasColor(process.stdout),
    ...(suffix === undefined ? {} : { commandSuffix: suffix }),
  };
}

async function watch(db: LedgerDb, clock: Clock, options: StatusOptions): Promise<void> {
  const isLive = process.stdout.isTTY && !options.json;
  const screen = isLive ? openScreen(process.stdout) : null;
  const stop = new AbortController();
  const onSignal = (signal: NodeJS.Signals) => {
    process.exitCode = signal === 'SIGINT' ? EXIT.interrupted : 143;
    stop.abort();
  };
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
  let last = '';
  const step = () => {
    const seen = look(db, clock, options, true);
    if (screen !== null) {
      const text = renderStatus(seen.report, { ...viewOptions(options.db), isRunning: seen.isRunning, now: seen.now });
      if (text !== last) screen.draw(text);
      last = text;
      return;
    }
    const news = options.json ? `${seen.report.at} ${seen.isRunning}` : newsOf(seen);
    if (news === last) return;
    if (last !== '' && !options.json) printText('');
    show(seen, options);
    last = news;
  };
  const onResize = () => {
    last = '';
    step();
  };
  process.stdout.on('resize', onResize);
  try {
    while (!stop.signal.aborted) {
      step();
      await pause(LOOK_EVERY_MS, undefined, { signal: stop.signal }).catch(() => undefined);
    }
  } finally {
    process.stdout.removeListener('resize', onResize);
    screen?.close();
  }
}

/** What is worth a new block in a log: where routes stand and what is decided; not every figure. */
function newsOf({ report, isRunning }: Seen): string {
  const route = ({ model, phase, decision, rollout, notes }: RouteStatus) => {
    const stand = [rollout?.id, rollout?.step, rollout?.isPaused, rollout?.ask, rollout?.verdict?.status];
    return [model, phase, decision?.action, decision?.reason, stand, notes];
  };
  const { policy, account, ledger } = report;
  return JSON.stringify([isRunning, policy, account, ledger.isDegraded, ledger.lost, report.routes.map(route)]);
}
