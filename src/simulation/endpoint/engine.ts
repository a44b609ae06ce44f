import type { EndpointState } from '../../core/endpoint-state.ts';
import { embeddingAnswer } from '../answer/answers.ts';
import { readAsked } from '../answer/asked.ts';
import { giveBroken } from '../answer/broken.ts';
import { endpointDeployment } from '../answer/deployment.ts';
import { answerLimitOf, drawTiming, giveAnswer, readWanted } from '../answer/generate.ts';
import { isStreamed, shapeOf } from '../answer/shapes.ts';
import { answerTask, takesBody } from '../answer/tasks.ts';
import { bearerToken, cutOff, parseObject, readBody, sendJson } from '../exchange.ts';
import type { Exchange } from '../exchange.ts';
import { BROKEN_ANSWERS } from '../fault-kinds.ts';
import { dimensionsOf, reasoningOf } from '../hub/models.ts';
import type { SimulatedModel } from '../hub/models.ts';
import type { World } from '../world.ts';
import { fullAnswer, refusesWhenFull, timesAt } from './full.ts';
import { contextOf, listServed, refuseLong, servedNames, servesByName } from './served.ts';
import { healthRoute } from './spec.ts';
import type { EndpointSpec } from './spec.ts';

/** The endpoint that the engine runs on. */
interface ServedEndpoint {
  readonly name: string;
  readonly spec: EndpointSpec;
  readonly createdAt: number;
  readonly state: EndpointState;
  /** Calls in work, and for how many there are places. */
  readonly inFlight: number;
  readonly slots: number;
  /** Whether the engine has loaded its weights. */
  isLoaded(): boolean;
  /** Starts an endpoint that is scaled to zero. */
  wake(): void;
  /** Waits for a place; resolves with false if `onLeave` reports that the client has left. */
  take(onLeave: (leave: () => void) => void): Promise<boolean>;
  release(): void;
}

const UNAVAILABLE = { error: '503 Service Unavailable', code: 'SERVICE_UNAVAILABLE' };
const PAUSED = { error: 'Bad Request: The endpoint is paused, ask a maintainer to restart it', code: 'BAD_REQUEST' };

/** Answers a call to a dedicated endpoint: first its proxy (token, state), then the engine behind it. */
export async function answerEngine(world: World, endpoint: ServedEndpoint, exchange: Exchange): Promise<void> {
  const { faults } = world;
  const { name } = endpoint;
  if (faults.strikes('endpoint', 'hangs', name)) return exchange.counters.add(exchange.upstream, 0);
  if (isDenied(world, endpoint, exchange)) return;
  if (endpoint.state === 'paused') return sendJson(exchange, 400, PAUSED);
  if (endpoint.state === 'scaledToZero') await wakeUp(world, endpoint, exchange);
  const isHealth = exchange.path === healthRoute(endpoint.spec);
  const isSick = faults.strikes('endpoint', isHealth ? 'unhealthy' : 'unavailable', name);
  if (!endpoint.isLoaded() || isSick) return sendJson(exchange, 503, UNAVAILABLE);
  if (isHealth) return sendJson(exchange, 200, '');
  if (exchange.method === 'GET') return describe(endpoint, exchange);
  if (exchange.method !== 'POST') return sendJson(exchange, 405, { detail: 'Method Not Allowed' });
  if (faults.strikes('endpoint', 'errors', name)) {
    return sendJson(exchange, 500, vllmError(500, 'InternalServerError', 'EngineCore encountered an issue.'));
  }
  if (faults.strikes('endpoint', 'ratelimits', name)) {
    return sendJson(exchange, 429, { error: 'Model is overloaded', error_type: 'overloaded' });
  }
  return generate(world, endpoint, exchange);
}

function isDenied(world: World, endpoint: ServedEndpoint, exchange: Exchange): boolean {
  if (endpoint.spec.type === 'public') return false;
  const owner = world.owner(bearerToken(exchange.request));
  if (owner?.mayCallEndpoints) return false;
  if (owner) sendJson(exchange, 403, { error: 'missing permissions: inference.endpoints.infer.write' });
  else sendJson(exchange, 401, { error: '401 Unauthorized', code: 'UNAUTHORIZED' });
  return true;
}

/**
 * The first call to an endpoint that is scaled to zero wakes it. With `X-Scale-Up-Timeout: seconds` the proxy holds the
 * call.
 */
