import { sendJson } from '../exchange.ts';
import type { Exchange } from '../exchange.ts';
import type { World } from '../world.ts';
import type { CallWindow } from './call-window.ts';

const NO_CREDITS =
  'You have depleted your monthly included credits. Purchase pre-paid credits to continue using Inference Providers. ' +
  'Alternatively, subscribe to PRO to get 20x more included credits.';

/** Whether a fault or a limit refuses a call. If so, the call has been answered, or hangs. */
export function isRefused(
  { faults, limits }: World,
  exchange: Exchange,
  call: {
    readonly modelId: string;
    readonly provider: string;
    /** Calls in work. */
    readonly inFlight: number;
    readonly window: CallWindow;
  },
): boolean {
  const { modelId, provider, inFlight, window } = call;
  if (faults.strikes('router', 'hangs')) {
    exchange.counters.add(exchange.upstream, 0);
  } else if (faults.strikes('router', 'credits')) {
    sendJson(exchange, 402, { error: NO_CREDITS });
  } else if (faults.strikes('router', 'errors')) {
    sendJson(exchange, 500, { error: { message: 'Internal server error', type: 'server_error' } });
  } else if (faults.strikes('router', 'unavailable') || inFlight >= limits.routerInFlight) {
    sendJson(exchange, 503, { error: `Model ${modelId} is currently loading`, estimated_time: 20 });
  } else if (faults.strikes('router', 'ratelimits') || !window.take(modelId, provider)) {
    const { routerRetryAfterSeconds: after } = limits;
    const headers = { 'x-inference-provider': provider, ...(after !== null && { 'retry-after': String(after) }) };
    sendJson(exchange, 429, rateLimited(modelId, limits.routerCalls), headers);
  } else {
    return false;
  }
  return true;
}

/** A refusal in the form of the provider, because the router passes it on. */
function rateLimited(model: string, limit: number): object {
  const where = `Rate limit reached for model \`${model}\` in organization \`org_simulated\` service tier \`on_demand\``;
  const message = `${where} on requests per 5 minutes (RPM): Limit ${limit}, Used ${limit}, Requested 1.`;
  return { error: { message, type: 'requests', code: 'rate_limit_exceeded' } };
}

/** The body of a refusal if no provider serves the model. */
export function unsupported(model: string): object {
  const message = `The requested model '${model}' is not supported by any provider you have enabled.`;
  return { error: { message, type: 'invalid_request_error', param: 'model', code: 'model_not_supported' } };
}
