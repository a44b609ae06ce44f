import type { CommandModule } from 'yargs';
import { CORE_VERSION } from '../../core/decide/decision.ts';
import { AppError } from '../../core/errors.ts';
import type { Profile } from '../../core/judge/profile.ts';
import { replay } from '../../core/judge/replay.ts';
import type { ReplayedVerdict } from '../../core/judge/replay.ts';
import type { Verdict } from '../../core/judge/verdict.ts';
import { policyOf } from '../../core/policy/of-model.ts';
import type { RoutePolicy } from '../../core/policy/policy.ts';
import { readEvent } from '../../core/rollout/stored.ts';
import { loadPolicy } from '../../files/policy.ts';
import { pastCalls, pastPairs, pastVerdicts } from '../../ledger/calls/judged.ts';
import type { PastVerdicts } from '../../ledger/calls/judged.ts';
import type { LedgerDb } from '../../ledger/database.ts';
import { events, listRollouts, pinnedPolicy } from '../../ledger/journal/rollouts.ts';
import type { RolloutRow } from '../../ledger/journal/rows.ts';
import { EXIT } from '../exit.ts';
import { chooseRollout } from '../input/choose-rollout.ts';
import { withGlobals } from '../input/options.ts';
import type { GlobalOptions } from '../input/options.ts';
import { countText, timeText } from '../terminal/format.ts';
import { openToRead } from '../reading.ts';
import { commandSuffix } from '../session.ts';
import { cleanAll, cut, painter, printJson, printText, table, widthOf, wrap } from '../terminal/print.ts';
import type { Paint } from '../terminal/print.ts';

interface JudgeOptions extends GlobalOptions {
  readonly replay: string;
  readonly policy: string | undefined;
}

export const judgeCommand: CommandModule<object, JudgeOptions> = {
  command: 'judge',
  describe: 'Compute the verdicts of a rollout again from its recorded calls',
  builder: (yargs) =>
    withGlobals(yargs)
      .option('replay', {
        type: 'string',
        demandOption: true,
        requiresArg: true,
        describe: 'Id of the rollout, or the beginning of it',
      })
      .option('policy', {
        type: 'string',
        requiresArg: true,
        describe: 'Use this policy file instead of the policy that the rollout has pinned',
      })
      .example('npx upshift judge --replay k3v9q2ab', 'check that every verdict comes out the same')
      .example('npx upshift judge --replay k3v9q2ab --policy strict.yaml', 'see what another policy would have said')
      .epilogue(
        'Exit status: 0 if every verdict came out exactly the same, 1 if one did not.\n' +
          'With --policy it is always 0. Verdicts of another core version are counted,\n' +
          'but not compared; they do not change the exit status.\n' +
          '--json: one line for each verdict {"decisionId","at","coreVersion","step",\n' +
          '"verdict","again","isSame"}; isSame is null if it was not compared. After them,\n' +
          'one line for each verdict of another core version that this one cannot read,\n' +
          'with null for "step", "verdict", "again" and "isSame".',
      ),
  handler: async ({ db: path, json, replay: named, policy: file }) => {
    const other = file === undefined ? null : (await loadPolicy(file)).policy;
    const db = await openToRead(path);
    try {
      const rollout = chooseRollout(listRollouts(db), named);
      const policy = other === null ? pinnedPolicy(db, rollout) : policyOf(other, rollout.model);
      const past = pastVerdicts(db, rollout.id);
      const found = cleanAll(judgeAgain(db, rollout, { policy, verdicts: past.verdicts }));
      const shown = cleanAll(rollout);
      const left = madeByOthers(past.unreadable, 'cannot be read, so not compared');
      if (json) {
        for (const { decisionId, at, coreVersion, verdict, again, isSame } of found) {
          printJson({ decisionId, at, coreVersion, step: verdict.step, verdict, again, isSame });
        }
        for (const row of past.unreadable) printJson({ ...row, step: null, verdict: null, again: null, isSame: null });
      } else printText(other === null ? renderReplay(shown, found, { left, path }) : renderOther(shown, found, left));
      process.exitCode = other !== null || found.every(({ isSame }) => isSame !== false) ? EXIT.ok : EXIT.failed;
    } finally {
      db.close();
    }
  },
};

