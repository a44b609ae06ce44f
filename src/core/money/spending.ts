/**
 * What the endpoints of one model have cost by the cost records, in micro-dollars. All figures include the time from the
 * last reading to `at`, although it is not recorded yet: it counts at the cost that this reading saw. Endpoints that upshift
 * did not create are not included, and neither are minutes whose price is not known yet.
 */
export interface Spending {
  /** In the 60 minutes before `at`. */
  readonly hourMicros: number;
  /** Since 00:00 UTC. */
  readonly dayMicros: number;
  /** For the endpoint of one rollout, since its creation. 0 if no rollout was named. */
  readonly rolloutMicros: number;
  /** The present cost per hour of all endpoints of the model together. 0 if none is billed. */
  readonly ratePerHourMicros: number;
  /** When the figures were computed, epoch ms. */
  readonly at: number;
}
