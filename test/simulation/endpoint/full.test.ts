import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { timesAt } from '../../../src/simulation/endpoint/full.ts';
import type { Limits } from '../../../src/simulation/limits.ts';
import type { Simulation } from '../../../src/simulation/server.ts';
import { handClock } from '../clocks.ts';
import { chat, endpointBody, send, startFast, until } from '../support.ts';

/** An endpoint with two places, both taken, and the answer to a third call. */
async function third(limits: Partial<Limits>, image: object = {}) {
  const clock = handClock();
  const sim = await startFast({ clock, limits: { replicaCalls: 2, ...limits } });
  await send('POST', `${sim.endpointsUrl}/v2/endpoint/acme`, endpointBody('one', { model: { ...image } }));
  clock.advance(140_000);
  const url = `${report(sim)?.url}/v1/chat/completions`;
  const working = [send('POST', url, chat()), send('POST', url, chat())];
  await until(() => report(sim)?.inFlight === 2);
  return { sim, clock, url, working, call: send('POST', url, chat()) };
}

function report(sim: Simulation) {
  return sim.state().endpoints[0];
}

const LLAMACPP = {
  image: { llamacpp: { url: 'a', modelPath: 'm.gguf', ctxSize: 4096, nParallel: 1, threadsHttp: 1 } },
};

const REFUSALS = [
  ['TGI', { whenFull: 'refuse429' }, { image: { tgi: { url: 'a' } } }, 429, /^Model is overloaded$/],
  ['vLLM', { whenFull: 'refuse503' }, {}, 503, /queue is full/],
  ['llama.cpp', { whenFull: 'refuse503' }, LLAMACPP, 503, /slots are busy/],
] as const;

for (const [engine, limits, image, status, words] of REFUSALS) {
  test(`a full endpoint of ${engine} refuses with ${status}, and takes calls again once a place is free`, async () => {
    const { sim, clock, url, working, call } = await third(limits, image);
    await using _ = sim;
    const { status: answered, json, headers } = await call;
    assert.equal(answered, status);
    assert.match(typeof json.error === 'string' ? json.error : json.error.message, words);
    assert.equal(headers.get('retry-after'), null);
    assert.deepEqual([report(sim)?.inFlight, report(sim)?.queued], [2, 0]);
    clock.advance(60_000);
    for (const answer of working) assert.equal((await answer).status, 200);
    const after = send('POST', url, chat());
    await until(() => report(sim)?.inFlight === 1);
    clock.advance(60_000);
    assert.equal((await after).status, 200);
  });
}

test('a full endpoint says when to come back if it is set to', async () => {
  const { sim, call, working } = await third({ whenFull: 'refuse503', fullRetryAfterSeconds: 2 });
  await using _ = sim;
  assert.equal((await call).headers.get('retry-after'), '2');
  await sim.close();
  await Promise.allSettled(working);
});

test('an endpoint that slows down takes every call', async () => {
  const { sim, clock, working, call } = await third({ whenFull: 'slow' });
  await using _ = sim;
  await until(() => report(sim)?.inFlight === 3);
  assert.equal(report(sim)?.queued, 0);
  clock.advance(60_000);
  for (const answer of [...working, call]) assert.equal((await answer).status, 200);
});

test('more calls at once never make an answer faster, and never the whole endpoint faster than when it is just full', () => {
  const loads = fc.double({ min: 0.01, max: 50, noNaN: true });
  fc.assert(
    fc.property(loads, loads, (a, b) => {
      const [less, more] = [Math.min(a, b), Math.max(a, b)];
      assert.ok(timesAt(less) <= timesAt(more));
      assert.ok(more / timesAt(more) <= 1 / timesAt(1) + 1e-9);
    }),
  );
});
