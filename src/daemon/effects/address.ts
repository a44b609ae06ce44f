import type { EndpointSeen } from '../../core/decide/observation.ts';
import { isEndpointUrl, shownUrl } from '../../core/endpoint-address.ts';
import type { RoutePolicy } from '../../core/policy/policy.ts';
import type { EndpointStatus } from '../../huggingface/management/status.ts';

/** Where calls to an endpoint may go. Whatever is sent to an endpoint is sent to this URL and to no other. */
export function addressOf(
  { url }: Pick<EndpointStatus, 'url'>,
  { endpoint }: Pick<RoutePolicy, 'endpoint'>,
  isLocalApi: boolean,
): Pick<EndpointSeen, 'url' | 'foreignUrl'> {
  if (url === null || isEndpointUrl(url, endpoint?.domains ?? [], isLocalApi)) return { url };
  return { url: null, foreignUrl: shownUrl(url) };
}
