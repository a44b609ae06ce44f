import { isAbout } from '../rollout/ask.ts';
import { isStill } from '../rollout/pauses.ts';
import type { RolloutEvent } from '../rollout/event.ts';
import type { Rollout } from '../rollout/rollout.ts';
import { proposeScaling } from '../scaling/propose.ts';
import type { ScalingProposal } from '../scaling/propose.ts';
import { scalingText } from '../scaling/scaling.ts';
import type { Scaling } from '../scaling/scaling.ts';
import { priceText, spanText } from '../text.ts';
import { ask } from './asking.ts';
import type { Hold, Question } from './asking.ts';
import { budgetOf, budgetText } from './budget-proposal.ts';
import { isBound, waitClosed } from './closed.ts';
import { decision } from './decision.ts';
import type { Decision } from './decision.ts';
import type { Observation } from './observation.ts';
import { presentScaling, pricePerReplica } from './present-scaling.ts';
import { serverlessUnable, staysText } from './serverless-unable.ts';

type Promoted = Extract<Rollout, { phase: 'promoted' }>;

/** If Hugging Face refuses to scale the endpoint to zero, upshift tries again after this time. */
const REFUSED_MS = 3_600_000;

/** Begins a detour if a promoted endpoint may sleep, or already does; null if there is nothing to do. */
export function decideSleep(rollout: Promoted, seen: Observation): Decision | null {
  const { sleep } = seen.policy.scaling;
  const { endpoint, concurrency, now } = seen;
  if (sleep === null || isStill(rollout)) return null;
  const events: RolloutEvent[] = [{ type: 'detour_began', why: 'sleep', bridgedBefore: bridged(seen) }];
  if (endpoint?.state === 'scaledToZero' && endpoint.at >= rollout.since) {
    const detail = `${rollout.endpointName} is scaled to zero`;
    const stays = staysText(seen);
    if (stays === null) {
      return decision('begin_detour', 'asleep', `${detail}: serverless serves its calls`, { events });
    }
    return decision('wait', 'stable_unable', `${detail}, but ${stays}`);
  }
  const refused = seen.results.sleep;
  if (refused?.problem != null && now - refused.at < REFUSED_MS) return null;
  if (concurrency === undefined || endpoint?.state !== 'running' || serverlessUnable(seen) !== null) return null;
  const idleMs = now - Math.max(concurrency.lastCallAt ?? 0, concurrency.since, rollout.since);
  if (idleMs < sleep.after || concurrency.recentCalls > 0) return null;
  const detail = `no call for ${spanText(idleMs)}: ${rollout.endpointName} may sleep, and serverless serves its calls`;
  return decision('begin_detour', 'idle', detail, { events });
}

/**
 * Adapts a promoted endpoint's scaling to the concurrency, one change at a time; null if there is nothing to change.
 */
export function decideRescale(rollout: Promoted, seen: Observation): Decision | null {
  const { adjust, every } = seen.policy.scaling;
  const isWell = seen.endpoint?.state === 'running' && seen.endpoint.isHealthy;
  if (adjust === 'off' || isStill(rollout) || seen.concurrency === undefined || !isWell) return null;
  const { granted } = rollout;
  if (granted !== undefined) {
    const closed = isBound(rollout, { about: 'scaling', scaling: granted }, seen)
      ? waitClosed(seen, changeText(rollout, seen, granted))
      : null;
    return closed ?? begin(rollout, seen, granted, 'approved', []);
  }
  const isOpen = isAbout(rollout.ask, 'scaling');
  if (!isOpen && (rollout.ask !== null || seen.now - (rollout.rescaledAt ?? rollout.since) < every)) return null;
  if (isOpen) return ask(rollout, seen, openQuestion(rollout), staleness(rollout, seen));
  const proposal = propose(rollout, seen);
  if (proposal === null) return null;
  const { scaling, why } = proposal;
  const change = proposalText(rollout, seen, proposal);
  const full = serverlessFull(seen);
  const isAutomatic = adjust === 'automatic';
  const question: Question = {
    about: 'scaling',
    step: rollout.step,
    verdict: null,
    scaling,
    text: `${change}${full === null ? '' : `; meanwhile ${full}`}`,
    isAutomatic,
    carryOut: () => begin(rollout, seen, scaling, 'concurrency_changed', why),
  };
  const waits = isAutomatic && full !== null;
  return ask(
    rollout,
    seen,
    question,
    waits ? { reason: 'serverless_full', detail: `${change}; waits because ${full}` } : null,
  );
}

