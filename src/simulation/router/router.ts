import { embeddingAnswer, textTokens } from '../answer/answers.ts';
import { bearerToken, cutOff, parseObject, readBody, sendJson } from '../exchange.ts';
import type { Exchange } from '../exchange.ts';
import { drawTiming, giveAnswer, readWanted } from '../answer/generate.ts';
import { splitModelName } from '../hub/models.ts';
import type { SimulatedModel } from '../hub/models.ts';
import { findByProviderId, modelInForm, NativeRoutes, nativeShapeOf } from './native.ts';
import type { NativeShape } from './native.ts';
import { shapeOf } from '../answer/shapes.ts';
import { answerTask, takesBody } from '../answer/tasks.ts';
import type { AnswerKind } from '../answer/wanted.ts';
import type { World } from '../world.ts';

/** Hugging Face's serverless router. */
export interface Router {
  answer(exchange: Exchange): Promise<void>;
  /** Calls being worked on. */
  inFlight(): number;
  /** Calls taken in the present window, by model and provider: `org/name:provider`. */
  window(): Record<string, number>;
}

type Shape = AnswerKind | 'embedding' | 'task' | NativeShape;

interface Target {
  readonly shape: Shape;
  readonly provider: string | undefined;
  /** From the path of a task route. */
  readonly modelId: string | undefined;
  readonly pipeline: string | undefined;
}

/** A call whose model and provider are found. */
interface Taking {
  readonly raw: Buffer;
  readonly body: Record<string, unknown>;
  readonly model: SimulatedModel;
  readonly provider: string;
}

/** Reads `/v1/...`, `/{provider}/...` and `/hf-inference/models/{org}/{name}[/...]`. */
function readTarget(path: string): Target | undefined {
  const named = /^\/hf-inference\/models\/([^/]+\/[^/]+)(\/.*)?$/.exec(path);
  if (named) {
    const rest = named[2] ?? '';
    const pipeline = /^\/pipeline\/([\w-]+)$/.exec(rest)?.[1];
    const shape = rest === '' || pipeline !== undefined ? 'task' : shapeOf(rest);
    return shape && { shape, provider: 'hf-inference', modelId: named[1], pipeline };
  }
  const shape = nativeShapeOf(path) ?? shapeOf(path);
  const first = path.split('/')[1];
  return shape && { shape, provider: first === 'v1' ? undefined : first, modelId: undefined, pipeline: undefined };
}

/** Whether a body that is no JSON object will do: a form, or what the model's task takes. */
function takesBytes(shape: Shape, raw: Buffer, model: SimulatedModel | undefined): boolean {
  return shape === 'transcript' || (shape === 'task' && (!model || takesBody(model, raw)));
}

/** Whether a shape is answered with text that is written token by token. */
function isWritten(shape: Shape): shape is AnswerKind {
  return shape === 'chat' || shape === 'completion' || shape === 'response' || shape === 'message';
}

