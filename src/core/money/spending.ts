/**
 * What the endpoints of one model have cost, as the books have it, in micro-dollars. The time from the last look up to `at`
 * is in all of it, at what that look saw, although it is not booked yet. Endpoints that upshift did not make are in
 * none of it, nor are minutes whose price nobody could tell yet.
 */
export interface Spending {
  /** In the 60 minutes before `at`. */
  readonly hourMicros: number;
  /** Since 00:00 UTC. */
  readonly dayMicros: number;
  /** For the endpoint of one rollout, since it was made; 0 where no rollout was named. */
  readonly rolloutMicros: number;
  /** What an hour costs as things stand, all endpoints of the model together; 0 where none is billed. */
  readonly ratePerHourMicros: number;
  /** When it was counted, epoch ms. */
  readonly at: number;
}
