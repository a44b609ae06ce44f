import type { AskAbout } from './ask.ts';
import type { BudgetEvent } from './money/marks.ts';
import type { Profile } from './profile.ts';
import type { RolloutBase, RolloutOutcome, WarmEndpoint } from './rollout.ts';
import type { DetourEvent } from './scaling/detour.ts';
import type { Scaling } from './scaling/scaling.ts';
import type { Verdict } from './verdict.ts';

/** What happened to a rollout. Rollouts are folded from these, and from nothing else. */
export type RolloutEvent =
  | {
      readonly type: 'proposed';
      readonly rollout: Omit<RolloutBase, 'isPaused' | 'ask' | 'since'>;
    }
  | {
      readonly type: 'asked';
      /** Absent, here and below: a step. */
      readonly about?: AskAbout;
      readonly step: number;
      readonly verdict: Verdict | null;
      readonly scaling?: Scaling;
    }
  | { readonly type: 'ask_withdrawn'; readonly about?: AskAbout; readonly step: number; readonly reason: string }
  | {
      readonly type: 'approved';
      readonly about?: AskAbout;
      readonly step: number;
      readonly by: string;
      readonly reason: string | null;
    }
  | BudgetEvent
  | { readonly type: 'provisioning_started' }
  | { readonly type: 'endpoint_made'; readonly state: string }
  | { readonly type: 'endpoint_ready'; readonly url: string }
  | {
      readonly type: 'warmed';
      readonly endpoint: WarmEndpoint;
      readonly failed: readonly string[];
      readonly profile: Profile;
      readonly next: 'shadowing' | 'stepping';
    }
  | { readonly type: 'shadow_ended'; readonly verdict: Verdict | null }
  | {
      readonly type: 'step_entered';
      readonly step: number;
      readonly weight: number;
      readonly phase: 'stepping' | 'holding';
    }
  | { readonly type: 'promoted' }
  | DetourEvent
  | { readonly type: 'paused'; readonly by: string; readonly reason: string | null }
  | { readonly type: 'resumed'; readonly by: string; readonly reason: string | null }
  | {
      readonly type: 'draining';
      readonly outcome: RolloutOutcome;
      readonly reason: string;
      readonly hint: string | null;
    }
  | {
      readonly type: 'ended';
      readonly outcome: RolloutOutcome;
      readonly reason: string;
      readonly hint: string | null;
    };