function openQuestion({ step, ask: open }: Promoted): Question {
  const asked = open?.scaling === undefined ? 'another scaling' : scalingText(open.scaling);
  const text = `change the endpoint to ${asked}`;
  const carryOut = () => decision('wait', 'awaiting_approval', text);
  const scaling = open?.scaling === undefined ? {} : { scaling: open.scaling };
  return { about: 'scaling', step, verdict: null, ...scaling, text, isAutomatic: false, carryOut };
}

/** A question stays open as long as the present scaling does not fit the concurrency and the proposed scaling does. */
function staleness(rollout: Promoted, seen: Observation): Hold | null {
  const asked = rollout.ask?.scaling;
  const proposed = asked === undefined ? 'another scaling' : scalingText(asked);
  const now = propose(rollout, seen);
  const then = asked === undefined ? null : propose(rollout, seen, asked);
  const fits =
    then === null || (then.scaling.minReplica === asked?.minReplica && then.scaling.maxReplica === asked.maxReplica);
  if (now !== null && fits) return null;
  const detail =
    now === null
      ? 'the present scaling fits the concurrency again'
      : `the concurrency has changed: ${proposed} would not fit it`;
  return { reason: 'concurrency_changed', detail };
}

function begin(
  rollout: Promoted,
  seen: Observation,
  scaling: Scaling,
  reason: 'approved' | 'concurrency_changed',
  why: readonly string[],
): Decision {
  const change = `${changeText(rollout, seen, scaling)}${why.length === 0 ? '' : ` (${why.join('; ')})`}`;
  const { attempts, faults } = seen.stableRecent;
  const unable = serverlessUnable(seen);
  if (unable !== null || (attempts >= 5 && faults * 2 >= attempts)) {
    const why = unable ?? `serverless fails ${faults} of ${attempts}`;
    return decision('wait', 'stable_unable', `${change}; waits because ${why}`);
  }
  const began = { type: 'detour_began' as const, why: 'rescale' as const, scaling, bridgedBefore: bridged(seen) };
  const detail = `${change}; serverless serves the calls meanwhile`;
  return decision('begin_detour', reason, detail, { events: [began] });
}

function changeText(rollout: Promoted, seen: Observation, scaling: Scaling): string {
  return `changes to ${scalingText(scaling)}, ${costText(rollout, seen, scaling)}`;
}

/**
 * The scaling that fits, within the policy's bounds and price limits; null if none is better than the present one.
 * `instead`: proposes as if this were the present scaling.
 */
function propose(rollout: Promoted, seen: Observation, instead: Scaling | null = null): ScalingProposal | null {
  const { endpoint } = seen.policy;
  const { from, to, every, sleep } = seen.policy.scaling;
  if (endpoint === null || seen.concurrency === undefined) return null;
  const price = pricePerReplica(rollout, seen);
  // If the endpoint cost more than either limit, it would have to be left again.
  const limit = Math.min(endpoint.maxPricePerHour ?? Infinity, budgetOf(seen).perHour ?? Infinity);
  const affordable = price === 0 ? Infinity : Math.floor((limit * 1_000_000) / price + 1e-9);
  const least = from ?? endpoint.minReplica;
  const most = Math.max(1, Math.min(to ?? endpoint.maxReplica, affordable));
  const bounds = { from: Math.min(least, most), to: most };
  const present = instead ?? presentScaling(rollout, endpoint);
  return proposeScaling({ now: seen.now, concurrency: seen.concurrency, present, endpoint, ...bounds, every, sleep });
}

function proposalText(rollout: Promoted, seen: Observation, { scaling, why }: ScalingProposal): string {
  return `change the endpoint to ${scalingText(scaling)}, ${costText(rollout, seen, scaling)} (${why.join('; ')})`;
}

/** `at most $2.60/h (now $1.30/h)` */
function costText(rollout: Promoted, seen: Observation, { maxReplica }: Scaling): string {
  const price = Math.round(pricePerReplica(rollout, seen) * maxReplica);
  const now = price === rollout.pricePerHourMicros ? ' as now' : ` (now ${priceText(rollout.pricePerHourMicros)})`;
  return `at most ${priceText(price)}${now}${isDearer(rollout, price) ? budgetText(seen, price) : ''}`;
}

function isDearer({ pricePerHourMicros }: Promoted, price: number): boolean {
  return price > pricePerHourMicros;
}

/** Which share of the route's calls serverless could not take, for people; null if the policy allows that share. */
function serverlessFull({ concurrency, serverlessLimit, policy }: Observation): string | null {
  const calls = concurrency?.recentCalls ?? 0;
  if (serverlessLimit == null || calls === 0) return null;
  const refused = Math.max(0, 1 - serverlessLimit / calls);
  if (refused <= policy.criteria.refused) return null;
  return `serverless could not take about ${Math.round(refused * 100)} % of the calls at once`;
}

function bridged({ figures }: Observation): number {
  return figures?.stable.assigned ?? 0;
}
