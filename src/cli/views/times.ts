import type { ForecastStep } from '../../core/judge/forecast.ts';
import type { Profile } from '../../core/judge/profile.ts';
import { longText } from '../../core/sweep/sweep.ts';
import { spanText } from '../../core/text.ts';
import { countText, numberText, percentText, weightText } from '../terminal/format.ts';
import { table } from '../terminal/print.ts';
import { entry } from './page.ts';
import type { Page } from './page.ts';

/** What a rollout of one route would take, were the endpoint as good as serverless. Times in clock ms. */
export interface PlannedTimes {
  readonly model: string;
  readonly profile: Profile;
  readonly margin: number;
  readonly certifiable: readonly { readonly minutes: number; readonly margin: number }[];
  /** The change windows and whether one is open, for people; null: changes may always be made. */
  readonly windows: string | null;
  readonly shadowMs: number;
  readonly steps: readonly ForecastStep[];
  /** Null where a step would never pass. */
  readonly totalMs: number | null;
}

/** How long a rollout would take, step by step, for people. */
export function renderTimes(plan: PlannedTimes, page: Pick<Page, 'width' | 'paint'>): string[] {
  const { paint } = page;
  const { model, profile, steps, shadowMs, totalMs } = plan;
  const { speed } = profile.drift;
  const seen = `${countText(profile.calls, 'call')} over ${spanText(profile.spanMs)}, ${numberText(Math.round(profile.callsPerMinute))} a minute`;
  const head = [paint.bold(model), ...entry('history', [seen], page)];
  if (profile.calls === 0)
    return [...head, ...entry('times', ['not known without a history: let upshift watch for some hours'], page)];
  const correlated = speed.phi <= 0 ? 0 : -1 / Math.log(speed.phi);
  const margins = plan.certifiable.map(
    ({ minutes, margin }) => `+${percentText(margin, 0)} in ${spanText(minutes * 60_000)}`,
  );
  const columns = [
    { title: 'step', side: 'right' as const },
    { title: 'weight', side: 'right' as const },
    { title: 'evidence after', side: 'right' as const },
    { title: 'lasts', side: 'right' as const },
    { title: 'calls', side: 'right' as const },
  ];
  const rows = steps.map(({ step, weight, minutes, lasts, calls }) => [
    String(step),
    `${weightText(weight)} %`,
    minutes === null ? paint.yellow('over a week') : minutes === 0 ? 'at once' : longText(minutes * 60_000),
    lasts === null ? '-' : longText(lasts * 60_000),
    calls === null ? '-' : numberText(calls),
  ]);
  const shadow = shadowMs === 0 ? [] : entry('shadow', [`${spanText(shadowMs)} of copies first`], page);
  return [
    ...head,
    ...entry(
      'drift',
      [`${percentText(speed.sigma)} from minute to minute, correlated over ${spanText(correlated * 60_000)}`],
      page,
    ),
    ...entry(
      'speed',
      [
        `the policy allows +${percentText(plan.margin, 0)}; at ${weightText(steps[0]?.weight ?? 0)} % can be certified: ${margins.join(', ')}`,
      ],
      page,
    ),
    ...shadow,
    ...(plan.windows === null ? [] : entry('windows', [plan.windows], page)),
    '',
    ...table(columns, rows, paint).map((line) => `  ${line}`),
    '',
    totalMs === null
      ? paint.yellow('  Some step would take over a week: widen its margins, or wait for more traffic.')
      : `  In all about ${longText(totalMs)}, plus the time until somebody approves${plan.windows === null ? '' : ' in a window'}.`,
  ];
}
