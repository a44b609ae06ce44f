import type { CommandModule } from 'yargs';
import { decideAgain, readInput, readOutput } from '../../core/decide-again.ts';
import { CORE_VERSION } from '../../core/decide/decision.ts';
import type { Decision } from '../../core/decide/decision.ts';
import { AppError, errorMessage } from '../../core/errors.ts';
import { readEvent } from '../../core/rollout/stored.ts';
import { decision, events } from '../../ledger/journal/rollouts.ts';
import type { DecisionRecord } from '../../ledger/journal/rollouts.ts';
import type { EventRow } from '../../ledger/journal/rows.ts';
import { withGlobals } from '../input/options.ts';
import type { GlobalOptions } from '../input/options.ts';
import { openToRead } from '../reading.ts';
import { commandSuffix } from '../session.ts';
import { hasColor, printJson, printText, widthOf } from '../terminal/print.ts';
import { renderForeign } from '../views/explained-row.ts';
import type { ForeignDecision } from '../views/explained-row.ts';
import { renderExplanation } from '../views/explanation.ts';
import type { ExplainedDecision } from '../views/explanation.ts';

interface ExplainOptions extends GlobalOptions {
  readonly decision: string;
}

export const explainCommand: CommandModule<object, ExplainOptions> = {
  command: 'explain <decision>',
  describe: 'Explain one decision: what it saw, and why it was made',
  builder: (yargs) =>
    withGlobals(yargs)
      .positional('decision', {
        type: 'string',
        demandOption: true,
        describe: 'Number of the decision, as `npx upshift audit` lists it',
      })
      .example('npx upshift explain 42', 'explain decision 42')
      .epilogue(
        'Exit status: 0 ok, 2 no such decision.\n' +
          '--json: one object: the row of the decision, "input" (rollout and observation),\n' +
          '"output" (the decision), "events", "hash", and "again": "same" or "different" if\n' +
          'the decision was made again, "not compared" if another core version made it,\n' +
          '"not readable" if this version cannot even read it.',
      ),
  handler: async (options) => {
    const id = Number(options.decision.replace(/^#/, ''));
    if (!Number.isInteger(id) || id < 1) {
      throw new AppError('invalid', `"${options.decision}" is not the number of a decision`, {
        hint: 'see them: npx upshift audit',
      });
    }
    const { db: path } = options;
    const db = await openToRead(path);
    try {
      const row = decision(db, id);
      if (row === null)
        throw new AppError('not_found', `there is no decision ${id}`, { hint: 'see them: npx upshift audit' });
      const happened =
        row.rolloutId === null ? [] : events(db, row.rolloutId).filter(({ decisionId }) => decisionId === id);
      const explained = read(row, happened);
      if (options.json) printJson(explained);
      else {
        const options = { width: widthOf(process.stdout), color: hasColor(process.stdout) };
        const page = { ...options, suffix: commandSuffix(path) ?? '' };
        printText(
          explained.again === 'not readable' ? renderForeign(explained, page) : renderExplanation(explained, page),
        );
      }
    } finally {
      db.close();
    }
  },
};

/** A decision of another core version in the words of the ledger, if this version cannot read it. */
function read(row: DecisionRecord, happened: readonly EventRow[]): ExplainedDecision | ForeignDecision {
  const { input, output, ...rest } = row;
  let again: ExplainedDecision['again'] = 'not compared';
  try {
    if (row.coreVersion === CORE_VERSION) again = decideAgain(input) === output ? 'same' : 'different';
    return {
      ...rest,
      input: readInput(input, row.id),
      output: readOutput(output, row.id) as Decision,
      events: happened.map((event) => ({ at: event.at, type: event.type, data: readEvent(event) })),
      again,
    };
  } catch (cause) {
    if (row.coreVersion !== CORE_VERSION) return asStored(row, happened);
    throw unreadable(row, cause);
  }
}

function asStored(row: DecisionRecord, happened: readonly EventRow[]): ForeignDecision {
  try {
    return {
      ...row,
      input: JSON.parse(row.input),
      output: JSON.parse(row.output),
      events: happened.map(({ at, type, data }) => ({ at, type, data: JSON.parse(data) as unknown })),
      again: 'not readable',
    };
  } catch (cause) {
    throw unreadable(row, cause);
  }
}

function unreadable({ id }: DecisionRecord, cause: unknown): AppError {
  return new AppError('internal', `decision ${id} cannot be read: ${errorMessage(cause)}`, {
    hint: 'npx upshift audit --verify says whether it was changed',
    cause,
  });
}