async function wakeUp(world: World, endpoint: ServedEndpoint, exchange: Exchange): Promise<void> {
  endpoint.wake();
  const seconds = Number(exchange.request.headers['x-scale-up-timeout']);
  if (!(seconds > 0)) return;
  const { clock } = world;
  const until = clock.now() + Math.min(seconds * 1000, world.limits.wakeMs + 1);
  // Timers may fire up to a millisecond early, which can be a second on a fast clock.
  while (clock.now() < until) await clock.sleep(until - clock.now());
}

/** TEI and the default toolkit have no list of models. */
const WITHOUT_LIST: ReadonlySet<string> = new Set(['tei', 'huggingface', 'huggingfaceNeuron']);

function describe({ spec, createdAt }: ServedEndpoint, exchange: Exchange): void {
  const hasList = exchange.path === '/v1/models' && !WITHOUT_LIST.has(spec.model.engine);
  if (!hasList) return sendJson(exchange, 404, { detail: 'Not Found' });
  sendJson(exchange, 200, { object: 'list', data: listServed(spec, createdAt) });
}

/**
 * The routes of each engine; `task` is `POST /`. The documentation of vLLM and SGLang lists chat, completions,
 * embeddings, responses and messages. llama.cpp's server has the first three and messages, TGI only generates (also in its
 * own form), TEI only embeds, and the default toolkit only accepts `{"inputs": ...}`. Other engines are treated like vLLM.
 */
const ROUTES: Readonly<Record<string, readonly EngineShape[]>> = {
  llamacpp: ['chat', 'completion', 'embedding', 'message'],
  tgi: ['chat', 'completion', 'task', 'generation'],
  tgiNeuron: ['chat', 'completion', 'task', 'generation'],
  tei: ['embedding', 'task'],
  huggingface: ['task'],
  huggingfaceNeuron: ['task'],
};
const ALL_ROUTES: readonly EngineShape[] = ['chat', 'completion', 'embedding', 'response', 'message'];

type EngineShape = NonNullable<ReturnType<typeof shapeOf>>;

async function generate(world: World, endpoint: ServedEndpoint, exchange: Exchange): Promise<void> {
  const raw = await readBody(exchange.request);
  const isTgi = endpoint.spec.model.engine.startsWith('tgi');
  const isStream = isStreamed(exchange.path, parseObject(raw) ?? {});
  const shape = exchange.path !== '/' ? shapeOf(exchange.path) : isTgi && isStream ? 'generation' : 'task';
  const isRouted = shape === 'task' || shape === 'generation' || exchange.path.startsWith('/v1/');
  if (!shape || !isRouted || !(ROUTES[endpoint.spec.model.engine] ?? ALL_ROUTES).includes(shape)) {
    return sendJson(exchange, 404, { detail: 'Not Found' });
  }
  const model = world.models.get(endpoint.spec.model.repository);
  const body = parseObject(raw) ?? (shape === 'task' && model && takesBody(model, raw) ? {} : undefined);
  if (!body) return sendJson(exchange, 400, vllmError(400, 'BadRequestError', 'The body is no JSON object'));
  const asked = { shape, body, model };
  const problem =
    shape === 'task'
      ? undefined
      : (findProblem(endpoint, asked) ?? findRejected(world, endpoint, asked) ?? findLong(world, endpoint, asked));
  if (problem) return sendJson(exchange, problem.status, problem.body);
  const { whenFull, fullRetryAfterSeconds } = world.limits;
  if (refusesWhenFull(whenFull) && endpoint.inFlight >= endpoint.slots) {
    const { status, body, headers } = fullAnswer(endpoint.spec, whenFull, fullRetryAfterSeconds);
    return sendJson(exchange, status, body, headers);
  }
  const isTaken = await endpoint.take((leave) => exchange.response.once('close', leave));
  if (!isTaken) return;
  try {
    await serve(world, endpoint, exchange, { shape, raw, body, model });
  } finally {
    endpoint.release();
  }
}

interface Request {
  readonly shape: EngineShape;
  readonly body: Record<string, unknown>;
  readonly model: SimulatedModel | undefined;
}

function findProblem(
  endpoint: ServedEndpoint,
  { shape, body, model }: Request,
): { status: number; body: object } | undefined {
  const { spec } = endpoint;
  const asked = body['model'];
  if (servesByName(endpoint.spec) && typeof asked === 'string' && !servedNames(spec).includes(asked)) {
    const message = `The model \`${asked}\` does not exist.`;
    return { status: 404, body: { error: { message, type: 'NotFoundError', param: 'model', code: 404 } } };
  }
  const isEmbedder = model?.task === 'feature-extraction';
  if (isEmbedder !== (shape === 'embedding')) {
    const what = isEmbedder ? 'generation' : 'Embeddings';
    return { status: 400, body: vllmError(400, 'BadRequestError', `The model does not support ${what} API`) };
  }
  const hasParser = spec.model.args.some((arg) => arg.includes('--enable-auto-tool-choice'));
  if (servesByName(endpoint.spec) && wantsTools(body) && !hasParser) {
    const message = '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set';
    return { status: 400, body: vllmError(400, 'BadRequestError', message) };
  }
  return undefined;
}

