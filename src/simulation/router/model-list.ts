import { sendJson } from '../exchange.ts';
import type { Exchange } from '../exchange.ts';
import type { SimulatedModel } from '../hub/models.ts';
import type { World } from '../world.ts';

/** `GET /v1/models` and `GET /v1/models/{org}/{name}`: the providers of a model and their prices. */
export function listModels(world: World, exchange: Exchange): void {
  const created = Math.floor(world.startedAt / 1000);
  if (exchange.path === '/v1/models') {
    const data = [...world.models.values()]
      .filter((m) => m.providers.length > 0)
      .map((m) => modelEntry(m, created, world));
    return sendJson(exchange, 200, { object: 'list', data });
  }
  const id = decodeURIComponent(/^\/v1\/models\/(.+)$/.exec(exchange.path)?.[1] ?? '');
  const model = world.models.get(id);
  if (model && model.providers.length > 0) return sendJson(exchange, 200, modelEntry(model, created, world));
  return sendJson(exchange, 404, { error: id === '' ? 'Not Found' : `Model ${id} does not exist` });
}

function modelEntry(model: SimulatedModel, created: number, { limits }: World): object {
  const { baseMs, perOutputTokenMs } = limits.routerSpeed;
  const providers = model.providers.map((provider, index) => ({
    provider,
    status: 'live',
    context_length: 131_072,
    pricing: model.pricing,
    is_free: false,
    supports_tools: model.task === 'text-generation',
    supports_structured_output: model.task === 'text-generation',
    first_token_latency_ms: baseMs + 80 * index,
    throughput: Math.round(1_000 / perOutputTokenMs / (1 + index)),
    is_model_author: false,
  }));
  return { id: model.id, object: 'model', created, owned_by: model.id.split('/')[0], providers };
}
