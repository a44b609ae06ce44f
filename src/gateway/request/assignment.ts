import { assignedTo } from '../../core/call.ts';
import type { Arrival } from '../../core/call.ts';
import type { CarePolicy } from '../../core/policy/care.ts';
import { assign } from '../../core/rollout/split.ts';
import { isEligible } from '../../core/route.ts';
import type { Canary, Timeouts, UpstreamKind } from '../../core/route.ts';
import { serverlessAuthorization } from '../../core/wire/credentials.ts';
import type { RouteTable } from '../../core/route.ts';
import type { Agents } from './agent.ts';
import type { Repeats } from './repeats.ts';
import { credentialsOf } from './headers.ts';
import type { IncomingCall } from './incoming-call.ts';

const BEYOND_ASCII = /[\x80-\xff]/;

/** Whose call it is, which role serves it, and under which rules. */
export interface Assignment {
  readonly arrival: Arrival;
  /** What splits the calls of its model, whichever side serves it; null where nothing does. */
  readonly canary: Canary | null;
  readonly timeouts: Timeouts;
  /** How its way to serverless is cared for; null: not at all. */
  readonly care: CarePolicy | null;
  /** The credentials for serverless. */
  readonly authorization: string | null;
  readonly repeatOfUs: number | null;
}

/** What assigning a call needs to know. */
export interface Assigning {
  readonly gatewayId: number;
  readonly table: () => RouteTable;
  readonly token: string | null;
  readonly agents: Agents;
  readonly repeats: Repeats;
  nowUs(): number;
}

/** Assigns a call by the table that is in force now. */
export function assignCall(shared: Assigning, incoming: IncomingCall): Assignment {
  const { arrivedAtUs, headers, destination, body } = incoming;
  const { model, shape, scan } = incoming.content;
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
  const canSplit = canary !== null && scan !== null && isEligible(shape, canary.shapes);
  const role = canSplit ? assign(canary, arrivedAtUs, agent.id) : null;
  const authorization = serverlessAuthorization(sentCredentials, shared.token);
  const repeatOfUs = shared.repeats.find(agent.id, destination.path, body, arrivedAtUs);
  const isWayBack = canary?.toward === 'serverless';
  const isForEndpoint = assignedTo({ role, isWayBack }) === 'dedicated';
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
    hasNoToken: (isForEndpoint ? shared.token : authorization) === null,
    isRepeat: repeatOfUs !== null,
    ...(isWayBack && { isWayBack }),
  };
  const { timeouts, care } = entry ?? table.fallback;
  return { arrival, canary, timeouts, care: model === null ? null : care, authorization, repeatOfUs };
}

/** The assignment of a call that was held until now, epoch µs. */
export function heldUntil(assignment: Assignment, nowUs: number): Assignment {
  const { arrival } = assignment;
  return { ...assignment, arrival: { ...arrival, waitedUs: Math.max(0, nowUs - arrival.assignedAtUs) } };
}

/** Header values come as Latin-1; what was sent as UTF-8 is read as such, so that an agent has one name on all ways. */
function decodeHeader(value: string): string {
  return BEYOND_ASCII.test(value) ? Buffer.from(value, 'latin1').toString() : value;
}

/** The name to put into an answer in place of the one that the endpoint serves the model under; null where none. */
export function renamedTo({ arrival, canary }: Assignment, upstream: UpstreamKind): string | null {
  return upstream === 'serverless' || canary === null || canary.servedModel === arrival.model ? null : arrival.model;
}
