/** The newest state of a rollout. `snapshot`: JSON; times in epoch ms. */
export interface RolloutRow {
  readonly id: string;
  readonly model: string;
  readonly phase: string;
  readonly toward: string;
  readonly policyHash: string;
  readonly snapshot: string;
  readonly createdAt: number;
  readonly updatedAt: number;
}

/** What happened to a rollout. `at`: epoch ms; `data`: JSON. */
export interface EventRow {
  readonly id: number;
  readonly decisionId: number | null;
  readonly rolloutId: string;
  readonly at: number;
  readonly type: string;
  readonly data: string;
}

/** Selects rows of rollouts `p`. */
export const ROLLOUT = `SELECT p.id, r.model, p.phase, p.toward, p.policy_hash AS policyHash, p.snapshot, p.created_at_ms AS createdAt,
  p.updated_at_ms AS updatedAt FROM rollouts p JOIN routes r ON r.id = p.route_id`;

/** Selects events. */
export const EVENT =
  'SELECT id, decision_id AS decisionId, rollout_id AS rolloutId, happened_at_ms AS at, type, data FROM events';
