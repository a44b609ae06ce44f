import type { Clock } from '../../core/clock.ts';
import type { Profile } from '../../core/judge/profile.ts';
import type { UpstreamKind } from '../../core/route.ts';
import type { EndpointsClient } from '../../huggingface/management/endpoints.ts';
import type { HubClient } from '../../huggingface/hub/hub.ts';
import type { SurveyContext } from './survey.ts';

export interface EffectContext {
  readonly clock: Clock;
  readonly endpoints: EndpointsClient;
  readonly hub: HubClient;
  readonly token: string | null;
  /** Whether the management API is on this machine: a simulation. */
  readonly isLocalApi: boolean;
  readonly ledgerId: string;
  /** How one kind of upstream has served a model, from the ledger. */
  readonly learn: (model: string, upstream: UpstreamKind) => Promise<Profile>;
  readonly experience: SurveyContext['experience'];
  /** Aborted when the daemon closes. */
  readonly signal: AbortSignal;
  readonly wake: () => void;
  readonly log: (level: 'info' | 'warn' | 'error', message: string, facts?: object) => void;
}
