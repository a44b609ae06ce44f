import type { EffectName, EffectResult, EndpointSeen } from '../../core/decide/observation.ts';
import type { EndpointState } from '../../core/endpoint-state.ts';
import { AppError, errorCode, errorMessage } from '../../core/errors.ts';
import { isSameEndpoint } from '../../core/rollout/rollout.ts';
import type { Rollout } from '../../core/rollout/rollout.ts';
import { ensureEndpoint } from '../../huggingface/management/ensure.ts';
import { checkHealth, readServedModel } from '../../huggingface/probe/probe.ts';
import { endpointSpec } from '../../huggingface/management/spec.ts';
import { isOurs } from '../../huggingface/management/status.ts';
import type { EndpointStatus } from '../../huggingface/management/status.ts';
import { warmUp } from '../../huggingface/probe/warm.ts';
import type { ModelSeen } from '../../huggingface/hub/hub.ts';
import type { RouteWatch } from '../route/watch.ts';
import { addressOf } from './address.ts';
import type { EffectContext } from './context.ts';
import { changeScaling } from './scaling.ts';
import { takeSurvey } from './survey.ts';

/** The longest that an effect may take, in real time. After that the next tick decides what to do. */
const EFFECT_TIMEOUT_MS = 120_000;
const READING_TIMEOUT_MS = 10_000;

/** Carries out an effect, stores its result for the next observation, and wakes the tick. Never throws. */
export function beginEffect(watch: RouteWatch, effect: EffectName, context: EffectContext): Promise<void> {
  watch.reported.began(effect);
  const { rollout } = watch;
  const signal = AbortSignal.any([context.signal, AbortSignal.timeout(EFFECT_TIMEOUT_MS)]);
  return carryOut(watch, effect, context, signal)
    .catch((error: unknown) => problem(effect, error))
    .then((result) => {
      watch.reported.ended({ ...result, effect, at: context.clock.now() }, isSameEndpoint(watch.rollout, rollout));
      if (result.problem !== null)
        context.log('warn', 'effect failed', { effect, model: watch.model, ...result.problem });
      context.wake();
    });
}

type Outcome = Omit<EffectResult, 'effect' | 'at'>;

function problem(effect: EffectName, error: unknown): Outcome {
  const hint = error instanceof AppError ? (error.hint ?? null) : null;
  return { problem: { code: errorCode(error), message: `${effect}: ${errorMessage(error)}`, hint } };
}

async function carryOut(
  watch: RouteWatch,
  effect: EffectName,
  context: EffectContext,
  signal: AbortSignal,
): Promise<Outcome> {
  if (effect === 'survey') {
    watch.reported.surveyed(await takeSurvey(watch, context, signal));
    return { problem: null };
  }
  const { rollout } = watch;
  if (rollout === null) throw new AppError('internal', `${effect} without a rollout on ${watch.model}`);
  switch (effect) {
    case 'ensure':
      watch.reported.saw(await ensure(watch, rollout, context, signal));
      return { problem: null };
    case 'warm':
      return warm(watch, rollout, context, signal);
    case 'learn':
      return { problem: null, learned: await context.learn(watch.model, 'dedicated') };
    case 'pause':
      await pauseOurs(rollout, context, signal);
      watch.reported.saw(await readEndpoint(watch, rollout, context, signal));
      return { problem: null };
    case 'delete':
      await deleteOurs(rollout, context, signal);
      watch.reported.saw(await readEndpoint(watch, rollout, context, signal));
      return { problem: null };
    case 'rescale':
    case 'sleep':
    case 'wake':
      await changeScaling({ rollout, policy: watch.policy }, effect, context, signal);
      watch.reported.saw(await readEndpoint(watch, rollout, context, signal));
      return { problem: null };
  }
}

async function ensure(
  watch: RouteWatch,
  rollout: Rollout,
  { endpoints, hub, token, ledgerId, clock, isLocalApi }: EffectContext,
  signal: AbortSignal,
): Promise<EndpointSeen> {
  const policy = watch.policy.endpoint;
  if (policy === null) throw new AppError('internal', `no endpoint block for ${watch.model}`);
  const model = await hub.inspectModel(watch.model, signal);
  const base = await baseOf(rollout, hub, signal);
  const spec = endpointSpec({
    name: rollout.endpointName,
    policy,
    model: watch.model,
    task: base?.task ?? model.task,
    token: needsToken(model, base) ? token : null,
    instance: rollout.instance,
    ledgerId,
  });
  const status = await ensureEndpoint(endpoints, rollout.namespace, spec, signal);
  const address = addressOf(status, watch.policy, isLocalApi);
  return seenAs(status, address, { isHealthy: false, badReadings: 1, at: clock.now() });
}

/** What the Hub says of the base of an adapter; null if the model is none. */
function baseOf({ instance }: Rollout, hub: EffectContext['hub'], signal: AbortSignal): Promise<ModelSeen> | null {
  return instance.adapter === undefined ? null : hub.inspectModel(instance.adapter.base, signal);
}

/** The engine itself fetches gated models, and adapters that not everyone may read. */
function needsToken(model: ModelSeen, base: ModelSeen | null): boolean {
  return model.isGated || (base !== null && (base.isGated || model.isPrivate));
}