function judgeAgain(
  db: LedgerDb,
  rollout: RolloutRow,
  { policy, verdicts }: { readonly policy: RoutePolicy; readonly verdicts: PastVerdicts['verdicts'] },
): readonly ReplayedVerdict[] {
  const past = {
    profile: profileOf(db, rollout),
    calls: pastCalls(db, rollout.id),
    pairs: pastPairs(db, rollout.id),
    verdicts,
  };
  const toward = rollout.toward === 'serverless' ? 'serverless' : 'dedicated';
  return replay(past, policy, { toward, coreVersion: CORE_VERSION });
}

function profileOf(db: LedgerDb, { id }: RolloutRow): Profile {
  for (const row of events(db, id)) {
    const event = readEvent(row);
    if (event.type !== 'warmed' && event.type !== 'proposed') continue;
    const profile = event.type === 'warmed' ? event.profile : event.rollout.wayBack?.profile;
    if (profile !== undefined) return profile;
  }
  throw new AppError('not_found', `rollout ${id} was never judged`, {
    hint: 'its endpoint was never warm; see npx upshift audit --rollout',
  });
}

function renderReplay(
  { id, model }: RolloutRow,
  found: readonly ReplayedVerdict[],
  { left, path }: { readonly left: readonly string[]; readonly path: string },
): string {
  const paint = painter(process.stdout);
  const compared = found.filter(({ isSame }) => isSame !== null);
  const different = compared.filter(({ isSame }) => isSame === false);
  const head = [
    `${paint.bold(id)}  ${model}`,
    `${countText(compared.length, 'verdict')} judged again from its calls`,
    ...madeByOthers(
      found.filter(({ isSame }) => isSame === null),
      'not compared',
    ),
    ...left,
  ].join('\n');
  if (different.length === 0) {
    const command = `npx upshift judge --replay ${id} --policy FILE ${commandSuffix(path) ?? ''}`.trimEnd();
    const [next = '', ...more] = wrap(
      `${command}: shows what another policy would have said`,
      widthOf(process.stdout) - 6,
    );
    const same = compared.length === 0 ? '' : `\n${paint.green('every verdict came out exactly the same')}`;
    return [`${head}${same}`, '', `${paint.dim('next')}  ${next}`, ...more.map((line) => `      ${line}`)].join('\n');
  }
  const verdicts = different.map(
    ({ decisionId, verdict, again }) =>
      `  decision ${decisionId}: ${verdict.summary}\n    now ${again === null ? 'no verdict: the ledger has too few calls' : again.summary}`,
  );
  return [head, paint.red(`${different.length} came out differently:`), ...verdicts].join('\n');
}

/** How many verdicts other core versions made, one line for each version, and what became of them. */
function madeByOthers(rows: readonly { readonly coreVersion: number }[], what: string): string[] {
  return [...Map.groupBy(rows, ({ coreVersion }) => coreVersion)].map(
    ([version, { length }]) =>
      `${countText(length, 'verdict')} made by core version ${version}, this is ${CORE_VERSION}: ${what}`,
  );
}

/** One line whenever the verdict then, or the one by this policy, changes. */
function renderOther({ id, model }: RolloutRow, found: readonly ReplayedVerdict[], left: readonly string[]): string {
  const paint = painter(process.stdout);
  const width = widthOf(process.stdout);
  const key = ({ verdict, again }: ReplayedVerdict) => `${verdict.step} ${verdict.status} ${again?.status ?? ''}`;
  const shown = found.filter((one, i) => i === 0 || key(one) !== key(found[i - 1] as ReplayedVerdict));
  const columns = ['time', 'step', 'then', 'by this policy'].map((title) => ({ title }));
  const rows = shown.map(({ at, verdict, again }) => [
    timeText(at),
    verdict.step === 0 ? 'shadow' : String(verdict.step),
    word(verdict, paint),
    again === null ? 'too few calls' : word(again, paint),
  ]);
  const [titles = '', ...lines] = table(columns, rows, paint);
  const rendered = shown.flatMap(({ again }, i) => [
    `  ${lines[i] ?? ''}`,
    ...(again === null ? [] : [paint.dim(`          ${cut(again.summary, width - 10)}`)]),
  ]);
  return [`${paint.bold(id)}  ${model}`, ...left, `  ${titles}`, ...rendered].join('\n');
}

function word({ status, cause }: Verdict, paint: Paint): string {
  const text = cause === null ? status : `${status} (${cause})`;
  return status === 'pass' ? paint.green(text) : status === 'fail' ? paint.red(text) : paint.yellow(text);
}
