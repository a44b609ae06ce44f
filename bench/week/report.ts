import type { CostReport } from '../../src/core/money/cost.ts';
import { readEvent } from '../../src/core/rollout/stored.ts';
import { usageBetween } from '../../src/ledger/money/costs.ts';
import type { LedgerDb } from '../../src/ledger/database.ts';
import { events, listRollouts } from '../../src/ledger/journal/rollouts.ts';
import { DAY_MS } from './load.ts';

const HOUR_MS = 3_600_000;
const BARS = '▁▂▃▄▅▆▇█';

/** What a week came to. Money in micro-dollars. */
export interface WeekResult {
  readonly days: readonly WeekDay[];
  readonly calls: number;
  readonly clientFailures: number;
  /** Spent on endpoints by the ledger's books, and by the simulation's own meter. */
  readonly dedicatedMicros: number;
  readonly meterMicros: number;
  /** What endpoints that still ran at the end cost in three minutes. */
  readonly runningMicros: number;
  readonly serverlessMicros: number;
  /** What all of the calls would have cost on serverless, and on an endpoint that never slept. */
  readonly allServerlessMicros: number | null;
  readonly allDedicatedMicros: number | null;
  readonly rollouts: readonly { readonly id: string; readonly toward: string; readonly phase: string }[];
}

interface WeekDay {
  readonly day: string;
  readonly calls: number;
  readonly serverlessMicros: number;
  readonly dedicatedMicros: number;
  /** Calls in each hour, and the share of them that the endpoint served; null where there were none. */
  readonly hours: readonly { readonly calls: number; readonly share: number | null }[];
  /** Migrations that were completed on the day, in either direction. */
  readonly up: number;
  readonly down: number;
}

/** Reads a week from the ledger and from what `upshift cost` said of it. */
export function readWeek(
  db: LedgerDb,
  cost: CostReport,
  given: { startedAt: number; days: number; clientFailures: number; meterMicros: number; runningMicros: number },
): WeekResult {
  const { startedAt, days, ...rest } = given;
  const rollouts = listRollouts(db).map(({ id, toward, phase }) => ({ id, toward, phase }));
  const ended = rollouts.flatMap(({ id }) =>
    events(db, id).flatMap((row) => {
      const { at } = row;
      const event = readEvent(row);
      if (event.type === 'promoted') return [{ at, isUp: true }];
      const isReturn = event.type === 'ended' && event.outcome === 'returned';
      return isReturn && id === backOf(db, id) ? [{ at, isUp: false }] : [];
    }),
  );
  return {
    ...rest,
    calls: cost.serverless.calls + cost.dedicated.calls,
    serverlessMicros: cost.serverless.micros,
    dedicatedMicros: cost.dedicated.micros,
    allServerlessMicros: cost.routes[0]?.allServerlessMicros ?? null,
    allDedicatedMicros: cost.routes[0]?.breakEven
      ? Math.round((cost.routes[0].breakEven.ratePerHourMicros * days * DAY_MS) / HOUR_MS)
      : null,
    rollouts,
    days: Array.from({ length: days }, (_, i) => {
      const from = startedAt + i * DAY_MS;
      const day = new Date(from).toISOString().slice(0, 10);
      const line = cost.days.find(({ key }) => key === day);
      const within = ended.filter(({ at }) => at >= from && at < from + DAY_MS);
      return {
        day,
        calls: line?.calls ?? 0,
        serverlessMicros: line?.serverlessMicros ?? 0,
        dedicatedMicros: line?.dedicatedMicros ?? 0,
        hours: hoursOf(db, from),
        up: within.filter(({ isUp }) => isUp).length,
        down: within.filter(({ isUp }) => !isUp).length,
      };
    }),
  };
}

/** The id itself where a rollout is a way back: the one that it replaces ends with it, and is no migration of its own. */
function backOf(db: LedgerDb, id: string): string | null {
  return listRollouts(db).find((rollout) => rollout.id === id)?.toward === 'serverless' ? id : null;
}

function hoursOf(db: LedgerDb, from: number): WeekDay['hours'] {
  const times = Array.from({ length: 25 }, (_, hour) => from + hour * HOUR_MS);
  const rows = usageBetween(db, times, { byAgent: false, model: null });
  return times.slice(0, -1).map((at) => {
    const mine = rows.filter(({ fromAt }) => fromAt === at);
    const sum = (some: typeof mine) => some.reduce((calls, row) => calls + row.calls, 0);
    const calls = sum(mine);
    const share = calls === 0 ? null : sum(mine.filter(({ upstream }) => upstream === 'dedicated')) / calls;
    return { calls, share };
  });
}

/** Which promises of a week were not kept. */
export function brokenPromises(week: WeekResult): string[] {
  const { days, clientFailures, dedicatedMicros, meterMicros, runningMicros } = week;
  const broken: string[] = [];
  if (clientFailures > 0) broken.push(`${clientFailures} calls failed`);
  for (const { day, up, down } of days) if (up + down > 2) broken.push(`${day}: ${up + down} migrations`);
  if (days.every(({ up }) => up === 0)) broken.push('it never went up');
  if (days.every(({ down }) => down === 0)) broken.push('it never came back down');
  // An endpoint that still runs is read by the one a little later than by the other.
  const apart = Math.abs(dedicatedMicros - meterMicros);
  if (apart > runningMicros) broken.push(`books ${dollars(dedicatedMicros)}, meter ${dollars(meterMicros)}`);
  return broken;
}

/** A week at 80 columns. */
export function weekText(week: WeekResult): string {
  const most = Math.max(1, ...week.days.flatMap(({ hours }) => hours.map(({ calls }) => calls)));
  const lines = week.days.flatMap((day) => {
    const { hours, up, down } = day;
    const load = hours.map(({ calls }) => BARS[Math.min(7, Math.floor((calls / most) * 8))]).join('');
    const share = hours
      .map((hour) => (hour.share === null ? ' ' : BARS[Math.min(7, Math.floor(hour.share * 8))]))
      .join('');
    const money = [day.serverlessMicros, day.dedicatedMicros, day.serverlessMicros + day.dedicatedMicros];
    const text = money.map((micros) => dollars(micros).padStart(9)).join('');
    return [
      `${day.day}  ${String(day.calls).padStart(7)}  ${load}${text}`,
      `            endpoint  ${share}  ${up} up, ${down} down`,
    ];
  });
  const { serverlessMicros, dedicatedMicros, allServerlessMicros, allDedicatedMicros } = week;
  const spent = serverlessMicros + dedicatedMicros;
  const other = (name: string, micros: number | null) =>
    micros === null ? `${name}: not known` : `${name}: ${dollars(micros)} (${percent(spent / micros - 1)})`;
  return [
    `day           calls  by hour, 0 to 23 UTC     serverless endpoint   spent`,
    ...lines,
    '',
    `spent ${dollars(spent)}: ${dollars(serverlessMicros)} on serverless, ${dollars(dedicatedMicros)} on endpoints (meter: ${dollars(week.meterMicros)})`,
    other('always serverless', allServerlessMicros),
    other('always dedicated', allDedicatedMicros),
    `${week.calls} calls answered, ${week.clientFailures} failed`,
  ].join('\n');
}

function dollars(micros: number): string {
  return `$${(micros / 1_000_000).toFixed(2)}`;
}

function percent(share: number): string {
  return `upshift ${share > 0 ? '+' : ''}${(share * 100).toFixed(0)} %`;
}