function wantsTools(body: Record<string, unknown>): boolean {
  return Array.isArray(body['tools']) && body['tools'].length > 0 && body['tool_choice'] !== 'none';
}

function findRejected({ faults }: World, { name }: ServedEndpoint, { shape, body }: Request) {
  const features = [body['stream'] === true && '+stream', wantsTools(body) && '+tools'];
  const whole = [shape, ...features.filter((feature) => feature !== false)].join('');
  if (!faults.strikes('endpoint', 'rejects', name, whole)) return undefined;
  return { status: 400, body: vllmError(400, 'BadRequestError', `Calls like this (${whole}) are not supported`) };
}

function findLong(
  { faults }: World,
  { spec, name }: ServedEndpoint,
  { shape, body }: Request,
): { status: number; body: object } | undefined {
  if (shape === 'embedding' || shape === 'task') return undefined;
  const tokens = { prompt: readAsked(shape, body).promptTokens, answer: answerLimitOf(body) ?? 0 };
  return refuseLong(spec, tokens, faults.factor('endpoint', 'narrow', name));
}

async function serve(
  world: World,
  endpoint: ServedEndpoint,
  exchange: Exchange,
  { shape, raw, body, model }: Request & { readonly raw: Buffer },
): Promise<void> {
  const { clock, dice, limits, faults, newId } = world;
  const { name } = endpoint;
  const load = endpoint.inFlight / endpoint.slots;
  const factor = limits.endpointFactor * faults.factor('endpoint', 'slow', name) * timesAt(load);
  const [served = ''] = servedNames(endpoint.spec);
  const bytes = raw.length;
  const isCut = faults.strikes('endpoint', 'cuts', name);
  if (shape === 'task' || shape === 'embedding') {
    await clock.sleep(drawTiming(limits.routerSpeed, { prompt: bytes / 4, output: 1 }, factor, dice).totalMs);
    if (isCut) return cutOff(exchange);
    if (shape === 'task') {
      if (!model) return sendJson(exchange, 200, []);
      return answerTask(exchange, model, { raw, pipeline: undefined, headers: {} });
    }
    const input = Array.isArray(body['input']) ? body['input'].map(String) : [String(body['input'])];
    const named = endpoint.spec.model.engine === 'tei' ? '/repository' : served;
    const isRounded = faults.find('endpoint', 'quantised', name) !== undefined;
    const how = { format: body['encoding_format'], size: dimensionsOf(model), isRounded };
    return sendJson(exchange, 200, embeddingAnswer(named, input, how));
  }
  const id = newId(shape === 'chat' ? 'chatcmpl' : shape);
  const wanted = readWanted(shape, body, {
    asked: readAsked(shape, body),
    deployment: endpointDeployment(faults, name, contextOf(endpoint.spec)),
    id,
    model: typeof body['model'] === 'string' && servesByName(endpoint.spec) ? body['model'] : served,
    nowMs: clock.now(),
    reasons: reasoningOf(model),
    lengthFactor: faults.factor('endpoint', 'short', name),
    dice,
  });
  const tokens = { prompt: wanted.promptTokens, output: wanted.outputTokens };
  const timing = drawTiming(limits.routerSpeed, tokens, factor, dice);
  const headers = { 'x-request-id': id };
  const broken = BROKEN_ANSWERS.find((kind) => faults.strikes('endpoint', kind, name));
  if (broken !== undefined) {
    await clock.sleep(timing.firstTokenMs);
    return giveBroken(exchange, broken, isStreamed(exchange.path, body));
  }
  const isStalled = faults.strikes('endpoint', 'stalls', name);
  if (isStalled && dice.next() < 0.5) return exchange.counters.add(exchange.upstream, 0);
  const isTruncated = faults.strikes('endpoint', 'truncated', name);
  const end = isStalled ? 'stall' : isCut ? 'cut' : isTruncated ? 'half' : 'whole';
  await giveAnswer(exchange, wanted, timing, {
    clock,
    isStreamed: isStreamed(exchange.path, body),
    end,
    headers,
  });
}

function vllmError(code: number, type: string, message: string): object {
  return { error: { message, type, param: null, code } };
}
