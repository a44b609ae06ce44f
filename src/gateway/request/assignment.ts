import { assignedTo } from '../../core/call.ts';
import type { Arrival } from '../../core/call.ts';
import { ineligibleReason } from '../../core/eligibility.ts';
import type { IneligibleReason } from '../../core/eligibility.ts';
import { NO_LIMITS } from '../../core/endpoint-limits.ts';
import type { CarePolicy } from '../../core/policy/care.ts';
import { servesCalls } from '../../core/overflow/serves-calls.ts';
import { assign, unitOf } from '../../core/rollout/split.ts';
import type { Canary, Timeouts, UpstreamKind } from '../../core/route.ts';
import { serverlessAuthorization } from '../../core/wire/credentials.ts';
import type { RouteEntry, RouteTable } from '../../core/route.ts';
import type { Agents } from './agent.ts';
import type { Repeats } from './repeats.ts';
import { credentialsOf } from './headers.ts';
import { demandsProvider } from './incoming-call.ts';
import type { IncomingCall } from './incoming-call.ts';
import type { LearnedLimits } from './learned-limits.ts';
import type { Sessions } from './sessions.ts';
import { wayThroughOutage } from './through-outage.ts';
import type { ThroughParts } from './through-outage.ts';

const BEYOND_ASCII = /[\x80-\xff]/;

/** The agent of a call, the role that serves it, and the rules for it. */
export interface Assignment {
  readonly arrival: Arrival;
  /** The canary that shares the calls of its model, whichever role serves this one; null if there is none. */
  readonly canary: Canary | null;
  readonly timeouts: Timeouts;
  /** The limits for calls to serverless; null: none. */
  readonly care: CarePolicy | null;
  /** The `Authorization` header for serverless; null: none. */
  readonly authorization: string | null;
  /** Arrival (epoch µs) of the refused call that this one repeats; null if it repeats none. */
  readonly repeatOfUs: number | null;
}

/** What is needed to assign a call. */
export interface Assigning extends ThroughParts {
  readonly gatewayId: number;
  readonly table: () => RouteTable;
  readonly token: string | null;
  readonly agents: Agents;
  readonly repeats: Repeats;
  readonly limits: LearnedLimits;
  readonly sessions: Sessions;
  nowUs(): number;
}

/** Assigns a call by the table that is in force now. */
export function assignCall(shared: Assigning, incoming: IncomingCall): Assignment {
  const { arrivedAtUs, headers, destination, body, upload } = incoming;
  const { model, shape } = incoming.content;
  const table = shared.table();
  const entry = model === null ? undefined : table.routes.get(model);
  const canary = entry?.canary ?? null;
  const sent = headers['x-agent-id'];
  const sentCredentials = credentialsOf(headers);
  const agent = shared.agents.of(
    (typeof sent === 'string' ? decodeHeader(sent.trim()) : '') || destination.agent,
    sentCredentials,
    headers['user-agent'],
  );
  const reason = canary === null ? null : whyIneligible(shared.limits, incoming, canary);
  const canSplit = canary !== null && reason === null;
  const unit = canSplit ? unitFor(shared.sessions, incoming, canary, agent.id) : null;
  const drawn = canSplit ? assign(canary, arrivedAtUs, unit) : null;
  // Whether the endpoint is full is known before the draw counts, so that both roles lose calls alike.
  const wasFull = canSplit && servesCalls(canary) && shared.gates.of(canary.url).isFull;
  const through = drawn === null || wasFull ? null : wayThroughOutage(shared, entry as RouteEntry, agent.id, drawn);
  const role = through === null && !wasFull ? drawn : null;
  const authorization = serverlessAuthorization(sentCredentials, shared.token);
  const repeatOfUs = upload === null ? shared.repeats.find(agent.id, destination.path, body, arrivedAtUs) : null;
  const isWayBack = canary?.toward === 'serverless';
  const isThroughOutage = through === 'dedicated';
  const isForEndpoint = assignedTo({ role, isWayBack, isThroughOutage }) === 'dedicated';
  const arrival: Arrival = {
    gatewayId: shared.gatewayId,
    arrivedAtUs,
    assignedAtUs: shared.nowUs(),
    waitedUs: 0,
    model,
    shape,
    agent: agent.id,
    isAgentDerived: agent.isDerived,
    rolloutId: canary === null ? null : canary.rolloutId,
    step: canary === null ? 0 : canary.step,
    weight: canary === null ? 0 : canary.weight,
    role,
    isEligible: canSplit,
    ...(reason !== null && { ineligibleReason: reason }),
    hasNoToken: (isForEndpoint ? shared.token : authorization) === null,
    isRepeat: repeatOfUs !== null,
    ...(unit !== null && { unit }),
    ...(isWayBack && { isWayBack }),
    ...(isThroughOutage && { isThroughOutage }),
    ...(wasFull && { wasFull, isOverflow: assignedTo({ role: drawn, isWayBack }) === 'dedicated' }),
  };
  const { timeouts, care } = entry ?? table.fallback;
  return { arrival, canary, timeouts, care: model === null ? null : care, authorization, repeatOfUs };
}

