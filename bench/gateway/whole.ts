import { createGateway } from '../../src/gateway/server.ts';
import { serve } from './proxy.ts';
import type { Canary } from '../../src/core/route.ts';

// The whole gateway as the daemon runs it, a rollout at 50 % included, with the upstream on both sides.
serve(async (upstream) => {
  const canary: Canary = {
    rolloutId: 'bench',
    step: 3,
    weight: 0.5,
    affinity: 'call',
    blockMs: 60_000,
    url: upstream,
    servedModel: 'acme/tiny',
    shapes: new Set(['chat', 'chat+stream']),
  };
  const timeouts = { connectMs: 2000, firstByteMs: 60_000, betweenChunksMs: 120_000 };
  const table = {
    generation: 1,
    routes: new Map([['acme/tiny', { model: 'acme/tiny', timeouts, canary }]]),
    fallback: timeouts,
  };
  const gateway = createGateway({
    table: () => table,
    routerUrl: upstream,
    token: 'hf_bench',
    clock: {
      now: () => performance.timeOrigin + performance.now(),
      sleep: () => Promise.reject(new Error()),
      scale: 1,
    },
    recorder: { record: (_, release) => release() },
    observer: { arrived: () => undefined, failed: () => undefined, ended: () => undefined },
    agentSalt: 'bench',
  });
  return (await gateway.listen(0)).port;
});
