import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs';
import type { CommandModule } from 'yargs';
import { decideAgain } from '../../core/decide-again.ts';
import { CORE_VERSION } from '../../core/decide/decision.ts';
import { AppError } from '../../core/errors.ts';
import type { LedgerDb } from '../../ledger/database.ts';
import { verifyAudit } from '../../ledger/journal/audit.ts';
import type { AuditEvidence } from '../../ledger/journal/audit.ts';
import { checkpointOf, originOf, readCheckpoints, writeCheckpoint } from '../../ledger/journal/checkpoint.ts';
import { checkpointsPath } from '../../ledger/journal/daily.ts';
import { keyPathOf, openKey, readPublicKey } from '../../ledger/journal/key.ts';
import { readMark } from '../../ledger/journal/mark.ts';
import { readStatus } from '../../ledger/journal/status.ts';
import { listDecisions, listRollouts } from '../../ledger/journal/rollouts.ts';
import { copyLedger } from '../../ledger/copy.ts';
import { EXIT } from '../exit.ts';
import { chooseRollout } from '../input/choose-rollout.ts';
import { checkNumber, withGlobals } from '../input/options.ts';
import type { GlobalOptions } from '../input/options.ts';
import { parseSince } from '../input/span.ts';
import { openToRead } from '../reading.ts';
import { commandSuffix, openClock, timeOf } from '../session.ts';
import { numberText } from '../terminal/format.ts';
import { cleanAll, hasColor, printJson, printText, widthOf } from '../terminal/print.ts';
import { decisionsCsv, renderAudit, renderDecisions } from '../views/audit.ts';

interface AuditOptions extends GlobalOptions {
  readonly rollout: string | undefined;
  readonly since: string | undefined;
  readonly limit: number;
  readonly verify: boolean;
  readonly csv: boolean;
  readonly action: 'checkpoint' | 'key' | 'copy' | undefined;
  readonly file: string | undefined;
  readonly group: string | undefined;
  readonly key: string | undefined;
  readonly checkpoint: string | undefined;
}

const EPILOGUE =
  'To see one decision in full: npx upshift explain ID.\n' +
  'Exit status: 0 ok, 1 if --verify finds a problem. Decisions of another core\n' +
  'version are counted, but not made again; they do not change the exit status.\n' +
  '--json: one line for each decision {"id","at","model","rolloutId","action",\n' +
  '"reason","cause","detail","ticks","coreVersion","policyHash"}; with --verify one object\n' +
  '{"verified","consistent","against":"outside"|"itself","coreVersion",\n' +
  '"decisions","rerun","notCompared":[{"coreVersion","decisions"}],\n' +
  '"covered":{kind:rows},"calls":{"covered","until","open"},"rollouts","seals",\n' +
  '"head","problems":[{"decisionId","what","seal"}]}. calls: how many are as they\n' +
  'were sealed, up to when days are closed (epoch ms), and how many come after.\n' +
  'seal: the one of what is wrong. verified is true only if nothing was found\n' +
  'and --key or --checkpoint was given.';

export const auditCommand: CommandModule<object, AuditOptions> = {
  command: 'audit [action] [file]',
  describe: 'List every decision with its reason, or verify that nobody changed what the ledger says',
  builder: (yargs) =>
    withGlobals(yargs)
      .positional('action', {
        choices: ['checkpoint', 'key', 'copy'] as const,
        describe:
          'checkpoint: print a signed line that later shows whether rows were removed or rewritten. key: print the public key. copy: write a copy of the ledger for others to read, also while a daemon runs',
      })
      .positional('file', { type: 'string', describe: 'With copy: the file to write. It must not exist' })
      .option('group', {
        type: 'string',
        requiresArg: true,
        describe: 'With copy: the group of users that may read it. Without it, only you may',
      })
      .option('rollout', {
        type: 'string',
        requiresArg: true,
        describe: 'Only decisions about this rollout; the beginning of its id is enough',
      })
      .option('since', {
        type: 'string',
        requiresArg: true,
        describe: 'Only decisions since then: a span such as 2h, or a time such as 2026-11-24T12:00Z',
      })
      .option('limit', {
        type: 'number',
        default: 50,
        requiresArg: true,
        describe: 'At most this many, the newest ones; 0 for all',
      })
      .option('verify', {
        type: 'boolean',
        default: false,
        describe: 'Check the chain of hashes, and make every decision again from what it saw',
      })
      .option('csv', { type: 'boolean', default: false, describe: 'Print the decisions as CSV, with times in UTC' })
      .option('key', {
        type: 'string',
        requiresArg: true,
        describe: 'File with the key that signs: for --verify the public one that you kept elsewhere',
      })
      .option('checkpoint', {
        type: 'string',
        requiresArg: true,
        describe:
          'With --verify: a file with checkpoints that you kept elsewhere, such as a copy of upshift.db.checkpoints',
      })
      .example('npx upshift audit --since 2h', 'the decisions of the last two hours')
      .example('npx upshift audit --rollout k3v9q2ab --limit 0', 'all decisions about one rollout')
      .example('npx upshift audit --csv --limit 0 > decisions.csv', 'all decisions, for a spreadsheet')
      .example('npx upshift audit --verify', 'whether a decision was changed, removed or inserted')
      .example('npx upshift audit key > upshift.pub', 'keep it elsewhere: it shows later who wrote the ledger')
      .example('npx upshift audit copy /tmp/audit.db --group audit', 'for those who may not read the ledger itself')
      .example('npx upshift audit --verify --key upshift.pub', 'whether this ledger was written by that daemon')
      .epilogue(EPILOGUE),
  handler: async (options) => {
    const { limit } = options;
    if (options.csv && (options.json || options.verify || options.action !== undefined)) {
      throw new AppError('invalid', '--csv is for the list of decisions', {
        hint: 'leave out --json, --verify and the action',
      });
    }
    checkNumber('limit', limit, Number.isInteger(limit) && limit >= 0, 'a whole number; 0 for all');
    const db = await openToRead(options.db);
    try {
      if (options.action === 'checkpoint') printCheckpoint(db, options);
      else if (options.action === 'key') process.stdout.write(readPublicKey(options.key ?? keyPathOf(options.db)));
      else if (options.action === 'copy') copy(db, options);
      else if (options.verify) verify(db, options);
      else list(db, options);
    } finally {
      db.close();
    }
  },
};

