import { CATALOGUE, providerList } from '../endpoint/catalogue.ts';
import type { Compute } from '../endpoint/catalogue.ts';
import { endpointBody } from './endpoint-body.ts';
import { Endpoint } from '../endpoint/endpoint.ts';
import { bearerToken, cutOff, isObject, parseObject, readBody, sendJson, sendText } from '../exchange.ts';
import type { Exchange } from '../exchange.ts';
import type { TokenOwner } from '../limits.ts';
import { answerMetrics } from './metrics.ts';
import { readSpec, ValidationError } from '../endpoint/spec.ts';
import type { World } from '../world.ts';

/** The management API of Inference Endpoints, version 2. */
export async function answerManagement(world: World, exchange: Exchange): Promise<void> {
  const { faults, clock } = world;
  if (faults.strikes('management', 'down')) return cutOff(exchange);
  const slowness = faults.factor('management', 'slow');
  if (slowness !== 1) await clock.sleep(1000 * slowness);
  if (faults.strikes('management', 'errors')) return sendJson(exchange, 500, { error: 'Internal Server Error' });
  if (exchange.path === '/v2/provider') {
    // Without an account the quotas are placeholders.
    const none = () => 0;
    return sendJson(exchange, 200, providerList(none, none));
  }
  const owner = world.owner(bearerToken(exchange.request));
  if (!owner) return sendJson(exchange, 401, { error: 'Unauthorized: invalid token' });
  if (!owner.mayManage) return sendJson(exchange, 403, { error: 'missing permissions: inference.endpoints.write' });
  const [, version, subject, ...rest] = exchange.path.split('/').map(decodeURIComponent);
  if (version === 'v2' && subject === 'provider') return answerProvider(world, exchange, owner, rest);
  if (version !== 'v2' || subject !== 'endpoint') return sendJson(exchange, 404, { error: 'Not Found' });
  const [namespace = '', name, action] = rest;
  if (!isTheirs(owner, namespace)) return sendJson(exchange, 404, { error: `Namespace ${namespace} not found` });
  if (name === undefined || name === '') {
    if (exchange.method === 'GET') return list(world, exchange, owner, namespace);
    if (exchange.method === 'POST') return create(world, exchange, owner, namespace);
    return sendJson(exchange, 405, { error: 'Method Not Allowed' });
  }
  const endpoint = world.endpoints.get(`${namespace}/${name}`);
  if (!endpoint) return sendJson(exchange, 404, { error: `Endpoint ${name} not found in namespace ${namespace}` });
  return answerOne(world, exchange, { owner, endpoint, action });
}

function isTheirs(owner: TokenOwner, namespace: string): boolean {
  return owner.name === namespace || owner.orgs.includes(namespace);
}

function answerProvider(world: World, exchange: Exchange, owner: TokenOwner, rest: readonly string[]): void {
  const isQuota = rest[0] === 'quotas';
  const namespace = (isQuota ? rest[1] : rest[0]) ?? '';
  if (!isTheirs(owner, namespace)) return sendJson(exchange, 404, { error: `Namespace ${namespace} not found` });
  const used = (compute: Compute) => usedAccelerators(world, compute);
  if (!isQuota)
    return sendJson(
      exchange,
      200,
      providerList(used, (compute) => maximum(world, compute)),
    );
  const vendors = [...new Set(CATALOGUE.map((compute) => compute.vendor))].map((vendor) => {
    const types = new Map(CATALOGUE.filter((c) => c.vendor === vendor).map((c) => [c.instanceType, c]));
    const quotas = [...types.values()].map((compute) => ({
      instanceType: compute.instanceType,
      architecture: compute.architecture,
      maxAccelerators: maximum(world, compute),
      usedAccelerators: used(compute),
    }));
    return { name: vendor, quotas };
  });
  sendJson(exchange, 200, { vendors });
}

/** With the `quota` fault the account may use no more than it uses already. */
function maximum(world: World, compute: Compute): number {
  if (world.faults.find('management', 'quota')) return usedAccelerators(world, compute);
  return world.quotas[compute.instanceType] ?? compute.maxAccelerators;
}

/** Paused and failed endpoints do not count towards the quota, scaled to zero ones do. */
function usedAccelerators(world: World, compute: Compute): number {
  let used = 0;
  for (const endpoint of world.endpoints.values()) {
    const { compute: rented, scaling } = endpoint.spec;
    if (rented.vendor !== compute.vendor || rented.instanceType !== compute.instanceType) continue;
    if (endpoint.state === 'paused' || endpoint.state === 'failed') continue;
    used += rented.numAccelerators * Math.max(1, scaling.minReplica);
  }
  return used;
}

function list(world: World, exchange: Exchange, owner: TokenOwner, namespace: string): void {
  const all = [...world.endpoints.values()].filter((each) => each.namespace === namespace);
  const from = Number(exchange.query.get('cursor') ?? 0) || 0;
  const limit = Number(exchange.query.get('limit') ?? 100) || 100;
  const items = all.slice(from, from + limit).map((each) => endpointBody(each, owner.name));
  const nextCursor = from + limit < all.length ? String(from + limit) : null;
  sendJson(exchange, 200, { items, nextCursor, totalItems: all.length });
}

