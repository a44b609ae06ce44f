import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { dice } from '../../support/dice.ts';
import { eventually } from '../../support/waiting.ts';
import { answersIn, send } from './client.ts';
import type { Heard, Odd } from './client.ts';
import type { Snapshot } from './gateway.ts';
import { oddRequests } from './requests.ts';
import { startOddUpstream } from './upstream.ts';
import type { OddUpstream } from './upstream.ts';

const GATEWAY = fileURLToPath(new URL('gateway.ts', import.meta.url));
const SEED = 20_261_125;
const COUNT = 1_000;
const AT_ONCE = 16;
/** Bytes by which the heap and the buffers may each grow during the second half of the requests. */
const MOST_GROWTH = 2 * 1024 * 1024;

/**
 * Starts the gateway's process. V8 keeps compiled code, so that heap sizes can be compared. After `close` it must exit.
 */
async function startGateway(t: TestContext, urls: readonly string[]) {
  const stdio = ['ignore', 'inherit', 'pipe', 'ipc'] as const;
  const child = fork(GATEWAY, urls, { execArgv: ['--expose-gc', '--no-flush-bytecode'], stdio: [...stdio] });
  t.after(() => child.kill('SIGKILL'));
  let said = '';
  child.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const ended = once(child, 'exit');
  const [{ port }] = (await once(child, 'message')) as [{ port: number }];
  return {
    port,
    snapshot: async () => {
      assert.ok(child.connected, `the gateway is gone: ${said}`);
      child.send('snapshot');
      const [snapshot] = (await once(child, 'message')) as [Snapshot];
      return snapshot;
    },
    close: async () => {
      child.send('close');
      const [code] = (await ended) as [number | null];
      return { code, said };
    },
  };
}

async function sendAll(port: number, odds: readonly Odd[], waiting: Map<string, () => void>): Promise<void> {
  const queue = odds.values();
  const worker = async () => {
    for (const odd of queue) {
      const { promise: seen, resolve } = Promise.withResolvers<void>();
      waiting.set(odd.call, resolve);
      check(odd, await send(port, odd, seen));
      waiting.delete(odd.call);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

/**
 * The gateway's process when no call runs, no client is connected, connections to upstreams are idle, and its memory no
 * longer shrinks: memory outside the heap is freed a little later than it is collected.
 */
async function idle(snapshot: () => Promise<Snapshot>, upstreams: readonly OddUpstream[]): Promise<Snapshot> {
  const total = (count: (upstream: OddUpstream) => number) => upstreams.reduce((sum, each) => sum + count(each), 0);
  let heldBefore = Infinity;
  return eventually('the gateway is idle', async () => {
    const seen = await snapshot();
    const busy = seen.inFlight + seen.copies + seen.fromClients + total(({ busy }) => busy.size);
    const held = seen.heapBytes + seen.bufferBytes;
    const isSettled = held > heldBefore - 64 * 1024;
    heldBefore = held;
    return busy === 0 && isSettled && seen.toUpstreams === total(({ sockets }) => sockets.size) ? seen : null;
  });
}

test(
  'a thousand malformed requests neither break the gateway nor leave memory or connections behind',
  { timeout: 60_000 },
  async (t) => {
    const waiting = new Map<string, () => void>();
    const onSeen = (call: string) => waiting.get(call)?.();
    await using router = await startOddUpstream(onSeen);
    await using endpoint = await startOddUpstream(onSeen);
    const gateway = await startGateway(t, [router.url, endpoint.url]);
    const odds = oddRequests(COUNT, dice(SEED));

    await sendAll(gateway.port, odds.slice(0, COUNT / 2), waiting);
    const half = await idle(gateway.snapshot, [router, endpoint]);
    await sendAll(gateway.port, odds.slice(COUNT / 2), waiting);
    const end = await idle(gateway.snapshot, [router, endpoint]);

    assert.deepEqual(end.errors, []);
    assert.equal(end.rows, end.requests, 'each request leaves one row');
    assert.ok(end.requests > COUNT / 2, `only ${end.requests} requests were understood`);
    const heap = end.heapBytes - half.heapBytes;
    assert.ok(heap < MOST_GROWTH, `the heap grew by ${heap} bytes`);
    // Each connection keeps its last read, up to 64 KB.
    const sockets = Math.max(0, end.toUpstreams - half.toUpstreams);
    const buffers = end.bufferBytes - half.bufferBytes - sockets * 64 * 1024;
    assert.ok(buffers < MOST_GROWTH, `buffers grew by ${buffers} bytes`);

    const good = oddRequests(1, dice(1));
    assert.equal(good[0]?.kind, 'good call');
    await eventually('a good call is served', async () => {
      const before = heldBack;
      await sendAll(gateway.port, good, waiting);
      return heldBack === before;
    });
    await idle(gateway.snapshot, [router, endpoint]);
    assert.deepEqual(await gateway.close(), { code: 0, said: '' });
    await eventually('no connection is left', () => router.sockets.size + endpoint.sockets.size === 0);
  },
);

/** Calls that the gateway refused because of a limit that it had learned: any call may be refused so. */
let heldBack = 0;

function check(odd: Odd, { statuses, text }: Heard): void {
  const { kind, call, answers, allowed, mayBeLost = false, isEchoed = false } = odd;
  const description = `${kind} (${call}): ${JSON.stringify(text.slice(0, 300))}`;
  for (const status of statuses) assert.ok(status >= 200 && status < 600, description);
  if (allowed === undefined) return;
  if (/^x-upshift-error: over_limit/m.test(text)) {
    heldBack++;
    return;
  }
  assert.ok(statuses.length === answers || (mayBeLost && statuses.length === 0), description);
  for (const status of statuses) assert.ok(allowed.includes(status), description);
  if (!isEchoed) return;
  answersIn(text).forEach(({ body }, at) => {
    assert.ok(body.includes(answers === 1 ? call : `${call}.${at}`), description);
  });
}
