import { crc32 } from 'node:zlib';
import { ROUTER_CHOICES } from '../../core/policy/care.ts';
import { embeddingAnswer, textTokens } from '../answer/answers.ts';
import { readAsked } from '../answer/asked.ts';
import { providerDeployment } from '../answer/deployment.ts';
import { drawTiming, giveAnswer, readWanted } from '../answer/generate.ts';
import { isStreamed } from '../answer/shapes.ts';
import { answerTask } from '../answer/tasks.ts';
import type { AnswerKind } from '../answer/wanted.ts';
import { bearerToken, cutOff, parseObject, readBody, sendJson } from '../exchange.ts';
import type { Exchange } from '../exchange.ts';
import { dimensionsOf, reasoningOf } from '../hub/models.ts';
import type { SimulatedModel } from '../hub/models.ts';
import type { World } from '../world.ts';
import { CallWindow } from './call-window.ts';
import { listModels } from './model-list.ts';
import { NativeRoutes } from './native.ts';
import { isRefused, unsupported } from './refusal.ts';
import { findModel, isWritten, readTarget, takesBytes } from './target.ts';
import type { Target } from './target.ts';

/** A call that the router accepted: its model and provider are known. */
interface TakenCall {
  readonly target: Target;
  readonly raw: Buffer;
  readonly body: Record<string, unknown>;
  readonly model: SimulatedModel;
  readonly provider: string;
}

/** How a call is answered; whether token by token is not decided yet. */
interface Serving {
  /** Factor on the times of the call. */
  readonly factor: number;
  readonly headers: Readonly<Record<string, string>>;
}

/** Hugging Face's serverless router. */
export class Router {
  readonly #world: World;
  readonly #window: CallWindow;
  readonly #native: NativeRoutes;
  #inFlight = 0;

  constructor(world: World) {
    this.#world = world;
    this.#window = new CallWindow(world);
    this.#native = new NativeRoutes(world);
  }

  /** Calls in work. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Calls accepted in the present window, by model and provider: `org/name:provider`. */
  window(): Record<string, number> {
    return this.#window.counts();
  }

  async answer(exchange: Exchange): Promise<void> {
    const owner = this.#world.owner(bearerToken(exchange.request));
    if (!owner) return sendJson(exchange, 401, { error: 'Invalid username or password.' });
    if (exchange.method === 'GET') {
      const isJob = exchange.path.startsWith('/fal-ai/');
      return isJob ? this.#native.answerJob(exchange) : listModels(this.#world, exchange);
    }
    if (exchange.method !== 'POST') return sendJson(exchange, 405, { error: 'Method Not Allowed' });
    const who = `call Inference Providers on behalf of user ${owner.name}`;
    const denied = `This authentication method does not have sufficient permissions to ${who}`;
    if (!owner.mayCallRouter) return sendJson(exchange, 403, { error: denied });
    const target = readTarget(exchange.path);
    if (!target) return sendJson(exchange, 404, { error: 'Not Found' });
    if (exchange.request.socket.destroyed) return cutOff(exchange);
    return this.#call(exchange, target);
  }

