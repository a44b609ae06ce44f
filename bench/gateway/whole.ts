import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GATEWAY_ID } from '../../src/core/call.ts';
import type { Canary } from '../../src/core/route.ts';
import { createGateway } from '../../src/gateway/server.ts';
import { openLedger } from '../../src/ledger/open.ts';
import { serve } from './proxy.ts';

// The whole gateway as the daemon runs it, a rollout at 50 % included, with the upstream on both sides.
serve(async (upstream) => {
  const canary: Canary = {
    rolloutId: 'bench',
    toward: 'dedicated',
    step: 3,
    weight: 0.5,
    affinity: 'call',
    blockMs: 60_000,
    url: upstream,
    servedModel: 'acme/tiny',
    shapes: new Set(['chat', 'chat+stream']),
    shadow: null,
  };
  const timeouts = { connectMs: 2000, firstByteMs: 60_000, betweenChunksMs: 120_000, totalMs: 1_800_000 };
  const table = {
    generation: 1,
    routes: new Map([['acme/tiny', { model: 'acme/tiny', timeouts, canary, care: null }]]),
    fallback: { timeouts, care: null },
  };
  const folder = mkdtempSync(join(tmpdir(), 'upshift-bench-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  const clock = {
    now: () => performance.timeOrigin + performance.now(),
    sleep: () => Promise.reject(new Error('nobody sleeps on this clock')),
    scale: 1,
  };
  const ledger = await openLedger(join(folder, 'bench.db'), { clock });
  const gateway = createGateway({
    gatewayId: GATEWAY_ID,
    table: () => table,
    routerUrl: upstream,
    token: 'hf_bench',
    clock,
    recorder: ledger.calls,
    observer: {
      arrived: () => undefined,
      sent: () => undefined,
      failed: () => undefined,
      ended: () => undefined,
      shadowed: () => undefined,
    },
    agentSalt: 'bench',
  });
  return (await gateway.listen(0)).port;
});
