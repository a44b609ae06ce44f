import { throughOf } from '../rollout/rollout.ts';
import { isStill } from '../rollout/pauses.ts';
import type { Rollout } from '../rollout/rollout.ts';
import { spanText } from '../text.ts';
import { momentText } from '../time.ts';
import { decision, done, refuse } from './decision.ts';
import type { Decision } from './decision.ts';
import type { Observation, OperatorRequest } from './observation.ts';
import { outSince } from './serverless-unable.ts';

type Stopped = Extract<Rollout, { phase: 'stepping' | 'holding' }>;

/**
 * What to do about an outage of serverless while the endpoint has a part of the calls. In the last step the endpoint has shown
 * that it carries nearly all calls, so it takes those of serverless by itself. In an earlier step a person must want it
 * (`answerThrough`). It ends by itself. Null if there is nothing to do.
 */
export function decideOutage(rollout: Stopped, seen: Observation): Decision | null {
  if (rollout.toward === 'serverless') return null;
  const since = outSince(seen);
  const through = throughOf(rollout);
  if (through !== null && since === null) {
    const detail = `serverless is back after ${spanText(seen.now - through.since)}: it gets its calls again`;
    return decision('end_outage', 'serverless_back', detail, { events: [{ type: 'outage_over' }] });
  }
  if (since === null) return null;
  if (through !== null)
    return decision('wait', 'serverless_out', bridgedText(through.since), { verdict: seen.verdict });
  if (rollout.phase !== 'holding' || isStill(rollout)) return null;
  const events = [{ type: 'outage_bridged' as const, since, by: 'policy', reason: null }];
  return decision('bridge_outage', 'serverless_out', bridgedText(since), { events });
}

/** Answers a person who wants the calls of serverless to go to the endpoint as long as serverless is out. */
export function answerThrough(rollout: Rollout, seen: Observation, request: OperatorRequest): Decision {
  const since = outSince(seen);
  if (rollout.phase === 'promoted') {
    return refuse(request, 'nothing_asked', 'the endpoint gets all the calls that it can answer anyway');
  }
  if ((rollout.phase !== 'stepping' && rollout.phase !== 'holding') || rollout.toward === 'serverless') {
    return refuse(request, 'nothing_asked', `rollout ${rollout.id} has no endpoint that could take more calls`);
  }
  if (since === null) return refuse(request, 'nothing_asked', 'serverless is not out');
  if (throughOf(rollout) !== null) {
    return refuse(request, 'stale_request', 'the calls of serverless go to the endpoint already');
  }
  const because = request.reason === null ? '' : `: ${request.reason}`;
  const events = [{ type: 'outage_bridged' as const, since, by: request.by, reason: request.reason }];
  return decision('bridge_outage', 'operator', `${bridgedText(since)}; wanted by ${request.by}${because}`, {
    events,
    outcome: done(
      request,
      'until serverless is back, its calls go to the endpoint as far as the endpoint carries them',
    ),
  });
}

/** What `status` says while the endpoint takes the calls of serverless. */
export function bridgedText(since: number): string {
  return `serverless is out since ${momentText(since)}: its calls go to the endpoint, and nothing is compared`;
}
