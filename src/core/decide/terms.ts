import type { Terms } from '../rollout/ask.ts';
import { priceCeiling } from '../rollout/instances.ts';
import { endpointShare, stopWeight } from '../rollout/rollout.ts';
import type { Rollout } from '../rollout/rollout.ts';
import { spanText } from '../text.ts';
import type { Toward } from '../route.ts';
import type { Scaling } from '../scaling/scaling.ts';
import { HOUR_MS, MONTH_MS, momentText } from '../time.ts';
import type { Observation } from './observation.ts';
import { pricePerReplica } from './present-scaling.ts';
import { bakeTime, leastCalls } from './step-length.ts';

/** With a smaller share of the calls, what serverless gets says little about the whole route. */
const LEAST_SHARE = 0.05;

/** What a rollout leads to if what is asked is approved, as far as it is known now. `scaling`: to what it would change. */
export function termsOf(rollout: Rollout, seen: Observation, scaling?: Scaling): Terms {
  const perHour = callsPerHour(rollout, seen);
  const serverless = serverlessPerHour(seen, perHour);
  const before = serverless === null ? rollout.serverlessMonth : undefined;
  const present = aMonth(priceCeiling(rollout));
  const changed =
    scaling === undefined || rollout.phase !== 'promoted'
      ? null
      : aMonth(pricePerReplica(rollout, seen) * scaling.maxReplica);
  return {
    monthMicros: changed ?? present,
    serverlessMonthMicros: serverless === null ? null : aMonth(serverless),
    ...(before !== undefined && { serverlessBefore: before }),
    ...(changed !== null && changed !== present && { presentMonthMicros: present }),
    likelyMs: likelyMs(rollout, seen, perHour),
  };
}

/** From this share of the endpoint's price on, a difference is news to who was asked. */
const NEWS_SHARE = 0.2;

/**
 * Why a yes would lead to something that nobody was asked about; null if it would not. Demand rises and falls within minutes,
 * so that only this is news: what was said to save money would by now cost clearly more.
 */
export function termsChanged(asked: Terms | undefined, now: Terms, toward: Toward): string | null {
  if (asked === undefined) return null;
  const [was, is] = [difference(asked), difference(now)];
  if (was === null || is === null) return null;
  const saves = (endpointSaves: number) => (toward === 'dedicated' ? endpointSaves : -endpointSaves);
  if (saves(was) < 0 || saves(is) > -NEWS_SHARE * now.monthMicros) return null;
  return `when it was asked the endpoint ${savesText(was)} a month, and now it ${savesText(is)}`;
}

/** How much less the endpoint costs a month than serverless, micro-dollars; null if that is not known. */
function difference({ monthMicros, serverlessMonthMicros }: Terms): number | null {
  return serverlessMonthMicros === null ? null : serverlessMonthMicros - monthMicros;
}

function aMonth(perHour: number): number {
  return Math.round((perHour * MONTH_MS) / HOUR_MS);
}

/** What all calls cost on serverless in an hour, micro-dollars; null if that is not known. */
function serverlessPerHour({ costs }: Observation, perHour: number | null): number | null {
  if (costs === null) return null;
  if (costs.serverlessPerHourMicros > 0) return costs.serverlessPerHourMicros;
  const perCall = costs.dedicatedPerHourMicros / 60 / costs.breakEvenCallsPerMinute;
  return perHour !== null && Number.isFinite(perCall) ? perCall * perHour : null;
}

/** Calls of the whole route in an hour, by those that serverless gets; null if that says too little. */
function callsPerHour(rollout: Rollout, { demand, policy }: Observation): number | null {
  const share = 1 - endpointShare(rollout, policy);
  if (share < LEAST_SHARE || demand.calls === 0) return null;
  return (demand.calls / share / policy.criteria.window) * HOUR_MS;
}

/** From now to the promotion, or on a way back to its end, if each step passes as soon as it may. */
function likelyMs(rollout: Rollout, seen: Observation, perHour: number | null): number | null {
  const { policy } = seen;
  const { toward } = rollout;
  if (perHour === null) return null;
  const at = rollout.phase === 'stepping' || rollout.phase === 'holding' ? rollout.step : 0;
  const count = policy.steps.length;
  let ms = toward === 'dedicated' && rollout.phase === 'proposed' && policy.shadow.share > 0 ? policy.shadow.time : 0;
  for (let step = at + 1; step <= count; step++) {
    const phase = step === count ? 'holding' : 'stepping';
    const canaryPerHour = perHour * stopWeight(step, policy, toward);
    ms += Math.max(bakeTime({ phase }, seen), (leastCalls({ toward }, seen) / canaryPerHour) * HOUR_MS);
  }
  return Math.round(ms);
}

/** What a rollout leads to, for people: `the endpoint costs at most $949 a month, ...`. */
export function termsText({
  monthMicros,
  presentMonthMicros,
  serverlessMonthMicros,
  serverlessBefore,
  likelyMs,
}: Terms): string {
  const present = presentMonthMicros === undefined ? '' : ` (now ${dollars(presentMonthMicros)})`;
  const costs = `the endpoint costs at most ${dollars(monthMicros)} a month${present}`;
  const other = serverlessMonthMicros ?? serverlessBefore?.micros ?? null;
  const when = serverlessBefore === undefined ? '' : ` when that was last known, ${momentText(serverlessBefore.at)}`;
  const instead =
    other === null
      ? ', what serverless costs is not known'
      : againstText({ endpoint: monthMicros, serverless: other, when });
  const time = likelyMs === null || likelyMs === 0 ? '' : `; the steps that are left take about ${spanText(likelyMs)}`;
  return `${costs}${instead}${time}`;
}

function againstText({ endpoint, serverless, when }: { endpoint: number; serverless: number; when: string }): string {
  return `, all calls on serverless about ${dollars(serverless)}${when}: the endpoint ${savesText(serverless - endpoint)}`;
}

function savesText(difference: number): string {
  return difference >= 0 ? `saves about ${dollars(difference)}` : `costs about ${dollars(-difference)} more`;
}

/** Micro-dollars as whole dollars, or with cents below ten. */
function dollars(micros: number): string {
  const amount = micros / 1_000_000;
  return `$${amount < 10 ? amount.toFixed(2) : String(Math.round(amount)).replaceAll(/\B(?=(?:\d{3})+$)/g, ',')}`;
}
