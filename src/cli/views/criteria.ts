import { kindsText, nearMissText } from '../../core/criteria/words.ts';
import { measure, measureText } from '../../core/criteria/criteria.ts';
import type { Measure } from '../../core/criteria/criteria.ts';
import { isSets, requireText } from '../../core/policy/criteria.ts';
import type { RouteStatus } from '../../core/status.ts';
import { spanText } from '../../core/text.ts';
import { latencyText, numberText, percentText, timeText } from '../terminal/format.ts';
import { wrap } from '../terminal/print.ts';
import { bar, meters } from './meters.ts';
import { entry } from './page.ts';
import type { Page } from './page.ts';
import { isWayBack } from './way-back.ts';

/** The criteria with their limits: as bars before a rollout, as one line while a rollout is running. */
export function criteriaLines(route: RouteStatus, page: Page): string[] {
  const { criteria, demand, phase, rollout } = route;
  const figures = measure(demand, criteria).map(({ figure, now, ...rest }) => {
    const { name, text } = SHOWN[figure];
    return { ...rest, name, now, measured: now === null ? '-' : text(now), wanted: text(rest.limit), figure };
  });
  if ((phase !== 'watching' && phase !== 'proposed') || isWayBack(rollout)) {
    const line = figures.map(({ name, measured, wanted }) => `${name} ${measured} / ${wanted}`).join(', ');
    return entry('demand', [`${line} in ${spanText(criteria.window)}`], page);
  }
  const rows = figures.map(({ figure, name, now, limit, isMet, measured, wanted }) => [
    name,
    measured,
    wanted,
    bar(reached(figure, now, limit), 1, page, isMet),
    isMet ? page.paint.green(figure === 'p95' || figure === 'availability' ? 'missed' : 'met') : '',
  ]);
  const held = demand.holdsSince === null ? 0 : Math.max(0, page.figuresAt - demand.holdsSince);
  rows.push([
    'held',
    spanText(held),
    spanText(criteria.sustain),
    bar(held, criteria.sustain, page),
    demand.holdsSince === null ? '' : `since ${timeText(demand.holdsSince)}`,
  ]);
  const needed = `${requireText(criteria.require)}${isSets(criteria.require) ? '' : ' of them'}`;
  const low = criteria.slo?.availability === undefined ? '' : ' (answered: below)';
  const rule = `needed: above these limits${low} in ${spanText(criteria.window)}, ${needed}`;
  const dim = wrap(rule, page.width - 11).map((line) => page.paint.dim(line));
  const words = wordsOf(route).flatMap((text) => wrap(text, page.width - 11));
  return entry('criteria', [...meters(rows), ...dim, ...words], page, true);
}

/** What was refused or delayed, and how near the criteria came if they do not hold. */
function wordsOf({ demand, criteria }: RouteStatus): string[] {
  const refused = measure(demand, criteria).find(({ figure }) => figure === 'refused');
  const kinds = kindsText(demand);
  const isQuiet = refused === undefined || (refused.now === 0 && kinds === null);
  const words = isQuiet ? null : `${measureText(refused)}${kinds === null ? '' : `: ${kinds}`}`;
  const near = demand.holdsSince === null && demand.near !== undefined ? nearMissText(demand.near) : null;
  return [words, near].filter((text) => text !== null);
}

const ratioText = (ratio: number) => ratio.toFixed(1);

const SHOWN: Readonly<Record<Measure['figure'], { readonly name: string; readonly text: (value: number) => string }>> =
  {
    calls: { name: 'calls', text: numberText },
    agents: { name: 'agents', text: numberText },
    refused: { name: 'refused', text: percentText },
    p95: { name: 'p95', text: latencyText },
    availability: { name: 'answered', text: (share) => percentText(share, 2) },
    ratio: { name: 'p99/p50', text: ratioText },
    // With little traffic an endpoint costs thousands of percent more, which helps nobody: `cost` shows both in dollars.
    cheaperBy: { name: 'cheaper', text: (share) => (share < 0 ? 'no' : percentText(share)) },
  };

/** How near a figure is to its limit, where 1 means that it is reached. For `answered`, failures are what counts. */
function reached(figure: Measure['figure'], now: number | null, limit: number): number {
  if (now === null) return 0;
  if (figure === 'availability') return limit >= 1 ? Number(now < 1) : (1 - now) / (1 - limit);
  return limit <= 0 ? 1 : Math.max(0, now / limit);
}
