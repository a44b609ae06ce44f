import type { Verdict } from '../judge/verdict.ts';
import { askText, isAbout } from '../rollout/ask.ts';
import type { AskAbout, ShadowFigures } from '../rollout/ask.ts';
import { isStill } from '../rollout/pauses.ts';
import type { Rollout } from '../rollout/rollout.ts';
import type { Scaling } from '../scaling/scaling.ts';
import { spanText } from '../text.ts';
import { isBound, waitClosed } from './closed.ts';
import { decision, leave } from './decision.ts';
import type { Decision, Reason } from './decision.ts';
import type { Observation } from './observation.ts';
import { saidText } from './holds.ts';
import { termsChanged, termsOf, termsText } from './terms.ts';

/** Something that is done only if somebody approves it: a person, or the policy. */
export interface Question {
  readonly about: AskAbout;
  readonly step: number;
  readonly verdict: Verdict | null;
  /** About the first step: what became of the copies of calls. */
  readonly shadow?: ShadowFigures;
  readonly scaling?: Scaling;
  /** What would be done, figures first. */
  readonly text: string;
  /** Whether the policy approves it without a person. */
  readonly isAutomatic: boolean;
  /** What is done if the policy approves. */
  readonly carryOut: () => Decision;
}

/** Why something may not be done now, figures first. `withdrawn`: the reason to withdraw an open question, if it is another. */
export interface Hold {
  readonly reason: Reason;
  readonly detail: string;
  readonly withdrawn?: Reason;
}

/**
 * The way of every question about a step, the endpoint or the scaling. While something speaks against it, it is not asked,
 * and an open question is withdrawn. While the rollout is paused, or no change window is open, nothing happens. Then the policy
 * approves, or a person is asked, or the open question waits for its answer.
 */
export function ask(rollout: Rollout, seen: Observation, question: Question, hold: Hold | null): Decision {
  const { about, step, verdict, shadow, scaling, text } = question;
  const asked = about === 'step' ? { step } : { about, step };
  const against = hold ?? newsAbout(rollout, seen, about);
  if (against !== null) {
    const { reason, detail, withdrawn = reason } = against;
    if (!isAbout(rollout.ask, about)) return decision('wait', reason, detail, { verdict });
    const events = [{ type: 'ask_withdrawn' as const, ...asked, reason: detail }];
    return decision('withdraw_ask', withdrawn, detail, { events, verdict });
  }
  if (isStill(rollout)) return stayPaused(rollout, { verdict });
  const closed = isBound(rollout, question, seen) ? waitClosed(seen, text, { verdict }) : null;
  if (closed !== null) return closed;
  if (question.isAutomatic) {
    const done = question.carryOut();
    const approved = { type: 'approved' as const, ...asked, by: 'policy', reason: null };
    return done.action === 'wait' ? done : { ...done, events: [approved, ...done.events] };
  }
  if (rollout.ask === null) {
    const terms = termsOf(rollout, seen, scaling);
    const event = {
      type: 'asked' as const,
      ...asked,
      verdict,
      ...(shadow !== undefined && { shadow }),
      terms,
      ...(scaling !== undefined && { scaling }),
    };
    return decision('ask', 'needs_approval', `${text}; ${termsText(terms)}`, { events: [event], verdict });
  }
  // Only one question is open at a time, so the other question is answered first.
  const first = isAbout(rollout.ask, about) ? '' : `first the question about ${askText(rollout.ask)}; then `;
  return decision('wait', 'awaiting_approval', `${first}${text}`, { verdict });
}

/** Holds if the open question about a step was asked on other terms, so that it is withdrawn and put again; else null. */
function newsAbout(rollout: Rollout, seen: Observation, about: AskAbout): Hold | null {
  const changed = about === 'step' ? askedTermsChanged(rollout, seen) : null;
  return changed === null ? null : { reason: 'terms_changed', detail: changed };
}

/** Why the terms of the open question about a step no longer hold; null if they do, or if none is open. */
export function askedTermsChanged(rollout: Rollout, seen: Observation): string | null {
  const { ask: open, toward } = rollout;
  return isAbout(open, 'step') ? termsChanged(open.terms, termsOf(rollout, seen), toward) : null;
}

/** The decision to do nothing, because a person has paused the rollout or frozen all routes. */
export function stayPaused(rollout: Rollout, rest: Partial<Pick<Decision, 'verdict'>> = {}): Decision {
  return decision('wait', rollout.isPaused ? 'paused' : 'frozen', stillText(rollout), rest);
}

/** Why nothing is asked, approved or entered, for people. */
export function stillText({ isPaused, isFrozen, pausedBy }: Rollout): string {
  const frozen = 'all routes are frozen (npx upshift thaw)';
  if (!isPaused) return frozen;
  const by = pausedBy === undefined ? 'a person' : saidText(pausedBy);
  return `paused by ${by}${isFrozen === true ? `, and ${frozen}` : ''}`;
}

/** How long a proposal was open, if that is longer than the policy allows; else null. */
export function openTooLong(rollout: Rollout, seen: Observation): string | null {
  const { proposalOpen } = seen.policy.limits;
  // A pause and the time in which no window is open count, because the figures get old all the same.
  if (rollout.phase !== 'proposed' || seen.now - rollout.since <= proposalOpen) return null;
  return spanText(proposalOpen);
}

/**
 * Ends a proposal that was open for too long, whoever could still answer it: its price, its demand and its instance are old
 * by then. Neither a pause nor a closed window makes them younger. `why`: what it waited for; null if that was an answer.
 */
export function expire(rollout: Rollout, seen: Observation, why: string | null): Decision | null {
  const open = openTooLong(rollout, seen);
  if (open === null) return null;
  const detail = why === null ? `nobody answered in ${open}` : `not begun in ${open}: ${why}`;
  return leave(rollout, 'aborted', 'proposal_expired', detail);
}