export function createRouter(world: World): Router {
  const taken = new Map<string, number>();
  const native = new NativeRoutes(world);
  let windowNumber = 0;
  let inFlight = 0;

  /** Each provider of a model has a limit of its own. */
  function hasRoom(modelId: string, provider: string): boolean {
    const { routerWindowMs, routerCalls } = world.limits;
    const number = Math.floor((world.clock.now() - world.startedAt) / routerWindowMs);
    if (number !== windowNumber) taken.clear();
    windowNumber = number;
    const key = `${modelId}:${provider}`;
    const count = taken.get(key) ?? 0;
    if (count >= routerCalls) return false;
    taken.set(key, count + 1);
    return true;
  }

  /** Answers where the call cannot be taken; true when it did. */
  function isRefused(exchange: Exchange, model: SimulatedModel, provider: string): boolean {
    const { faults, limits } = world;
    if (faults.strikes('router', 'hangs')) {
      exchange.counters.add(exchange.upstream, 0);
    } else if (faults.strikes('router', 'credits')) {
      sendJson(exchange, 402, { error: NO_CREDITS });
    } else if (faults.strikes('router', 'errors')) {
      sendJson(exchange, 500, { error: { message: 'Internal server error', type: 'server_error' } });
    } else if (faults.strikes('router', 'unavailable') || inFlight >= limits.routerInFlight) {
      sendJson(exchange, 503, { error: `Model ${model.id} is currently loading`, estimated_time: 20 });
    } else if (faults.strikes('router', 'ratelimits') || !hasRoom(model.id, provider)) {
      const { routerRetryAfterSeconds: after } = limits;
      const headers = { 'x-inference-provider': provider, ...(after !== null && { 'retry-after': String(after) }) };
      sendJson(exchange, 429, rateLimited(model.id, limits.routerCalls), headers);
    } else {
      return false;
    }
    return true;
  }

  /** The model by the path, by the form or by the body; as text where it is unknown. */
  function findModel(path: string, target: Target, raw: Buffer, body: Record<string, unknown>) {
    if (target.shape === 'queue') {
      const id = path.slice(1).split('/').slice(1).join('/');
      return { asked: id, suffix: undefined, model: findByProviderId(world, 'fal-ai', id) };
    }
    const named = target.shape === 'transcript' ? modelInForm(raw) : body['model'];
    const asked = target.modelId ?? (typeof named === 'string' ? named : '');
    const { id, suffix } = splitModelName(asked);
    return { asked, suffix, model: world.models.get(id) };
  }

  async function call(exchange: Exchange, target: Target): Promise<void> {
    const raw = await readBody(exchange.request);
    const object = parseObject(raw);
    const body = object ?? {};
    const { asked, suffix, model } = findModel(exchange.path, target, raw, body);
    if (!model && target.modelId) return sendJson(exchange, 404, { error: `Model ${asked} does not exist` });
    if (!object && !takesBytes(target.shape, raw, model)) {
      return sendJson(exchange, 422, { error: 'Failed to deserialize the JSON body into the target type' });
    }
    if (!model || model.providers.length === 0) return sendJson(exchange, 400, unsupported(asked));
    const wanted = target.provider ?? suffix;
    const isPolicy = wanted === undefined || ['fastest', 'cheapest', 'preferred', 'auto'].includes(wanted);
    const provider = isPolicy ? (model.providers[0] ?? '') : wanted;
    if (!isPolicy && provider !== 'hf-inference' && !model.providers.includes(provider)) {
      return sendJson(exchange, 400, { error: `Model not supported by provider ${provider}` });
    }
    if (isRefused(exchange, model, provider)) return;
    inFlight += 1;
    try {
      await serve(exchange, target, { raw, body, model, provider });
    } finally {
      inFlight -= 1;
    }
  }

  async function serve(exchange: Exchange, target: Target, { raw, body, model, provider }: Taking): Promise<void> {
    const { clock, dice, limits, faults, newId } = world;
    const { shape, pipeline } = target;
    const bytes = raw.length;
    // What is priced by tokens.
    const bill = (input: number, output: number) => {
      const micros = input * model.pricing.input + output * model.pricing.output;
      const day = new Date(clock.now()).toISOString().slice(0, 10);
      const payer = payerOf(exchange) ?? '';
      world.usage.add({ payer, day, model: model.id, provider, inputTokens: input, outputTokens: output, micros });
      world.keeper.soon();
    };
    const headers = { 'x-request-id': newId('req'), 'x-inference-provider': provider };
    const factor = faults.factor('router', 'slow') * (1 + (inFlight / limits.routerComfort) ** 2);
    if (!isWritten(shape)) {
      await clock.sleep(drawTiming(limits.routerSpeed, { prompt: bytes / 4, output: 1 }, factor, dice).totalMs);
      if (shape === 'task') return answerTask(exchange, model, { raw, pipeline, headers });
      if (shape !== 'embedding') return native.answer(exchange, { shape, raw, body, headers });
      const input = Array.isArray(body['input']) ? body['input'].map(String) : [String(body['input'])];
      bill(textTokens(input), 0);
      const answer = embeddingAnswer(model.id, input, body['encoding_format'], model.dimensions ?? 384);
      return sendJson(exchange, 200, answer, headers);
    }
    const id = newId(shape === 'chat' ? 'chatcmpl' : shape);
    const wanted = readWanted(shape, body, { bytes, id, model: model.id, nowMs: clock.now(), dice });
    const tokens = { prompt: wanted.promptTokens, output: wanted.outputTokens };
    const timing = drawTiming(limits.routerSpeed, tokens, factor, dice);
    const end = faults.strikes('router', 'cuts') ? 'cut' : 'whole';
    if (end === 'whole') bill(tokens.prompt, tokens.output);
    await giveAnswer(exchange, wanted, timing, { clock, isStreamed: body['stream'] === true, end, headers });
  }

  /** `X-HF-Bill-To`, else the token's owner. */
  function payerOf({ request }: Exchange): string | undefined {
    const told = request.headers['x-hf-bill-to'];
    return typeof told === 'string' ? told : world.owner(bearerToken(request))?.name;
  }

  return {
    inFlight: () => inFlight,
    window: () => Object.fromEntries(taken),
    async answer(exchange) {
      const owner = world.owner(bearerToken(exchange.request));
      if (!owner) return sendJson(exchange, 401, { error: 'Invalid username or password.' });
      if (exchange.method === 'GET') {
        return exchange.path.startsWith('/fal-ai/') ? native.answerJob(exchange) : listModels(world, exchange);
      }
      if (exchange.method !== 'POST') return sendJson(exchange, 405, { error: 'Method Not Allowed' });
      const who = `call Inference Providers on behalf of user ${owner.name}`;
      const denied = `This authentication method does not have sufficient permissions to ${who}`;
      if (!owner.mayCallRouter) return sendJson(exchange, 403, { error: denied });
      const target = readTarget(exchange.path);
      if (!target) return sendJson(exchange, 404, { error: 'Not Found' });
      if (exchange.request.socket.destroyed) return cutOff(exchange);
      return call(exchange, target);
    },
  };
}

function listModels(world: World, exchange: Exchange): void {
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

/** In the form of the provider that refuses, as the router passes it on. */
function rateLimited(model: string, limit: number): object {
  const where = `Rate limit reached for model \`${model}\` in organization \`org_simulated\` service tier \`on_demand\``;
  const message = `${where} on requests per 5 minutes (RPM): Limit ${limit}, Used ${limit}, Requested 1.`;
  return { error: { message, type: 'requests', code: 'rate_limit_exceeded' } };
}

function unsupported(model: string): object {
  const message = `The requested model '${model}' is not supported by any provider you have enabled.`;
  return { error: { message, type: 'invalid_request_error', param: 'model', code: 'model_not_supported' } };
}

const NO_CREDITS =
  'You have depleted your monthly included credits. Purchase pre-paid credits to continue using Inference Providers. ' +
  'Alternatively, subscribe to PRO to get 20x more included credits.';
