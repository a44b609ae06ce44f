import { CATALOGUE, providerList } from '../endpoint/catalogue.ts';
import type { Compute } from '../endpoint/catalogue.ts';
import type { Endpoint } from '../endpoint/endpoint.ts';
import type { Fleet } from '../endpoint/fleet.ts';
import { readSpec, ValidationError } from '../endpoint/spec.ts';
import { bearerToken, cutOff, isObject, parseObject, readBody, sendJson, sendText } from '../exchange.ts';
import type { Exchange } from '../exchange.ts';
import type { TokenOwner } from '../limits.ts';
import type { World } from '../world.ts';
import { endpointBody } from './endpoint-body.ts';
import { answerMetrics } from './metrics.ts';

/** What the management API shows and changes. */
interface Managed {
  readonly world: World;
  readonly fleet: Fleet;
}

/** The management API of Inference Endpoints, version 2. */
export async function answerManagement(managed: Managed, exchange: Exchange): Promise<void> {
  const { world, fleet } = managed;
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
  if (version === 'v2' && subject === 'provider') return answerProvider(managed, exchange, owner, rest);
  if (version !== 'v2' || subject !== 'endpoint') return sendJson(exchange, 404, { error: 'Not Found' });
  const [namespace = '', name, action] = rest;
  if (!isTheirs(owner, namespace)) return sendJson(exchange, 404, { error: `Namespace ${namespace} not found` });
  if (name === undefined || name === '') {
    if (exchange.method === 'GET') return list(fleet, exchange, owner, namespace);
    if (exchange.method === 'POST') return create(managed, exchange, owner, namespace);
    return sendJson(exchange, 405, { error: 'Method Not Allowed' });
  }
  const endpoint = fleet.get(namespace, name);
  if (!endpoint) return sendJson(exchange, 404, { error: `Endpoint ${name} not found in namespace ${namespace}` });
  return answerOne(managed, exchange, { owner, endpoint, action });
}

function isTheirs(owner: TokenOwner, namespace: string): boolean {
  return owner.name === namespace || owner.orgs.includes(namespace);
}

function answerProvider(managed: Managed, exchange: Exchange, owner: TokenOwner, rest: readonly string[]): void {
  const isQuota = rest[0] === 'quotas';
  const namespace = (isQuota ? rest[1] : rest[0]) ?? '';
  if (!isTheirs(owner, namespace)) return sendJson(exchange, 404, { error: `Namespace ${namespace} not found` });
  const used = (compute: Compute) => managed.fleet.usedAccelerators(compute);
  const most = (compute: Compute) => maximum(managed, compute);
  if (!isQuota) return sendJson(exchange, 200, providerList(used, most));
  const vendors = [...new Set(CATALOGUE.map((compute) => compute.vendor))].map((vendor) => {
    const types = new Map(CATALOGUE.filter((c) => c.vendor === vendor).map((c) => [c.instanceType, c]));
    const quotas = [...types.values()].map((compute) => ({
      instanceType: compute.instanceType,
      architecture: compute.architecture,
      maxAccelerators: most(compute),
      usedAccelerators: used(compute),
    }));
    return { name: vendor, quotas };
  });
  sendJson(exchange, 200, { vendors });
}

/** With the `quota` fault, the account may not use more than it already uses. */
function maximum({ world, fleet }: Managed, compute: Compute): number {
  if (world.faults.find('management', 'quota', `${compute.instanceType}/${compute.instanceSize}`))
    return fleet.usedAccelerators(compute);
  return world.quotas[compute.instanceType] ?? compute.maxAccelerators;
}

function list(fleet: Fleet, exchange: Exchange, owner: TokenOwner, namespace: string): void {
  const all = fleet.living().filter((each) => each.namespace === namespace);
  const from = Number(exchange.query.get('cursor') ?? 0) || 0;
  const limit = Number(exchange.query.get('limit') ?? 100) || 100;
  const items = all.slice(from, from + limit).map((each) => endpointBody(each, owner.name));
  const nextCursor = from + limit < all.length ? String(from + limit) : null;
  sendJson(exchange, 200, { items, nextCursor, totalItems: all.length });
}

async function create(managed: Managed, exchange: Exchange, owner: TokenOwner, namespace: string): Promise<void> {
  const { world, fleet } = managed;
  const body = parseObject(await readBody(exchange.request));
  if (!body) return sendJson(exchange, 400, { error: 'Failed to parse the request body as JSON' });
  await withValidation(exchange, async () => {
    const spec = readSpec(body);
    const taken = { error: `Endpoint ${spec.name} already exists in namespace ${namespace}` };
    if (fleet.get(namespace, spec.name)) return sendJson(exchange, 409, taken);
    if (!owner.canPay || world.faults.find('management', 'payment')) {
      return sendJson(exchange, 403, { error: `Payment method required for namespace ${namespace}` });
    }
    const refusal = quotaRefusal(managed, spec);
    if (refusal) return sendJson(exchange, 400, { error: refusal });
    const endpoint = await fleet.create(namespace, spec);
    if (!endpoint) return sendJson(exchange, 409, taken);
    return sendJson(exchange, 200, endpointBody(endpoint, owner.name));
  });
}

function quotaRefusal(managed: Managed, { compute, scaling }: Pick<Endpoint['spec'], 'compute' | 'scaling'>) {
  if (compute.status === 'deprecated' || compute.status === 'not_available') {
    return `Instance ${compute.instanceType} ${compute.instanceSize} is not available`;
  }
  const wanted = compute.numAccelerators * Math.max(1, scaling.minReplica);
  const [used, most] = [managed.fleet.usedAccelerators(compute), maximum(managed, compute)];
  if (used + wanted <= most) return undefined;
  return `Quota exceeded for ${compute.instanceType}: ${used} of ${most} accelerators in use, ${wanted} requested`;
}

async function answerOne(
  managed: Managed,
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
      managed.fleet.delete(endpoint);
      return sendJson(exchange, 200, {});
    case 'POST pause':
      endpoint.pause();
      return show();
    case 'POST scale-to-zero':
      endpoint.scaleToZero();
      return show();
    case 'POST resume':
      return resume(managed, exchange, endpoint, show);
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

function resume(managed: Managed, exchange: Exchange, endpoint: Endpoint, show: () => void): void {
  const { state } = endpoint;
  if (state !== 'paused' && state !== 'scaledToZero' && state !== 'failed') {
    return sendJson(exchange, 400, { error: `Endpoint ${endpoint.name} is already running` });
  }
  const refusal = state === 'scaledToZero' ? undefined : quotaRefusal(managed, endpoint.spec);
  if (refusal) return sendJson(exchange, 400, { error: refusal });
  if (managed.world.faults.find('management', 'payment')) {
    return sendJson(exchange, 403, { error: `Payment method required for namespace ${endpoint.namespace}` });
  }
  endpoint.resume();
  return show();
}

/** Merges the fields of the body into the endpoint; name and engine stay the same. */
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
