import { saidText } from '../../core/decide/holds.ts';
import { nearMissText } from '../../core/criteria/words.ts';
import { termsText } from '../../core/decide/terms.ts';
import type { RolloutStatus, RouteStatus } from '../../core/status.ts';
import { timeText } from '../terminal/format.ts';
import { lengthOf } from '../terminal/print.ts';
import { answerLines } from './cause.ts';
import { entry } from './page.ts';
import type { Page } from './page.ts';
import { isWayBack } from './way-back.ts';

/** What a route does now and why, who said so, and what a person can type. */

/** Since when serverless is out while the endpoint has a part of the calls, and who takes its calls. */
export function outageLines({ outSince }: RouteStatus, { through, toward, step }: RolloutStatus, page: Page): string[] {
  if (through !== undefined) {
    const by = through.by === 'policy' ? 'by itself, in the last step' : `wanted by ${through.by}`;
    return entry(
      'outage',
      [`serverless is out since ${timeText(through.since)}: its calls go to the endpoint`, by],
      page,
    );
  }
  if (outSince === undefined || toward === 'serverless' || step === 0) return [];
  return entry('outage', [`serverless is out since ${timeText(outSince)}: the calls that it has fail`], page);
}

/** Who began the rollout although the criteria did not, and who entered its step although the evidence did not allow it. */
export function saidLines({ proposedBy, overruledBy }: RolloutStatus, page: Page): string[] {
  return [
    ...(proposedBy === undefined ? [] : entry('by hand', [`proposed by ${saidText(proposedBy)}`], page)),
    ...(overruledBy === undefined
      ? []
      : entry('by hand', [`this step was entered over the evidence by ${saidText(overruledBy)}`], page)),
  ];
}

/** Reasons for which an instance is left. */
const NO_MACHINE: ReadonlySet<string> = new Set(['capacity_exhausted', 'quota']);

/** Reasons whose detail says what they are. */
const PLAIN: ReadonlySet<string> = new Set(['closed_window', 'frozen', 'paused', 'serverless_out']);

/** What the daemon decided last, and why. */
export function decisionLines(route: RouteStatus, page: Page): string[] {
  const { decision } = route;
  if (decision === null) return [];
  const reason = PLAIN.has(decision.reason) ? '' : `${decision.reason.replaceAll('_', ' ')}: `;
  const now = entry('now', [`${reason}${detailText(decision.detail, route)}`], page);
  if (isHeldByPerson(route)) return now;
  if (NO_MACHINE.has(decision.reason) && route.rollout?.alternatives !== undefined) {
    return [...now, ...entry('to do', ['nothing: the next instance is tried'], page)];
  }
  return [...now, ...answerLines(decision.cause, page)];
}

/** The detail without what has a line of its own: the verdict, what a yes leads to, and how near the criteria came. */
function detailText(detail: string, { rollout, demand }: RouteStatus): string {
  const terms = rollout?.ask?.terms;
  const shown = [
    ...(terms === undefined ? [] : [termsText(terms)]),
    ...(rollout?.verdict == null ? [] : [rollout.verdict.summary]),
    ...(rollout === null && demand.near !== undefined ? [nearMissText(demand.near)] : []),
  ];
  return shown.reduce((text, part) => text.replace(`; ${part}`, ''), detail);
}

/** While a person or an outage keeps the rollout where it is, what else is missing is no matter to do something about. */
function isHeldByPerson({ rollout, outSince }: RouteStatus): boolean {
  if (rollout === null) return false;
  const isOut = outSince !== undefined && rollout.through === undefined && rollout.step > 0;
  return rollout.pausedSince !== undefined || isOut;
}

const WORTH_ABORTING = new Set([
  'step_overdue',
  'rollout_overdue',
  'both_unhealthy',
  'stable_unable',
  'unhealthy',
  'serverless_cannot',
  'capacity',
  'saturated',
]);

/** The commands to type, if the daemon asks something or a person can help. */
export function commandLines(route: RouteStatus, rollout: RolloutStatus, page: Page): string[] {
  const { decision, windows, outSince } = route;
  const { id, ask, isPaused, pausedSince, step, through } = rollout;
  if (isPaused) return entry('type', [command(`resume ${id}`, page)], page, true);
  if (pausedSince !== undefined) return entry('type', [command('thaw', page)], page, true);
  if (outSince !== undefined && through === undefined && step > 0 && !isWayBack(rollout)) {
    const line = command(`promote ${id} --through-outage --reason "..."`, page);
    return entry('type', described(line, 'the endpoint takes them while it is out', page), page, true);
  }
  if (ask !== null) {
    const ends = isWayBack(rollout) ? 'the endpoint keeps its calls' : 'ends the rollout';
    const isStep = ask.about === undefined || ask.about === 'step';
    const yes = command(`approve ${id}${isStep ? ` --step ${ask.step}` : ''}`, page);
    const no = described(command(`reject ${id}`, page), isStep ? ends : 'changes nothing', page);
    if (ask.isBound === true && windows?.isOpen === false) {
      const later = entry('later', described(yes, 'when a window is open', page), page, true);
      return [...entry('type', no, page, true), ...later];
    }
    return entry('type', [...(isStep ? [yes] : described(yes, `yes to the ${ask.about}`, page)), ...no], page, true);
  }
  if (decision?.reason === 'held') return releaseLines(route, page);
  const isHeldBack = decision?.reason === 'serverless_cannot' && !isWayBack(rollout);
  if (decision !== null && WORTH_ABORTING.has(decision.reason) && !isHeldBack) {
    return entry('type', described(command(`abort ${id}`, page), 'to stop waiting', page), page, true);
  }
  return [];
}

/** The command that lets upshift propose again for a route, if a person keeps it from that. */
export function releaseLines({ decision, model }: RouteStatus, page: Page): string[] {
  if (decision?.reason === 'frozen') return entry('type', [command('thaw', page)], page, true);
  return decision?.reason === 'held' ? entry('type', [command(`resume --model ${model}`, page)], page, true) : [];
}

function command(words: string, page: Page): string {
  const suffix = page.commandSuffix === undefined ? '' : ` ${page.commandSuffix}`;
  return page.paint.bold(`npx upshift ${words}${suffix}`);
}

/** A command and what it does, on one line if there is room. */
function described(command: string, what: string, { width }: Page): string[] {
  const line = `${command}   ${what}`;
  return lengthOf(line) + 11 <= width ? [line] : [command, `  ${what}`];
}
