import type { EndpointSeen } from './observation.ts';

/** An endpoint whose health route denies the token for so long is not waited for any longer, because it costs money. */
const DENIED_MS = 300_000;

/** What a token needs to call an endpoint. */
export const SCOPE_HINT = 'give the token of HF_TOKEN the scope inference.endpoints.infer.write';

/** What the health route said instead of 200, for people; null if it was not asked, or if it answered 200. */
export function healthText({ health }: EndpointSeen): string | null {
  if (health === undefined) return null;
  const { status, said } = health;
  if (status === null) return `its health route gives no answer: ${said}`;
  return `its health route answers ${status}${said === '' ? '' : `: ${said}`}`;
}

/** Whether the health route denies the token. */
export function isDenied({ health }: EndpointSeen): boolean {
  return health?.status === 401 || health?.status === 403;
}

/** Whether the health route has denied the token for too long. */
export function isDeniedForLong(endpoint: EndpointSeen, now: number): boolean {
  return isDenied(endpoint) && now - (endpoint.health?.since ?? now) >= DENIED_MS;
}

/**
 * The last that is known of an endpoint, for people: its state, what the management API says, its replicas and its health
 * route.
 */
export function lastStateText(name: string, endpoint: EndpointSeen | null): string {
  if (endpoint === null) return `the state of ${name} was never read`;
  const { state, message, readyReplica, targetReplica } = endpoint;
  const said = message === null || message === '' ? '' : ` (${message})`;
  const replicas = readyReplica === null ? '' : `, ${readyReplica} of ${targetReplica ?? readyReplica} replicas ready`;
  const health = healthText(endpoint);
  return `${name} is ${state}${said}${replicas}${health === null ? '' : `, and ${health}`}`;
}
