import { moneyText } from '../../core/money/text.ts';
import { numberText as atOnceText } from '../../core/scaling/propose.ts';
import { spanText } from '../../core/text.ts';
import { cheapestState, monthlyMicros } from '../../core/worth/steady-states.ts';
import type { SteadyState, SteadyStates } from '../../core/worth/steady-states.ts';
import { countText, numberText, percentText } from '../terminal/format.ts';
import { table } from '../terminal/print.ts';
import { entry } from './page.ts';
import type { Page } from './page.ts';

/** With more than this, only the cheapest and those around it are shown. */
const MOST_STATES = 6;

/** What a month costs with each number of replicas, for people. */
export function renderSteadyStates(steady: SteadyStates | null, page: Pick<Page, 'width' | 'paint'>): string[] {
  if (steady === null) return [];
  const { paint } = page;
  const best = cheapestState(steady.states);
  const columns = [
    { title: 'in the long run' },
    ...['replicas', 'serverless', 'a month'].map((title) => ({ title, side: 'right' as const })),
  ];
  const shown = shownOf(steady.states, best);
  const rows = shown.map((state) => [
    stateText(state),
    ...[state.dedicatedMicros, state.serverlessMicros, monthlyMicros(state)].map(dollarsText),
  ]);
  const [head = '', ...lines] = table(columns, rows, paint);
  const marked = lines.map((line, i) =>
    shown[i]?.replicas === best?.replicas ? paint.green(` > ${line}`) : `   ${line}`,
  );
  const rule = steady.isOverflowOff === true ? ['overflow is off: calls that find all places taken wait for one'] : [];
  return [...entry('a month', [basisText(steady), ...rule], page), `   ${head}`, ...marked];
}

/** All on serverless, the cheapest, and as many around the cheapest as there is room for. */
function shownOf(states: readonly SteadyState[], best: SteadyState | null): SteadyState[] {
  const from = Math.max(1, Math.min((best?.replicas ?? 0) - 2, states.length - MOST_STATES));
  return [...states.slice(0, 1), ...states.slice(from, from + MOST_STATES - 1)];
}

function stateText({ replicas, overflowShare }: SteadyState): string {
  if (replicas === 0) return 'all on serverless';
  const some = countText(replicas, 'replica');
  return overflowShare === 0 ? some : `${some} + ${overflowText(overflowShare)} overflow`;
}

/** A month is an estimate: cents count only if there are few dollars. */
function dollarsText(micros: number): string {
  return micros < 10_000_000 ? moneyText(micros) : `$${numberText(micros / 1_000_000)}`;
}

/** A share that is not 0 never reads as 0. */
function overflowText(share: number): string {
  return share < 0.001 ? 'under 0.1 %' : percentText(share, share < 0.1 ? 1 : 0);
}

function basisText({ carries, isMeasured, spanMs, calls, perCallMicros }: SteadyStates): string {
  const replica = `a replica ${isMeasured ? 'was seen to carry' : 'carries by estimate'} ${atOnceText(carries)} at once`;
  const price = `1 000 cost $${(perCallMicros / 1_000).toPrecision(3)} on serverless`;
  return `if the ${countText(calls, 'call')} of the last ${spanText(spanMs)} go on: ${replica}, ${price}`;
}
