import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { EndKind } from '../../src/loadtest/call.ts';
import { startLoad } from '../../src/loadtest/load.ts';
import type { LoadOptions } from '../../src/loadtest/load.ts';
import { fastClock, handClock } from '../simulation/clocks.ts';
import type { Asked } from './rig.ts';
import { GOOD, loadOf, serve } from './rig.ts';

/** Runs a load test to its end against a server with the given answers. */
async function drive(answer: (asked: Asked) => void, more: Partial<LoadOptions> = {}) {
  await using server = await serve(answer);
  return await startLoad(loadOf(server.url, more)).ended;
}

const good = ({ response }: Asked) => response.end(GOOD);

function near(figure: number | undefined, expected: number): void {
  assert.ok(Math.abs((figure ?? 0) - expected) <= expected * 0.01 + 1, `${figure} instead of ${expected}`);
}

describe('a closed loop', () => {
  it('keeps exactly the given number of calls in flight, and ends at the number of calls', async () => {
    let [now, most, seen] = [0, 0, 0];
    const waiting: Asked[] = [];
    const answer = (asked: Asked) => {
      seen += 1;
      most = Math.max(most, (now += 1));
      waiting.push(asked);
      // No call is answered before the calls of all agents have arrived.
      if (waiting.length < 4 && seen + waiting.length < 40) return;
      for (const one of waiting.splice(0)) {
        now -= 1;
        good(one);
      }
    };
    const report = await drive(answer);
    assert.deepEqual([report.total.calls, seen, report.endedBy], [40, 40, 'calls']);
    assert.deepEqual([most, report.total.peakInFlight, report.total.ends.ok], [4, 4, 40]);
  });

  it('starts its workers evenly over the ramp', async () => {
    const clock = fastClock(100);
    const begun = clock.now();
    const at: number[] = [];
    const waiting: Asked[] = [];
    const answer = (asked: Asked) => {
      at.push(clock.now() - begun);
      if (waiting.push(asked) === 5) waiting.forEach(good);
    };
    const report = await drive(answer, { clock, concurrency: 5, rampMs: 10_000, maxCalls: 5 });
    assert.ok(at.length === 5 && at.every((ms, worker) => ms >= worker * 2_000), String(at));
    assert.equal(report.total.peakInFlight, 5);
  });

  it('ends when its time is over', async () => {
    const { endedBy, lengthMs } = await drive(good, { durationMs: 20_000, maxCalls: 1_000_000 });
    assert.ok(endedBy === 'time' && lengthMs > 15_000, `${endedBy} after ${lengthMs}`);
  });

  it('waits before the next call if a server fails at once', async () => {
    const report = await drive(({ response }) => response.writeHead(503).end(), { concurrency: 2, durationMs: 20_000 });
    assert.ok(report.total.calls <= 2 * 21, String(report.total.calls));
  });

  it('names its agents, and sends the given model and lengths', async () => {
    const agents = new Set<unknown>();
    const bodies: Record<string, unknown>[] = [];
    const answer = (asked: Asked) => {
      agents.add(asked.request.headers['x-agent-id']);
      bodies.push(JSON.parse(asked.body) as Record<string, unknown>);
      good(asked);
    };
    await drive(answer, { agents: 7 });
    assert.deepEqual(agents, new Set([1, 2, 3, 4, 5, 6, 7].map((each) => `agent-0${each}`)));
    assert.ok(bodies.every((body) => body['model'] === 'a/model' && body['max_tokens'] === 20 && !('stream' in body)));
    assert.equal(new Set(bodies.map((body) => JSON.stringify(body['messages']))).size, 40);
  });
});

describe('an open loop', () => {
  const trace = [0, 0, 0].map((atMs) => ({ atMs, promptTokens: 10, outputTokens: 7 }));

  it('counts latency from the time a call was due, including its wait', async () => {
    const clock = handClock();
    const answer = (asked: Asked) => {
      clock.advance(1_000);
      good(asked);
    };
    const { total, latestMs, endedBy } = await drive(answer, { clock, trace, concurrency: 1 });
    assert.deepEqual([total.calls, total.peakInFlight, latestMs, endedBy], [3, 1, 2_000, 'trace']);
    near(total.latencyMs?.p50, 2_000);
    near(total.latencyMs?.p99, 3_000);
  });

  it('sends calls at their times, even if the server is slow', async () => {
    const waiting: Asked[] = [];
    const answer = (asked: Asked) => {
      if (waiting.push(asked) === 3) waiting.forEach(good);
    };
    const { total } = await drive(answer, { trace, concurrency: 100 });
    assert.deepEqual([total.ends.ok, total.peakInFlight], [3, 3]);
  });

  it('asks for answers of the length in the trace', async () => {
    const asked: unknown[] = [];
    const answer = (one: Asked) => {
      asked.push((JSON.parse(one.body) as { max_tokens: unknown }).max_tokens);
      good(one);
    };
    await drive(answer, { trace });
    await drive(answer, { trace, maxTokens: 5 });
    assert.deepEqual(asked, [7, 7, 7, 5, 5, 5]);
  });
});