async function create(world: World, exchange: Exchange, owner: TokenOwner, namespace: string): Promise<void> {
  const body = parseObject(await readBody(exchange.request));
  if (!body) return sendJson(exchange, 400, { error: 'Failed to parse the request body as JSON' });
  await withValidation(exchange, async () => {
    const spec = readSpec(body);
    const key = `${namespace}/${spec.name}`;
    if (world.endpoints.has(key)) {
      return sendJson(exchange, 409, { error: `Endpoint ${spec.name} already exists in namespace ${namespace}` });
    }
    if (!owner.canPay || world.faults.find('management', 'payment')) {
      return sendJson(exchange, 403, { error: `Payment method required for namespace ${namespace}` });
    }
    const refusal = quotaRefusal(world, spec);
    if (refusal) return sendJson(exchange, 400, { error: refusal });
    const endpoint = await Endpoint.open(world, namespace, spec);
    // Listening took a turn of the event loop: of two requests for one name the later is the one refused.
    if (world.endpoints.has(key)) {
      endpoint.close();
      return sendJson(exchange, 409, { error: `Endpoint ${spec.name} already exists in namespace ${namespace}` });
    }
    world.endpoints.set(key, endpoint);
    world.keeper.now();
    await endpoint.applyFaults();
    return sendJson(exchange, 200, endpointBody(endpoint, owner.name));
  });
}

function quotaRefusal(world: World, { compute, scaling }: Pick<Endpoint['spec'], 'compute' | 'scaling'>) {
  if (compute.status === 'deprecated' || compute.status === 'not_available') {
    return `Instance ${compute.instanceType} ${compute.instanceSize} is not available`;
  }
  const wanted = compute.numAccelerators * Math.max(1, scaling.minReplica);
  const [used, most] = [usedAccelerators(world, compute), maximum(world, compute)];
  if (used + wanted <= most) return undefined;
  return `Quota exceeded for ${compute.instanceType}: ${used} of ${most} accelerators in use, ${wanted} requested`;
}

async function answerOne(
  world: World,
  exchange: Exchange,
  { owner, endpoint, action }: { owner: TokenOwner; endpoint: Endpoint; action: string | undefined },
): Promise<void> {
  const show = () => sendJson(exchange, 200, endpointBody(endpoint, owner.name));
  switch (`${exchange.method} ${action ?? ''}`.trim()) {
    case 'GET':
      return show();
    case 'PUT':
      return update(exchange, endpoint, show);
    case 'DELETE':
      endpoint.delete();
      world.endpoints.delete(`${endpoint.namespace}/${endpoint.name}`);
      world.deleted.push(endpoint);
      world.keeper.now();
      return sendJson(exchange, 200, {});
    case 'POST pause':
      endpoint.pause();
      return show();
    case 'POST scale-to-zero':
      endpoint.scaleToZero();
      return show();
    case 'POST resume':
      return resume(world, exchange, endpoint, show);
    case 'POST metrics':
      return answerMetrics(exchange, endpoint);
    case 'GET replica': {
      const { state, replicas } = endpoint.now();
      const status = { stage: state === 'running' ? 'RUNNING' : 'STARTING', live: endpoint.isLoaded() };
      const items = Array.from({ length: replicas }, (_, index) => ({ id: `${endpoint.name}-${index}`, status }));
      return sendJson(exchange, 200, { items });
    }
    case 'GET logs':
      return sendText(
        exchange,
        200,
        endpoint
          .history()
          .map((each) => `${new Date(each.at).toISOString()} ${each.state}: ${each.message}\n`)
          .join(''),
      );
    default:
      return sendJson(exchange, 404, { error: 'Not Found' });
  }
}

function resume(world: World, exchange: Exchange, endpoint: Endpoint, show: () => void): void {
  const { state } = endpoint;
  if (state !== 'paused' && state !== 'scaledToZero' && state !== 'failed') {
    return sendJson(exchange, 400, { error: `Endpoint ${endpoint.name} is already running` });
  }
  const refusal = state === 'scaledToZero' ? undefined : quotaRefusal(world, endpoint.spec);
  if (refusal) return sendJson(exchange, 400, { error: refusal });
  if (world.faults.find('management', 'payment')) {
    return sendJson(exchange, 403, { error: `Payment method required for namespace ${endpoint.namespace}` });
  }
  endpoint.resume();
  return show();
}

/** Merges what the body names into the endpoint; the name, and the engine, stay. */
async function update(exchange: Exchange, endpoint: Endpoint, show: () => void): Promise<void> {
  const body = parseObject(await readBody(exchange.request));
  if (!body) return sendJson(exchange, 400, { error: 'Failed to parse the request body as JSON' });
  await withValidation(exchange, () => {
    const { spec } = endpoint;
    const { compute, scaling, model } = spec;
    const { vendor, region, accelerator, instanceType, instanceSize } = compute;
    const { engine, secretNames, task, ...plain } = model;
    const secrets = Object.fromEntries(secretNames.map((name) => [name, '']));
    const present = {
      name: spec.name,
      type: spec.type,
      provider: { vendor, region },
      compute: { accelerator, instanceType, instanceSize, scaling: { ...scaling } },
      model: { ...plain, secrets, ...(task === undefined ? {} : { task }) },
      tags: spec.tags,
    };
    const merged = readSpec({ ...merge(present, body), name: spec.name });
    if (merged.model.engine !== engine) {
      throw new ValidationError('VALIDATION_FAILED: model.image: the engine of an endpoint cannot be changed');
    }
    endpoint.update(merged);
    show();
  });
}

/** Objects are merged key by key; lists, the image and everything else are replaced. */
function merge(present: Record<string, unknown>, change: Record<string, unknown>): Record<string, unknown> {
  const merged = { ...present };
  for (const [key, value] of Object.entries(change)) {
    const old = merged[key];
    const isMerged = isObject(old) && isObject(value) && key !== 'image' && key !== 'measure';
    merged[key] = isMerged ? merge(old, value) : value;
  }
  return merged;
}

async function withValidation(exchange: Exchange, work: () => void | Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof ValidationError)) throw error;
    sendJson(exchange, 400, { error: error.message });
  }
}
