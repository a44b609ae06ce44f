import type { Cause } from '../cause.ts';
import type { Profile } from '../judge/profile.ts';
import type { Verdict } from '../judge/verdict.ts';
import type { BudgetEvent } from '../money/budget-marks.ts';
import type { Scaling } from '../scaling/scaling.ts';
import type { PinnedInstance } from '../sizing/pinned.ts';
import type { AskAbout, ShadowFigures, Terms } from './ask.ts';
import type { WindowEvent } from './closings.ts';
import type { LeftFor } from './instances.ts';
import type { ProposedRollout, SaidBy, RolloutOutcome, WarmEndpoint } from './rollout.ts';

/** What happened to a rollout. A rollout is computed from its events and from nothing else. */
export type RolloutEvent =
  | {
      readonly type: 'proposed';
      readonly rollout: ProposedRollout;
    }
  | {
      readonly type: 'asked';
      /** Absent, here and in the events below: a step. */
      readonly about?: AskAbout;
      readonly step: number;
      readonly verdict: Verdict | null;
      readonly shadow?: ShadowFigures;
      readonly terms?: Terms;
      readonly scaling?: Scaling;
    }
  | { readonly type: 'ask_withdrawn'; readonly about?: AskAbout; readonly step: number; readonly reason: string }
  | {
      readonly type: 'approved';
      readonly about?: AskAbout;
      /** A person wanted it although the evidence was missing or no pass; absent: it was a pass, or needed none. */
      readonly overEvidence?: true;
      readonly step: number;
      readonly by: string;
      readonly reason: string | null;
    }
  | {
      /** One of several approvals that a question needs, but not the last. */
      readonly type: 'approval_added';
      readonly about?: AskAbout;
      readonly step: number;
      readonly uid: number;
      readonly by: string;
      readonly reason: string | null;
    }
  | BudgetEvent
  | { readonly type: 'provisioning_started' }
  | { readonly type: 'endpoint_made'; readonly state: string }
  | {
      /** The instance cannot be had. Its endpoint is deleted, if there is one. */
      readonly type: 'instance_left';
      readonly instance: string;
      readonly cause: LeftFor;
      readonly message: string;
    }
  | {
      /** The next instance is tried under the same approval. Those before it in the list are too expensive now. */
      readonly type: 'instance_next';
      readonly endpointName: string;
      readonly instance: PinnedInstance;
      readonly pricePerHourMicros: number;
    }
  | { readonly type: 'endpoint_ready'; readonly url: string }
  | {
      readonly type: 'warmed';
      readonly endpoint: WarmEndpoint;
      readonly failed: readonly string[];
      readonly profile: Profile;
      readonly next: 'shadowing' | 'stepping';
    }
  | { readonly type: 'shadow_ended'; readonly verdict: Verdict | null; readonly shadow?: ShadowFigures }
  | {
      readonly type: 'step_entered';
      readonly step: number;
      readonly weight: number;
      readonly phase: 'stepping' | 'holding';
    }
  | { readonly type: 'promoted' }
  | {
      /** The calls of a serverless that has been out since a time, clock ms, go to the endpoint. */
      readonly type: 'outage_bridged';
      readonly since: number;
      readonly by: string;
      readonly reason: string | null;
    }
  | { readonly type: 'outage_over' }
  | DetourEvent
  | { readonly type: 'paused'; readonly by: string; readonly reason: string | null }
  | { readonly type: 'resumed'; readonly by: string; readonly reason: string | null }
  | {
      /** A person has frozen all routes. */
      readonly type: 'frozen';
      readonly by: string;
      readonly reason: string | null;
    }
  | { readonly type: 'thawed' }
  | WindowEvent
  | {
      /** A person lets upshift propose again for the route of a rollout that a person has aborted. */
      readonly type: 'released';
      readonly by: string;
      readonly reason: string | null;
    }
  | {
      readonly type: 'draining';
      /** Who aborted it, and why, in their words. Absent: it was no abort. */
      readonly by?: SaidBy;
      readonly outcome: RolloutOutcome;
      readonly reason: string;
      readonly hint: string | null;
      readonly cause?: Cause;
    }
  | {
      readonly type: 'ended';
      /** Who aborted it, and why, in their words. Absent: it was no abort. */
      readonly by?: SaidBy;
      readonly outcome: RolloutOutcome;
      readonly reason: string;
      readonly hint: string | null;
      readonly cause?: Cause;
    };

export type DetourEvent =
  | {
      readonly type: 'detour_began';
      readonly why: 'rescale';
      readonly scaling: Scaling;
      readonly bridgedBefore: number;
    }
  | { readonly type: 'detour_began'; readonly why: 'sleep'; readonly bridgedBefore: number }
  | { readonly type: 'waking' }
  | {
      readonly type: 'detour_ended';
      /** `given_up`: the endpoint was not changed. */
      readonly outcome: 'done' | 'given_up';
      /** Calls that serverless served during the detour. */
      readonly bridged: number;
      /** For the largest number of replicas, if the scaling was changed; else null. */
      readonly pricePerHourMicros: number | null;
    };
