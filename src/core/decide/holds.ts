import type { Toward } from '../route.ts';
import { momentText } from '../time.ts';
import { decision, done, refuse } from './decision.ts';
import type { Decision } from './decision.ts';
import type { Frozen, Observation, OperatorRequest, Said } from './observation.ts';

/** `ann@desk: "too expensive"`. */
export function saidText({ by, reason }: Omit<Said, 'at'>): string {
  return `${by}${reason === null ? '' : `: "${reason}"`}`;
}

/** What a freeze means, for people. */
export function frozenText({ at, ...said }: Frozen): string {
  return `frozen since ${momentText(at)} by ${saidText(said)}; it goes on after: npx upshift thaw`;
}

/** The decision to propose nothing by itself, because somebody has aborted such a rollout; null if nobody has. */
export function heldBack(seen: Observation, toward: Toward): Decision | null {
  const { held } = seen;
  return held === undefined || held.toward !== toward ? null : decision('wait', 'held', heldText(seen, held));
}

function heldText({ model }: Observation, { rolloutId, at, ...said }: NonNullable<Observation['held']>): string {
  const what = `rollout ${rolloutId} was aborted ${momentText(at)} by ${saidText(said)}`;
  return `${what}; nothing is proposed before: npx upshift resume --model ${model}`;
}

/** Answers a person who lifts the hold that an abort has put on a route. */
export function answerRelease({ held, model }: Observation, request: OperatorRequest): Decision {
  if (held === undefined) {
    return refuse(request, 'nothing_asked', `nobody has aborted the last rollout of ${model}: nothing is held`);
  }
  const { by, reason } = request;
  const event = { type: 'released' as const, by, reason };
  const lifted = decision(
    'resume',
    'operator',
    `the abort of rollout ${held.rolloutId} is lifted by ${saidText(request)}`,
    {
      outcome: done(request, `upshift may propose for ${model} again`),
    },
  );
  return { ...lifted, replaced: { rolloutId: held.rolloutId, event } };
}

/** Refuses what would take a route further while everything is frozen; null if nothing is. */
export function refuseFrozen({ frozen }: Observation, request: OperatorRequest): Decision | null {
  return frozen === undefined ? null : refuse(request, 'frozen', frozenText(frozen));
}
