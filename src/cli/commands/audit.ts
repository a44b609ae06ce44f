import type { CommandModule } from 'yargs';
import { decideAgain } from '../../core/decide-again.ts';
import { CORE_VERSION } from '../../core/decide/decision.ts';
import type { LedgerDb } from '../../ledger/database.ts';
import { verifyAudit } from '../../ledger/journal/audit.ts';
import type { AuditReport } from '../../ledger/journal/audit.ts';
import { readStatus } from '../../ledger/journal/status.ts';
import { listDecisions, listRollouts } from '../../ledger/journal/rollouts.ts';
import type { DecisionRow } from '../../ledger/journal/rollouts.ts';
import { openForReading } from '../../ledger/open.ts';
import { EXIT } from '../exit.ts';
import { chooseRollout } from '../input/choose-rollout.ts';
import { checkNumber, withGlobals } from '../input/options.ts';
import type { GlobalOptions } from '../input/options.ts';
import { parseSince } from '../input/span.ts';
import { commandSuffix, openClock, timeOf } from '../session.ts';
import { countText, dateText, numberText } from '../terminal/format.ts';
import { cleanAll, cut, painter, printJson, printText, table, widthOf } from '../terminal/print.ts';

interface AuditOptions extends GlobalOptions {
  readonly rollout: string | undefined;
  readonly since: string | undefined;
  readonly limit: number;
  readonly verify: boolean;
}

export const auditCommand: CommandModule<object, AuditOptions> = {
  command: 'audit',
  describe: 'List every decision with its reason, or verify that nobody changed them',
  builder: (yargs) =>
    withGlobals(yargs)
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
      .example('npx upshift audit --since 2h', 'the decisions of the last two hours')
      .example('npx upshift audit --rollout k3v9q2ab --limit 0', 'all decisions about one rollout')
      .example('npx upshift audit --verify', 'whether a decision was changed, removed or inserted')
      .epilogue(
        'To see one decision in full: npx upshift explain ID.\n' +
          'Exit status: 0 ok, 1 if --verify finds a problem. Decisions of another core\n' +
          'version are counted, but not made again; they do not change the exit status.\n' +
          '--json: one line for each decision {"id","at","model","rolloutId","action",\n' +
          '"reason","detail","ticks","coreVersion","policyHash"}; with --verify one object\n' +
          '{"verified","coreVersion","decisions","rerun","notCompared":[{"coreVersion",\n' +
          '"decisions"}],"head","problems":[{"decisionId","what"}]}.',
      ),
  handler: (options) => {
    const { limit } = options;
    checkNumber('limit', limit, Number.isInteger(limit) && limit >= 0, 'a whole number; 0 for all');
    const db = openForReading(options.db);
    try {
      if (options.verify) verify(db, options);
      else list(db, options);
    } finally {
      db.close();
    }
  },
};

function list(db: LedgerDb, { db: path, rollout, since, limit, json }: AuditOptions): void {
  const report = readStatus(db)?.report ?? null;
  const rows = listDecisions(db, {
    ...(rollout === undefined ? {} : { rollout: chooseRollout(listRollouts(db), rollout).id }),
    ...(since === undefined ? {} : { since: parseSince(since, timeOf(openClock(), report)) }),
    ...(limit === 0 ? {} : { limit }),
  });
  if (json) for (const row of rows) printJson(row);
  else if (rows.length === 0) printText('no decision matches; npx upshift audit --limit 0 lists all of them');
  else printText(renderDecisions(cleanAll(rows), commandSuffix(path)));
}

function renderDecisions(rows: readonly DecisionRow[], suffix = ''): string {
  const paint = painter(process.stdout);
  const models = new Set(rows.map(({ model }) => model));
  const columns = [
    { title: 'id', side: 'right' as const },
    { title: 'time' },
    ...(models.size > 1 ? [{ title: 'route' }] : []),
    { title: 'action' },
    { title: 'reason' },
    { title: 'ticks', side: 'right' as const },
  ];
  const cells = rows.map((row) => [
    String(row.id),
    dateText(row.at),
    ...(models.size > 1 ? [cut(row.model.split('/').at(-1) ?? '', 24)] : []),
    row.action === 'wait' ? row.action : paint.bold(row.action),
    row.reason,
    numberText(row.ticks),
  ]);
  const [head = '', ...lines] = table(columns, cells, paint);
  const width = widthOf(process.stdout);
  // The sentence has its own line, because a narrow window has no room for it beside the columns.
  const decisions = rows.flatMap(({ detail }, i) => [
    lines[i] ?? '',
    paint.dim(`        ${cut(detail ?? '', width - 8)}`),
  ]);
  const [only] = models;
  const shown = rows.findLast(({ action }) => action !== 'wait') ?? rows.at(-1);
  const next = `npx upshift explain ${[shown?.id, suffix].join(' ').trimEnd()}: explains that decision`;
  return [
    ...(models.size === 1 ? [paint.bold(only ?? '')] : []),
    head,
    ...decisions,
    '',
    `${paint.dim('next')}  ${next}`,
  ].join('\n');
}

function verify(db: LedgerDb, { json }: AuditOptions): void {
  const isShown = process.stderr.isTTY && !json;
  const progress = (done: number) => {
    if (isShown && done % 500 === 0) process.stderr.write(`\r${numberText(done)} decisions checked`);
  };
  const report = verifyAudit(db, (input) => decideAgain(input), CORE_VERSION, progress);
  if (isShown) process.stderr.write('\r\u001b[K');
  const verified = report.problems.length === 0;
  if (json) printJson({ verified, coreVersion: CORE_VERSION, ...report });
  else printText(renderAudit(cleanAll(report)));
  process.exitCode = verified ? EXIT.ok : EXIT.failed;
}

function renderAudit({ decisions, rerun, notCompared, head, problems }: AuditReport): string {
  const paint = painter(process.stdout);
  const lines = [
    `${countText(decisions, 'decision')} read: hashes, policies, events and approvals are checked`,
    `${countText(rerun, 'decision')} made again from what they saw`,
  ];
  for (const { coreVersion, decisions: count } of notCompared) {
    lines.push(
      `${countText(count, 'decision')} made by core version ${coreVersion}, this is ${CORE_VERSION}: not compared`,
    );
  }
  if (problems.length === 0) {
    return [
      ...lines,
      paint.green('verified: no decision was changed, removed or inserted'),
      `head ${head ?? 'none'}`,
      paint.dim('Keep this head elsewhere: it shows later whether the newest rows were removed.'),
      paint.dim('The chain does not cover calls.'),
    ].join('\n');
  }
  const listed = problems.map(
    ({ decisionId, what }) => `  ${decisionId === null ? 'the file' : `decision ${decisionId}`}: ${what}`,
  );
  const next = `${paint.dim('next')}  keep a copy of the file before anything else; npx upshift explain ID shows one`;
  return [...lines, paint.red(`${countText(problems.length, 'problem')}:`), ...listed, next].join('\n');
}