function list(db: LedgerDb, { db: path, rollout, since, limit, json, csv: isCsv }: AuditOptions): void {
  const report = readStatus(db)?.report ?? null;
  const rows = listDecisions(db, {
    ...(rollout === undefined ? {} : { rollout: chooseRollout(listRollouts(db), rollout).id }),
    ...(since === undefined ? {} : { since: parseSince(since, timeOf(openClock(), report)) }),
    ...(limit === 0 ? {} : { limit }),
  });
  if (json) for (const row of rows) printJson(row);
  else if (isCsv) printText(decisionsCsv(rows));
  else if (rows.length === 0) printText('no decision matches; npx upshift audit --limit 0 lists all of them');
  else printText(renderDecisions(cleanAll(rows), { ...lookOf(process.stdout), commandSuffix: commandSuffix(path) }));
}

function printCheckpoint(db: LedgerDb, { db: path, key, json }: AuditOptions): void {
  const checkpoint = checkpointOf(db);
  if (checkpoint === null) {
    throw new AppError('not_found', `${path} has nothing yet that a checkpoint could be of`, {
      hint: 'make one after the first decision',
    });
  }
  const note = writeCheckpoint(checkpoint, openKey(key ?? keyPathOf(path)));
  if (json) printJson({ ...checkpoint, note });
  else process.stdout.write(note);
}

function copy(db: LedgerDb, { file, group, json }: AuditOptions): void {
  if (file === undefined) {
    throw new AppError('invalid', 'no file is named for the copy', {
      hint: 'for example: npx upshift audit copy audit.db',
    });
  }
  copyLedger(db, file, group);
  if (json) printJson({ file, group: group ?? null, bytes: statSync(file).size });
  else
    printText(
      `${file}: a copy of ${db.name}, which ${group === undefined ? 'only you' : `the group ${group}`} may read`,
    );
}

/** What the ledger is checked against. The key and the mark beside it show less, because whoever has it may have them. */
function evidenceFor(db: LedgerDb, { key, checkpoint }: AuditOptions): AuditEvidence {
  // A copy has none beside it.
  const path = db.name;
  const beside = keyPathOf(path);
  const publicKey = key !== undefined ? readPublicKey(key) : existsSync(beside) ? readPublicKey(beside) : null;
  const mark = readMark(path);
  const marks = mark === null ? [] : [{ ...mark, from: 'the mark beside the ledger' }];
  if (checkpoint !== undefined) {
    for (const { origin, seals, hash } of readCheckpoints(readFileSync(checkpoint, 'utf8'), publicKey)) {
      if (origin !== originOf(db)) {
        throw new AppError('conflict', `${checkpoint} is of ledger ${origin}, and this one is ${originOf(db)}`, {
          hint: 'name the ledger that the checkpoint was made of',
        });
      }
      marks.push({ seal: seals, hash, from: 'the checkpoint' });
    }
  }
  return { publicKey, marks };
}

/** Whether a checkpoint was given that is not in the file beside the ledger: whoever can write one can write the other. */
function isElsewhere({ db, checkpoint }: AuditOptions): boolean {
  return checkpoint !== undefined && realpathSync(checkpoint) !== checkpointsPath(db);
}

function verify(db: LedgerDb, options: AuditOptions): void {
  const { json } = options;
  const isShown = process.stderr.isTTY && !json;
  const onProgress = (done: number, part: string) => {
    if (isShown && done % 500 === 0) process.stderr.write(`\r${numberText(done)} ${part} checked\u001b[K`);
  };
  const evidence = evidenceFor(db, options);
  const report = verifyAudit(db, (input) => decideAgain(input), CORE_VERSION, { evidence, onProgress });
  if (isShown) process.stderr.write('\r\u001b[K');
  const consistent = report.problems.length === 0;
  const against = options.key !== undefined || isElsewhere(options) ? 'outside' : 'itself';
  const verified = consistent && against === 'outside';
  if (json) printJson({ verified, consistent, against, coreVersion: CORE_VERSION, ...report });
  else
    printText(renderAudit(cleanAll(report), { ...lookOf(process.stdout), against, isTerminal: process.stdout.isTTY }));
  process.exitCode = consistent ? EXIT.ok : EXIT.failed;
}

function lookOf(stream: NodeJS.WriteStream): { width: number; color: boolean } {
  return { width: widthOf(stream), color: hasColor(stream) };
}
