import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createServer } from 'node:http';
import type { RequestListener } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { runSwarm } from '../../src/loadtest/swarm.ts';
import type { SwarmOptions, SwarmProgress } from '../../src/loadtest/swarm.ts';
import { seededDice } from '../../src/simulation/dice.ts';
import { fastClock } from '../simulation/clocks.ts';
import { LLAMA, TOKEN, startFast } from '../simulation/support.ts';

function swarmOf(calls: number, baseUrl: string, more: Partial<SwarmOptions> = {}): SwarmOptions {
  const trace = Array.from({ length: calls }, (_, index) => ({ atMs: index * 100, promptTokens: 50, outputTokens: 9 }));
  return {
    baseUrl,
    clock: fastClock(1000),
    trace,
    agents: 64,
    model: LLAMA,
    token: TOKEN,
    dice: seededDice(7),
    ...more,
  };
}

async function serve(listener: RequestListener) {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const stop = () => {
    server.close();
    server.closeAllConnections();
    return Promise.resolve();
  };
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, [Symbol.asyncDispose]: stop };
}

test('every call of the trace is played, from many agents, some of them streamed', async () => {
  await using sim = await startFast();
  const seen: SwarmProgress[] = [];
  const report = await runSwarm(swarmOf(300, sim.routerUrl, { onProgress: (progress) => seen.push(progress) }));
  assert.deepEqual(
    [report.played, report.calls, report.clientFailures],
    [300, 300, 0],
    JSON.stringify(report.failures),
  );
  assert.deepEqual(report.byStatus, { 200: 300 });
  assert.ok(report.streams > 80 && report.streams < 160);
  assert.ok(report.latencyMs.p95 >= report.latencyMs.p50 && report.latencyMs.p50 > 0);
  assert.deepEqual(seen.at(-1), { played: 300, total: 300, calls: 300, refused: 0, clientFailures: 0, inFlight: 0 });
  assert.equal(sim.state().counters['router']?.['200'], 300);
});

test('a refused call is retried twice with the same body and does not count as a failure', async () => {
  const bodies = new Map<string, number>();
  const agents = new Set<unknown>();
  await using server = await serve((request, response) => {
    agents.add(request.headers['x-agent-id']);
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      bodies.set(body, (bodies.get(body) ?? 0) + 1);
      response.writeHead(429, { 'retry-after': '1' }).end('{}');
    });
  });
  const report = await runSwarm(swarmOf(10, server.url));
  assert.deepEqual([report.calls, report.repeats, report.refused, report.clientFailures], [30, 20, 30, 0]);
  assert.equal(report.unanswered, 10);
  assert.deepEqual([bodies.size, [...bodies.values()].every((count) => count === 3)], [10, true]);
  assert.ok([...agents].every((agent) => /^agent-\d\d$/.test(String(agent))));
});

test('errors, dead servers, cut answers and streams without an end are failures, each with its reason', async () => {
  const cases: [RequestListener, number, RegExp][] = [
    [(_, response) => response.writeHead(502).end('no'), 502, /status 502: no/],
    [(request) => request.socket.destroy(), 0, /no answer: ECONNRESET/],
    [(_, response) => response.end('{"choices":[]}'), 200, /no finish_reason/],
    [(_, response) => response.end('<html>'), 200, /no JSON/],
    [
      (_, response) => {
        response.writeHead(200, { 'content-length': 100 });
        response.write('{"half":', () => response.destroy());
      },
      200,
      /broken off after \d+ characters/,
    ],
  ];
  for (const [listener, status, reason] of cases) {
    await using server = await serve(listener);
    const report = await runSwarm(swarmOf(2, server.url, { streams: 0 }));
    assert.equal(report.clientFailures, 2);
    assert.equal(report.failures[0]?.status, status);
    assert.match(report.failures[0]?.reason ?? '', reason);
  }
  await using server = await serve((_, response) => response.end('data: {"choices":[]}\n\ndata: [DONE]\n\n'));
  const report = await runSwarm(swarmOf(2, server.url, { streams: 1 }));
  assert.match(report.failures[0]?.reason ?? '', /stream without finish_reason/);
});

test('a call to a silent server is aborted', async () => {
  await using server = await serve(() => undefined);
  const report = await runSwarm(swarmOf(1, server.url, { timeoutMs: 30 }));
  assert.match(report.failures[0]?.reason ?? '', /not answered within 30 ms/);
});

test('a call counts as unanswered only if its last retry was refused too', async () => {
  let requests = 0;
  await using server = await serve((request, response) => {
    request.resume().on('end', () => {
      requests += 1;
      if (requests % 3 === 0) response.end('{"choices":[{"finish_reason":"stop","message":{"content":"a"}}]}');
      else response.writeHead(429).end('{}');
    });
  });
  const one = (repeats: number) => runSwarm(swarmOf(1, server.url, { streams: 0, repeats }));
  assert.equal((await one(2)).unanswered, 0);
  assert.equal((await one(1)).unanswered, 1);
});

test('a stopped swarm sends no more calls and waits for those in flight', async () => {
  const stop = new AbortController();
  await using sim = await startFast();
  const onProgress = () => stop.abort();
  const report = await runSwarm(swarmOf(100_000, sim.routerUrl, { signal: stop.signal, onProgress }));
  assert.ok(report.played < 1000);
  assert.equal(report.calls, report.played);
  assert.equal(report.clientFailures, 0);
});

test('agents without a name send no agent header', async () => {
  const named: unknown[] = [];
  await using server = await serve((request, response) => {
    named.push(request.headers['x-agent-id']);
    response.writeHead(402).end();
  });
  await runSwarm(swarmOf(3, server.url, { named: false }));
  assert.deepEqual(named, [undefined, undefined, undefined]);
});
