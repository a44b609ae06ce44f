import type { Clock } from '../../core/clock.ts';
import type { Costs } from '../../core/worth/traffic-history.ts';
import type { Gateway } from '../../gateway/server.ts';
import { inFlightOf } from '../route/concurrency.ts';
import { isServerlessOut } from '../route/outage.ts';
import type { RouteWatch } from '../route/watch.ts';

/** If the last observation is older than this, in real time, the process was stopped: its data has a gap there. */
const GAP_MS = 10_000;

export interface AdvanceContext {
  readonly clock: Clock;
  readonly gateway: Pick<Gateway, 'inFlight' | 'lanes'>;
  /** What the calls of a route cost on either side; null if that is unknown. */
  readonly costs: (watch: RouteWatch) => Costs | null;
}

/** Brings everything that a watch measures up to now. A tick does it before it observes. */
export function advance(watch: RouteWatch, { clock, gateway, costs }: AdvanceContext): void {
  const nowMs = Math.floor(clock.now());
  const sinceMs = nowMs - watch.observedAt;
  const isHole = watch.observedAt > 0 && sinceMs / clock.scale > GAP_MS;
  watch.advance({
    nowMs,
    holeMs: isHole ? sinceMs : 0,
    isServerlessOut: isServerlessOut(watch, gateway),
    costs: costs(watch),
    inFlight: inFlightOf(watch, gateway),
  });
}
