import { ENDPOINT_STATES } from '../../core/endpoint-state.ts';
import type { EndpointState } from '../../core/endpoint-state.ts';
import type { Measure, Scaling } from '../../core/scaling/scaling.ts';
import { OUR_TAG } from '../../core/sweep/sweep.ts';
import { at, number, text } from '../json.ts';

/** An Inference Endpoint as the management API shows it. */
export interface EndpointStatus {
  readonly name: string;
  /** A state that upshift does not know is read as `updating` (neither ready nor failed), and `message` names it. */
  readonly state: EndpointState;
  /** No trailing slash; null until the endpoint is scheduled. Not checked: see `core/endpoint-address.ts`. */
  readonly url: string | null;
  readonly type: string;
  /** The repository that it serves. */
  readonly model: string;
  readonly message: string | null;
  readonly errorMessage: string | null;
  readonly readyReplica: number;
  readonly targetReplica: number;
  /** Null if it cannot be read. */
  readonly scaling: Scaling | null;
  /** Epoch ms; null if the API does not state it. */
  readonly createdAt: number | null;
  readonly updatedAt: number | null;
  readonly tags: readonly string[];
  readonly instance: {
    readonly vendor: string;
    readonly region: string;
    readonly instanceType: string;
    readonly instanceSize: string;
  };
  /** Path of the health route; `/health` if the API names none. */
  readonly healthRoute: string;
}

/** Whether upshift created it. */
export function isOurs(status: Pick<EndpointStatus, 'tags'>): boolean {
  return status.tags.includes(OUR_TAG);
}

/** Reads `EndpointWithStatus` (OpenAPI 2.0.0 of the management API); tolerates missing and new fields. */
export function readStatus(value: unknown): EndpointStatus {
  const status = at(value, 'status');
  const stated = text(at(status, 'state')) ?? '';
  const state = ENDPOINT_STATES.find((known) => known === stated);
  const message = text(at(status, 'message'));
  const compute = at(value, 'compute');
  const tags = at(value, 'tags');
  return {
    name: text(at(value, 'name')) ?? '',
    state: state ?? 'updating',
    url: text(at(status, 'url'))?.replace(/\/+$/, '') ?? null,
    type: text(at(value, 'type')) ?? '',
    model: text(at(at(value, 'model'), 'repository')) ?? '',
    message: state === undefined ? `state "${stated}" is not known; ${message ?? 'no message'}` : message,
    errorMessage: text(at(status, 'errorMessage')),
    readyReplica: number(at(status, 'readyReplica')) ?? 0,
    targetReplica: number(at(status, 'targetReplica')) ?? 0,
    scaling: readScaling(value),
    createdAt: time(at(status, 'createdAt')),
    updatedAt: time(at(status, 'updatedAt')),
    tags: Array.isArray(tags) ? tags.filter((tag): tag is string => typeof tag === 'string') : [],
    instance: {
      vendor: text(at(at(value, 'provider'), 'vendor')) ?? '',
      region: text(at(at(value, 'provider'), 'region')) ?? '',
      instanceType: text(at(compute, 'instanceType')) ?? '',
      instanceSize: text(at(compute, 'instanceSize')) ?? '',
    },
    healthRoute: readHealthRoute(value),
  };
}

function time(value: unknown): number | null {
  const parsed = typeof value === 'string' ? Date.parse(value) : Number.NaN;
  return Number.isNaN(parsed) ? null : parsed;
}

function readHealthRoute(value: unknown): string {
  const image = at(at(value, 'model'), 'image');
  const variants: unknown[] = typeof image === 'object' && image !== null ? Object.values(image) : [];
  const route = text(at(value, 'healthRoute')) ?? text(at(variants[0], 'healthRoute')) ?? '/health';
  return route.startsWith('/') ? route : `/${route}`;
}

/** The scaling in an endpoint's body; null if it cannot be read. `metric` and `threshold` are its old spelling. */
export function readScaling(body: unknown): Scaling | null {
  const scaling = at(at(body, 'compute'), 'scaling');
  const [minReplica, maxReplica] = [number(at(scaling, 'minReplica')), number(at(scaling, 'maxReplica'))];
  if (minReplica === null || maxReplica === null) return null;
  const scaleToZeroTimeout = number(at(scaling, 'scaleToZeroTimeout'));
  return { minReplica, maxReplica, scaleToZeroTimeout, measure: readMeasure(at(scaling, 'measure')) };
}

function readMeasure(measure: unknown): Measure | null {
  const pendingRequests = number(at(measure, 'pendingRequests'));
  if (pendingRequests !== null) return { pendingRequests };
  const hardwareUsage = number(at(measure, 'hardwareUsage'));
  return hardwareUsage === null ? null : { hardwareUsage };
}
