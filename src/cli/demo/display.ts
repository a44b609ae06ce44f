import type { Clock } from '../../core/clock.ts';
import type { RoutePolicy } from '../../core/policy/policy.ts';
import type { RouteStatus, StatusReport } from '../../core/status.ts';
import type { SwarmProgress } from '../../loadtest/swarm.ts';
import { bar, numberText } from '../terminal/format.ts';
import { cut, hasColor, widthOf } from '../terminal/print.ts';
import type { Screen } from '../terminal/screen.ts';
import { renderStatus } from '../views/status.ts';
import type { DemoOptions } from './options.ts';
import { expectedLeft, leftText } from './progress.ts';
import type { Stand } from './progress.ts';

export interface DisplayOptions {
  readonly options: DemoOptions;
  readonly dbPath: string;
  readonly clock: Clock;
  readonly policy: RoutePolicy;
  /** How long the traffic lasts at most, clock ms. */
  readonly lengthMs: number;
  /** Null if nothing is drawn in place. */
  readonly screen: Screen | null;
  /** Prints a line, if nothing is drawn in place. */
  readonly say: (line: string) => void;
}

/** Shows how a run goes: in place on a terminal, otherwise as a line whenever the phase or the reason changes. */
export class Display {
  readonly #given: DisplayOptions;
  readonly #startedAt: number;
  #lastSaid = '';

  constructor(given: DisplayOptions) {
    this.#given = given;
    this.#startedAt = given.clock.now();
    if (given.options.manual && given.screen === null) given.say(this.#manualText());
  }

  draw(report: StatusReport, progress: SwarmProgress | null, answers: readonly string[]): void {
    const { screen, clock, options } = this.#given;
    const { done, left } = this.#time(report.routes[0]);
    if (screen === null) {
      if (!options.json) this.#say(report.routes[0], done, left);
      return;
    }
    const { calls = 0, clientFailures = 0 } = progress ?? {};
    const counts = `${numberText(calls)} requests, ${clientFailures} failed`;
    const [width, color] = [widthOf(process.stdout), hasColor(process.stdout)];
    const time = options.manual ? left : `${bar(done, 10)} ${percent(done)}, ${left}`;
    const head = cut(`demo ${clock.scale}x  ${time}   ${counts}`, width);
    const view = renderStatus(report, { width, color, isRunning: true, now: clock.now() });
    // Above the page, because a low window loses the end, and without this line the page's commands find no ledger.
    const manual = options.manual ? [this.#manualText()] : [];
    screen.draw([head, ...manual, '', view, '', ...answers.map((line) => cut(`  ${line}`, width))].join('\n'));
  }

  #manualText(): string {
    return `in a second terminal: export UPSHIFT_DB=${this.#given.dbPath}`;
  }

  /** How much of the run is done, 0..1, and how long the rest takes. */
  #time(route: RouteStatus | undefined): { done: number; left: string } {
    const { clock, policy, lengthMs, options } = this.#given;
    const now = clock.now();
    const passed = now - this.#startedAt;
    const atMost = Math.max(0, lengthMs - passed);
    // Nobody knows when a person will answer.
    if (options.manual)
      return { done: passed / Math.max(1, lengthMs), left: 'goes on until you have approved all steps' };
    const expected = expectedLeft(standOf(route, this.#startedAt), policy, now);
    const left = Math.min(atMost, expected);
    return { done: passed / Math.max(1, passed + left), left: leftText(left / clock.scale) };
  }

  /** Prints a line only if the phase, the step or the reason has changed, so that the log does not repeat itself. */
  #say(route: RouteStatus | undefined, done: number, left: string): void {
    if (route?.decision == null) return;
    const { action, reason, detail } = route.decision;
    const line = `${route.phase}: ${detail}`;
    const key = [route.phase, route.rollout?.step, action, reason].join(' ');
    if (key === this.#lastSaid) return;
    this.#lastSaid = key;
    this.#given.say(`${percent(done).padStart(5)}, ${left}  ${line}`);
  }
}

function standOf(route: RouteStatus | undefined, startedAt: number): Stand {
  const rollout = route?.rollout ?? null;
  if (route !== undefined && rollout !== null) return { phase: route.phase, step: rollout.step, since: rollout.since };
  const last = route?.lastRollout ?? null;
  return last === null
    ? { phase: 'watching', step: 0, since: startedAt }
    : { phase: last.phase, step: 0, since: last.at };
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}
