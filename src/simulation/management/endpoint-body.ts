import { computeId } from '../endpoint/catalogue.ts';
import type { Endpoint } from '../endpoint/endpoint.ts';
import { healthRoute } from '../endpoint/spec.ts';
import { revisionOf } from '../hub/hub.ts';

/** The endpoint as the management API shows it. */
export function endpointBody(endpoint: Endpoint, userName: string): object {
  const { spec } = endpoint;
  const { state, message, replicas } = endpoint.now();
  const { scaling, compute, model } = spec;
  const by = { id: '6273f303f6d63a28483fde12', name: userName };
  const measureKey = Object.keys(scaling.measure ?? {})[0];
  const metric = measureKey && { metric: measureKey, threshold: scaling.measure?.[measureKey] ?? null };
  const time = (at: number) => new Date(at).toISOString();
  return {
    name: spec.name,
    type: spec.type,
    healthRoute: healthRoute(spec),
    provider: { vendor: compute.vendor, region: compute.region },
    compute: {
      id: computeId(compute),
      accelerator: compute.accelerator,
      instanceType: compute.instanceType,
      instanceSize: compute.instanceSize,
      scaling: { ...scaling, ...metric },
    },
    model: {
      repository: model.repository,
      revision: model.revision ?? revisionOf(model.repository),
      task: model.task ?? null,
      framework: model.framework,
      image: model.image,
      env: model.env,
      secrets: Object.fromEntries(model.secretNames.map((name) => [name, null])),
      args: model.args,
      command: model.command,
      fromCatalog: false,
    },
    status: {
      state,
      message,
      errorMessage: state === 'failed' ? message : null,
      url: endpoint.url,
      readyReplica: endpoint.readyReplicas,
      targetReplica: state === 'pending' ? Math.max(1, scaling.minReplica) : replicas,
      createdAt: time(endpoint.createdAt),
      createdBy: by,
      updatedAt: time(endpoint.updatedAt),
      updatedBy: by,
      lastUsedAt: endpoint.lastUsedAt === undefined ? null : time(endpoint.lastUsedAt),
      private: { serviceName: null },
      inferenceMetricsEnabled: true,
    },
    tags: spec.tags,
    experimentalFeatures: {},
    notifications: {},
  };
}