async function warm(
  watch: RouteWatch,
  rollout: Rollout,
  { token, learn }: EffectContext,
  signal: AbortSignal,
): Promise<Outcome> {
  if (rollout.phase !== 'warming') throw new AppError('internal', `warming in phase ${rollout.phase}`);
  const { url } = rollout;
  const served = await readServedModel(url, token, watch.model, signal);
  const engine = rollout.instance.engine;
  const { shown, failed } = await warmUp({
    url,
    token,
    model: watch.model,
    servedModel: served.name,
    shapes: [...watch.shapes],
    engine,
    signal,
  });
  const failures = failed.map(({ shape, why }) => `${shape}: ${why}`);
  if (shown.length === 0) {
    throw new AppError(
      'unavailable',
      `the endpoint answers no shape of call that this traffic uses (${failures.join('; ')})`,
    );
  }
  const profile = await learn(watch.model, 'serverless');
  const { name: servedModel, contextTokens } = served;
  const endpoint = { url, servedModel, shapes: shown, ...(contextTokens !== null && { contextTokens }) };
  return { problem: null, warmed: { endpoint, failed: failures, profile } };
}

/** Pauses the endpoint of a rollout. Does nothing if it does not exist or upshift did not create it. */
async function pauseOurs(rollout: Rollout, { endpoints }: EffectContext, signal: AbortSignal): Promise<void> {
  const status = await endpoints.get(rollout.namespace, rollout.endpointName, signal);
  if (status !== null && isOurs(status)) await endpoints.pause(rollout.namespace, rollout.endpointName, signal);
}

/** Deletes the endpoint of a rollout. Does nothing if it does not exist or upshift did not create it. */
async function deleteOurs(rollout: Rollout, { endpoints }: EffectContext, signal: AbortSignal): Promise<void> {
  const status = await endpoints.get(rollout.namespace, rollout.endpointName, signal);
  if (status !== null && isOurs(status)) await endpoints.delete(rollout.namespace, rollout.endpointName, signal);
}

/** Looks how the endpoints of all rollouts are, and wakes the tick where one is no longer as it was. */
export async function readEndpoints(watches: Iterable<RouteWatch>, context: EffectContext): Promise<void> {
  for (const watch of watches) {
    const { rollout } = watch;
    if (rollout === null || (rollout.phase === 'proposed' && rollout.wayBack === undefined)) continue;
    try {
      const seen = await readEndpoint(watch, rollout, context, AbortSignal.timeout(READING_TIMEOUT_MS));
      const isNews = seen.state !== watch.endpoint?.state || seen.badReadings !== watch.endpoint.badReadings;
      const isNewer = watch.endpoint === null || watch.endpoint.at <= seen.at;
      if (isSameEndpoint(watch.rollout, rollout) && isNewer && !watch.reported.isRunning('ensure'))
        watch.reported.saw(seen);
      if (isNews) context.wake();
    } catch (error) {
      const { endpointName: endpoint } = rollout;
      context.log('warn', 'the state of an endpoint cannot be read', { endpoint, error: errorMessage(error) });
    }
  }
}

/** A request to an endpoint in another state could start it, or has nobody to answer it. */
const MAY_BE_ASKED: ReadonlySet<EndpointState> = new Set(['running', 'updating', 'initializing']);

/** What the management API and the health route say of a rollout's endpoint now. */
async function readEndpoint(
  watch: RouteWatch,
  rollout: Rollout,
  { endpoints, token, clock, isLocalApi }: EffectContext,
  signal: AbortSignal,
): Promise<EndpointSeen> {
  const badReadings = (watch.endpoint?.badReadings ?? 0) + 1;
  // Before asking: what another effect learns meanwhile is newer than this.
  const at = clock.now();
  const status = await endpoints.get(rollout.namespace, rollout.endpointName, signal);
  if (status === null) {
    const replicas = { readyReplica: null, targetReplica: null, scaling: null };
    return { at, state: 'absent', url: null, isHealthy: false, badReadings, isOurs: true, message: null, ...replicas };
  }
  const address = addressOf(status, watch.policy, isLocalApi);
  if (address.url === null || !MAY_BE_ASKED.has(status.state)) {
    return seenAs(status, address, { isHealthy: false, badReadings, at });
  }
  const { ok, status: code, said } = await checkHealth(address.url, token, status.healthRoute, signal);
  if (ok) return seenAs(status, address, { isHealthy: true, badReadings: 0, at });
  const before = watch.endpoint?.health;
  const health = { status: code, said, since: before?.status === code ? before.since : at };
  return seenAs(status, address, { isHealthy: false, health, badReadings, at });
}

function seenAs(
  status: EndpointStatus,
  address: Pick<EndpointSeen, 'url' | 'foreignUrl'>,
  reading: Pick<EndpointSeen, 'at' | 'isHealthy' | 'health' | 'badReadings'>,
): EndpointSeen {
  return {
    ...reading,
    ...address,
    isOurs: isOurs(status),
    state: status.state,
    message: status.errorMessage ?? status.message,
    readyReplica: status.readyReplica,
    targetReplica: status.targetReplica,
    scaling: status.scaling,
  };
}
