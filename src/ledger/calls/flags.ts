import type { Call } from '../../core/call.ts';

/** Bits of `calls.flags`. */
export const FLAG = {
  eligible: 1,
  hasRole: 2,
  canary: 4,
  served: 8,
  dedicated: 16,
  clientLeft: 32,
  noToken: 64,
  hasShadow: 128,
  bypass: 256,
  /** The role is one of a way back: stable is the endpoint. */
  wayBack: 512,
  /** Whether the answer held any output was found out, and it held none. */
  emptinessKnown: 1024,
  empty: 2048,
  /** It waited because serverless was out, not because of a limit. */
  outage: 4096,
  /** It would have been drawn for the endpoint, which was full. */
  overflow: 8192,
  /** It was given to the endpoint, without a role, because serverless was out. */
  throughOutage: 16384,
  /** It got no role because the endpoint was full. */
  full: 32768,
} as const;

/** The bits of a call. */
export function flagsOf(call: Call): number {
  return (
    (call.isEligible ? FLAG.eligible : 0) |
    (call.role === null ? 0 : call.role === 'canary' ? FLAG.hasRole | FLAG.canary : FLAG.hasRole) |
    (call.servedBy === null ? 0 : call.servedBy === 'dedicated' ? FLAG.served | FLAG.dedicated : FLAG.served) |
    (call.hasClientLeft ? FLAG.clientLeft : 0) |
    (call.hasNoToken ? FLAG.noToken : 0) |
    (call.hasShadow ? FLAG.hasShadow : 0) |
    (call.isBypass === true ? FLAG.bypass : 0) |
    (call.isWayBack === true ? FLAG.wayBack : 0) |
    (call.wasOut === true ? FLAG.outage : 0) |
    (call.isThroughOutage === true ? FLAG.throughOutage : 0) |
    (call.isOverflow === true ? FLAG.overflow : 0) |
    (call.wasFull === true ? FLAG.full : 0) |
    (call.isEmpty === null ? 0 : call.isEmpty ? FLAG.emptinessKnown | FLAG.empty : FLAG.emptinessKnown)
  );
}