/** The unit that a call is assigned with; null: by itself. */
function unitFor(sessions: Sessions, incoming: IncomingCall, canary: Canary, agent: string): number | null {
  // Where all calls go to one side, no unit decides anything.
  if (canary.affinity === 'call' || canary.weight <= 0 || canary.weight >= 1) return null;
  const { arrivedAtUs, headers, body, content } = incoming;
  const places = content.scan === null ? null : content.scan.session;
  const session = canary.affinity === 'session' ? sessions.of({ headers, body, places }) : null;
  return unitOf(canary, { arrivedAtUs, agent, session });
}

/** Why the endpoint of a call's model cannot get the call; null if it can. */
function whyIneligible(
  limits: LearnedLimits,
  { arrivedAtUs, body, content }: IncomingCall,
  canary: Canary,
): IneligibleReason | null {
  const { shape, scan } = content;
  const asked = {
    shape,
    isChangeable: scan !== null,
    demandsProvider: demandsProvider(content),
    bodyBytes: body.length,
    escapes: () => countEscapes(body),
    maxTokens: scan === null ? null : scan.maxTokens,
    isBatch: scan !== null && scan.isBatch,
  };
  const isWithheld = arrivedAtUs < 1_000 * (canary.withheld?.get(shape) ?? 0);
  return ineligibleReason(asked, canary.shapes, limits.of(canary.url, canary.limits ?? NO_LIMITS), isWithheld);
}

function countEscapes(body: Buffer): number {
  let count = 0;
  for (let at = body.indexOf('\\u'); at >= 0; at = body.indexOf('\\u', at + 2)) count++;
  return count;
}

/**
 * The assignment of a call that has waited for a permit until now. `nowUs`: epoch µs. `wasOut`: whether because serverless
 * was out.
 */
export function heldUntil(assignment: Assignment, nowUs: number, wasOut: boolean): Assignment {
  const { arrival } = assignment;
  const waitedUs = Math.max(0, nowUs - arrival.assignedAtUs);
  return { ...assignment, arrival: { ...arrival, waitedUs, ...(wasOut && { wasOut }) } };
}

/**
 * Node decodes header values as Latin-1. UTF-8 is decoded here, so that an agent has the same id in header and path.
 */
function decodeHeader(value: string): string {
  return BEYOND_ASCII.test(value) ? Buffer.from(value, 'latin1').toString() : value;
}

/** The model's name for the client, if the endpoint serves the model under another name; otherwise null. */
export function renamedTo({ arrival, canary }: Assignment, upstream: UpstreamKind): string | null {
  return upstream === 'serverless' || canary === null || canary.servedModel === arrival.model ? null : arrival.model;
}