  async #call(exchange: Exchange, target: Target): Promise<void> {
    const raw = await readBody(exchange.request);
    const object = parseObject(raw);
    const body = object ?? {};
    const { asked, suffix, model } = findModel(this.#world.models, target, { path: exchange.path, raw, body });
    if (!model && target.modelId) return sendJson(exchange, 404, { error: `Model ${asked} does not exist` });
    if (!object && !takesBytes(target.shape, raw, model)) {
      return sendJson(exchange, 422, { error: 'Failed to deserialize the JSON body into the target type' });
    }
    if (!model || model.providers.length === 0) return sendJson(exchange, 400, unsupported(asked));
    const wanted = target.provider ?? suffix;
    const isPolicy = wanted === undefined || ROUTER_CHOICES.has(wanted);
    const provider = isPolicy ? this.#choose(model, raw) : wanted;
    if (!isPolicy && provider !== 'hf-inference' && !model.providers.includes(provider)) {
      return sendJson(exchange, 400, { error: `Model not supported by provider ${provider}` });
    }
    const asking = { modelId: model.id, provider, inFlight: this.#inFlight, window: this.#window };
    if (isRefused(this.#world, exchange, asking)) return;
    this.#inFlight += 1;
    try {
      await this.#serve(exchange, { target, raw, body, model, provider });
    } finally {
      this.#inFlight -= 1;
    }
  }

  /** The provider of a call that names none: the fastest one, or any of them if they are not alike. */
  #choose({ providers }: SimulatedModel, raw: Buffer): string {
    const isSpread = this.#world.faults.find('router', 'provider') !== undefined;
    return providers[isSpread ? crc32(raw) % providers.length : 0] ?? '';
  }

  async #serve(exchange: Exchange, call: TakenCall): Promise<void> {
    const { clock, dice, limits, faults, newId } = this.#world;
    const { target, raw, body, model } = call;
    const { shape, pipeline } = target;
    const headers = { 'x-request-id': newId('req'), 'x-inference-provider': call.provider };
    const factor = faults.factor('router', 'slow') * (1 + (this.#inFlight / limits.routerComfort) ** 2);
    if (isWritten(shape)) return this.#write(exchange, call, shape, { factor, headers });
    // The inference API streams text in TGI's form.
    const isGeneration = shape === 'task' && model.task === 'text-generation' && body['stream'] === true;
    if (isGeneration) return this.#write(exchange, call, 'generation', { factor, headers });
    await clock.sleep(drawTiming(limits.routerSpeed, { prompt: raw.length / 4, output: 1 }, factor, dice).totalMs);
    if (shape === 'task') return answerTask(exchange, model, { raw, pipeline, headers });
    if (shape !== 'embedding') return this.#native.answer(exchange, { shape, raw, body, headers });
    const input = Array.isArray(body['input']) ? body['input'].map(String) : [String(body['input'])];
    this.#bill(exchange, call, { input: textTokens(input), output: 0 });
    const answer = embeddingAnswer(model.id, input, { format: body['encoding_format'], size: dimensionsOf(model) });
    return sendJson(exchange, 200, answer, headers);
  }

  /** Answers with text, token by token. */
  async #write(exchange: Exchange, call: TakenCall, kind: AnswerKind, { factor, headers }: Serving): Promise<void> {
    const { clock, dice, limits, faults, newId } = this.#world;
    const { body, model, provider } = call;
    const id = newId(kind === 'chat' ? 'chatcmpl' : kind);
    const asked = readAsked(kind, body);
    const isOdd = faults.find('router', 'provider') !== undefined && provider === model.providers.at(-1);
    const deployment = providerDeployment(faults, provider, isOdd);
    const from = { asked, deployment, id, model: model.id, nowMs: clock.now(), reasons: reasoningOf(model), dice };
    const wanted = readWanted(kind, body, from);
    const tokens = { prompt: wanted.promptTokens, output: wanted.outputTokens };
    const timing = drawTiming(limits.routerSpeed, tokens, factor, dice);
    const end = faults.strikes('router', 'cuts') ? 'cut' : 'whole';
    if (end === 'whole') this.#bill(exchange, call, { input: tokens.prompt, output: tokens.output });
    await giveAnswer(exchange, wanted, timing, { clock, isStreamed: isStreamed(exchange.path, body), end, headers });
  }

  /** Bills tokens to the account that `X-HF-Bill-To` names, else to the token's owner. */
  #bill({ request }: Exchange, { model, provider }: TakenCall, tokens: { input: number; output: number }): void {
    const { clock, usage, keeper } = this.#world;
    const named = request.headers['x-hf-bill-to'];
    const payer = typeof named === 'string' ? named : (this.#world.owner(bearerToken(request))?.name ?? '');
    const micros = tokens.input * model.pricing.input + tokens.output * model.pricing.output;
    const day = new Date(clock.now()).toISOString().slice(0, 10);
    const used = { inputTokens: tokens.input, outputTokens: tokens.output, micros };
    usage.add({ payer, day, model: model.id, provider, ...used });
    keeper.soon();
  }
}