describe('a load', () => {
  it('distinguishes the kinds of failure', async () => {
    const cases: [(asked: Asked) => void, EndKind, RegExp?][] = [
      [({ response }) => response.writeHead(429).end('{}'), 'refused'],
      [({ response }) => response.writeHead(503).end('{"error":"is loading"}'), 'server', /status 503: is loading/],
      [
        ({ response }) => response.writeHead(404).end('{"error":{"message":"no such model"}}'),
        'other',
        /no such model/,
      ],
      [({ response }) => response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end(), 'other', /status 302/],
      [({ response }) => response.end('{}'), 'other', /no finish_reason/],
      [({ request }) => request.socket.destroy(), 'connection', /ECONNRESET/],
      [
        ({ response }) => {
          response.writeHead(200, { 'content-length': 100 });
          response.write('{"half":', () => response.destroy());
        },
        'connection',
        /broken off after 8 characters/,
      ],
      [() => undefined, 'timeout', /not answered within 20 ms/],
    ];
    for (const [answer, kind, reason] of cases) {
      const { total, reasons } = await drive(answer, { maxCalls: 2, timeoutMs: kind === 'timeout' ? 20 : 5_000 });
      assert.deepEqual([total.ends[kind], total.errorShare, total.latencyMs], [2, 1, null], kind);
      if (reason !== undefined) assert.match(reasons[0]?.reason ?? '', reason);
    }
  });

  it('retries nothing by default', async () => {
    const { total, retryShare } = await drive(({ response }) => response.writeHead(503).end());
    assert.deepEqual([total.calls, total.requests, total.retries, retryShare], [40, 40, 0, 0]);
  });

  it('counts its own retries and the further attempts of a gateway', async () => {
    let count = 0;
    const answer = (asked: Asked) => {
      if ((count += 1) % 2 === 1) asked.response.writeHead(503).end();
      else asked.response.writeHead(200, { 'x-upshift-attempts': '3' }).end(GOOD);
    };
    const report = await drive(answer, { concurrency: 1, agents: 1, maxCalls: 10, retries: 2 });
    // Each call: a request that failed, and a second one that stands for three attempts.
    assert.deepEqual([report.total.ends.ok, report.total.requests, report.total.retries], [10, 20, 10]);
    assert.deepEqual([report.furtherAttempts, report.retryShare, report.total.errorShare], [20, 30 / 40, 0]);
    assert.deepEqual(report.byStatus, { 200: 10, 503: 10 });
  });

  it('cuts off calls that do not end in time, and counts them neither as success nor as failure', async () => {
    let count = 0;
    const answer = (asked: Asked) => {
      // The first and the last call hang; the last one begins when all others have ended.
      if ((count += 1) > 1 && count < 8) good(asked);
    };
    const { total } = await drive(answer, { concurrency: 2, maxCalls: 8, drainMs: 10 });
    assert.deepEqual([total.calls, total.ends.ok, total.ends.cut, total.errorShare], [8, 6, 2, 0]);
  });

  it('ends early if it is stopped, with the figures so far', async () => {
    const stop = new AbortController();
    let count = 0;
    const answer = (asked: Asked) => {
      if ((count += 1) === 10) stop.abort();
      good(asked);
    };
    const { total, endedBy } = await drive(answer, { maxCalls: 1_000_000, stop: stop.signal });
    assert.equal(endedBy, 'stopped');
    assert.ok(total.calls >= 10 && total.calls < 100);
    assert.equal(total.ends.ok, total.calls);
  });

  it('sends credentials only if it has them, and never shows them', async () => {
    const seen: unknown[] = [];
    const answer = ({ request, response }: Asked) => {
      seen.push(request.headers.authorization);
      response.writeHead(401).end(`{"error":"${request.headers.authorization ?? 'nobody'} is unknown"}`);
    };
    await drive(answer, { maxCalls: 1 });
    const report = await drive(answer, { maxCalls: 1, token: 'hf_secret' });
    assert.deepEqual(seen, [undefined, 'Bearer hf_secret']);
    assert.doesNotMatch(JSON.stringify(report), /hf_secret/);
    assert.match(JSON.stringify(report), /Bearer \*\*\* is unknown/);
  });

  it("times a stream's first token, which comes no later than its end", async () => {
    const events = ['{"role":"assistant","content":""}', '{"content":"a"}', '{"content":"b"}'].map(
      (delta) => `data: {"choices":[{"delta":${delta}}]}\n\n`,
    );
    const end = 'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n';
    const answer = ({ response }: Asked) => {
      response.write(events[0]);
      response.write(events[1]);
      response.end(`${events[2]}${end}`);
    };
    const { total } = await drive(answer, { isStreamed: true });
    assert.equal(total.ends.ok, 40);
    assert.ok((total.firstTokenMs?.p99 ?? Infinity) <= (total.latencyMs?.p99 ?? 0));
    assert.equal((await drive(({ response }) => response.end(events[1]), { isStreamed: true })).total.ends.other, 40);
  });
});
