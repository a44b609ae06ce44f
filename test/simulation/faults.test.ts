import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededDice } from '../../src/simulation/dice.ts';
import { createFaultBoard } from '../../src/simulation/faults.ts';
import type { Simulation } from '../../src/simulation/server.ts';
import { DEFAULT_LIMITS } from '../../src/simulation/limits.ts';
import { handClock } from './clocks.ts';
import { LLAMA, TOKEN, chat, endpointBody, send, startEndpoint, startFast, until } from './support.ts';

const STEP_MS = 10;
const { baseMs, perPromptTokenMs, perOutputTokenMs } = DEFAULT_LIMITS.routerSpeed;
const NO_SPREAD = { routerSpeed: { ...DEFAULT_LIMITS.routerSpeed, sigma: 0 } };

/** A simulation on a stopped clock with a running endpoint; gives the clock ms until a call's first token and its end. */
async function startTimed() {
  const clock = handClock();
  const sim = await startFast({ clock, limits: NO_SPREAD });
  await send('POST', `${sim.endpointsUrl}/v2/endpoint/acme`, endpointBody('one'));
  clock.advance(140_000);
  const urls = { router: sim.routerUrl, 'endpoint:one': sim.state().endpoints[0]?.url ?? '' };
  async function measure(upstream: keyof typeof urls, body: object): Promise<{ firstMs: number; totalMs: number }> {
    const inFlight = () => sim.state().router.inFlight + (sim.state().endpoints[0]?.inFlight ?? 0);
    const begun = () => sim.state().counters[upstream]?.['200'] ?? 0;
    const before = begun();
    const answer = send('POST', `${urls[upstream]}/v1/chat/completions`, chat({ stream: true, ...body }));
    await until(() => inFlight() === 1);
    let [totalMs, firstMs] = [0, 0];
    while (inFlight() > 0) {
      clock.advance(STEP_MS);
      await new Promise((resolve) => setImmediate(resolve));
      totalMs += STEP_MS;
      if (firstMs === 0 && begun() > before) firstMs = totalMs;
    }
    await answer;
    return { firstMs, totalMs };
  }
  return { sim, clock, measure, [Symbol.asyncDispose]: () => sim.close() };
}

function isNear(actual: number, expected: number): void {
  assert.ok(Math.abs(actual - expected) <= 2 * STEP_MS, `${actual}, expected about ${expected}`);
}

test('on both sides a call takes a fixed time, a time per prompt token and a time per output token', async () => {
  await using timed = await startTimed();
  for (const [upstream, factor] of [
    ['router', 1],
    ['endpoint:one', DEFAULT_LIMITS.endpointFactor],
  ] as const) {
    for (const [prompt, output] of [
      [10, 20],
      [10, 320],
      [8010, 20],
    ] as const) {
      const body = { max_tokens: output, metadata: { prompt_tokens: String(prompt) } };
      const { firstMs, totalMs } = await timed.measure(upstream, body);
      isNear(firstMs, factor * (baseMs + perPromptTokenMs * prompt + perOutputTokenMs));
      isNear(totalMs, factor * (baseMs + perPromptTokenMs * prompt + perOutputTokenMs * output));
    }
  }
});

test('a slow endpoint takes longer to its first token and between tokens, and so does a slow router', async () => {
  await using timed = await startTimed();
  for (const upstream of ['router', 'endpoint:one'] as const) {
    const usual = await timed.measure(upstream, { max_tokens: 200 });
    await timed.sim.setFault({ target: upstream === 'router' ? 'router' : 'endpoint', kind: 'slow', factor: 1.3 });
    const slow = await timed.measure(upstream, { max_tokens: 200 });
    isNear(slow.firstMs, 1.3 * usual.firstMs);
    isNear(slow.totalMs, 1.3 * usual.totalMs);
  }
});

test('a slow fault with a share slows only that share of calls', () => {
  const board = createFaultBoard(seededDice(5), handClock());
  board.set({ target: 'endpoint', kind: 'slow', share: 0.06, factor: 4 });
  const factors = Array.from({ length: 5_000 }, () => board.factor('endpoint', 'slow', 'one'));
  const struck = factors.filter((factor) => factor === 4).length;
  assert.ok(struck > 230 && struck < 370, `${struck} of 5000`);
  assert.ok(factors.every((factor) => factor === 4 || factor === 1));
  assert.equal(board.factor('router', 'slow'), 1);
});

test('a fault with a duration ends by itself, in clock time', async () => {
  const clock = handClock();
  await using sim = await startFast({ clock });
  const set = { target: 'router', kind: 'errors', lastsMs: 600_000 };
  await send('POST', `${sim.controlUrl}/faults`, set);
  const url = `${sim.routerUrl}/v1/chat/completions`;
  clock.advance(599_999);
  assert.equal((await send('POST', url, chat())).status, 500);
  clock.advance(1);
  assert.deepEqual(sim.state().faults, []);
  const answer = send('POST', url, chat());
  await until(() => sim.state().router.inFlight === 1);
  clock.advance(60_000);
  assert.equal((await answer).status, 200);
  const dies = await send('POST', `${sim.controlUrl}/faults`, { target: 'endpoint', kind: 'dies', lastsMs: 5 });
  assert.match(dies.json.error, /lastsMs of a fault is 5; allowed: nothing for dies/);
});

test('short answers report their true number of tokens, and end earlier', async () => {
  await using timed = await startTimed();
  const usual = await timed.measure('endpoint:one', { max_tokens: 200 });
  await timed.sim.setFault({ target: 'endpoint', kind: 'short' });
  const short = await timed.measure('endpoint:one', { max_tokens: 200 });
  isNear(short.firstMs, usual.firstMs);
  isNear(usual.totalMs - short.totalMs, 60 * perOutputTokenMs * DEFAULT_LIMITS.endpointFactor);
  await using sim = await startFast();
  const url = await startEndpoint(sim, endpointBody('one'));
  await sim.setFault({ target: 'endpoint', kind: 'short', factor: 0.7 });
  const { json } = await send('POST', `${url}/v1/chat/completions`, chat({ max_tokens: 100 }));
  assert.deepEqual([json.usage.completion_tokens, json.choices[0].finish_reason], [70, 'stop']);
  assert.equal(json.choices[0].message.content.length, 280);
  const other = await send('POST', `${sim.routerUrl}/v1/chat/completions`, chat({ max_tokens: 100 }));
  assert.equal(other.json.usage.completion_tokens, 100);
});

test('stalled calls never end: half of them without a byte, half after a part of the answer', async () => {
  await using sim = await startFast();
  const url = await startEndpoint(sim, endpointBody('one'));
  await sim.setFault({ target: 'endpoint', kind: 'stalls' });
  const leaving = new AbortController();
  const parts: string[] = [];
  let ended = 0;
  const calls = Array.from({ length: 60 }, async (_, index) => {
    const body = JSON.stringify(chat({ max_tokens: 400, stream: index % 2 === 0 }));
    const headers = { authorization: `Bearer ${TOKEN}` };
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers,
      body,
      signal: leaving.signal,
    });
    const place = parts.push('') - 1;
    for await (const part of response.body ?? []) parts[place] += Buffer.from(part as Uint8Array).toString();
    ended += 1;
  });
  const counted = () => sim.state().counters['endpoint:one'] ?? {};
  await until(() => (counted()['0'] ?? 0) + (counted()['200'] ?? 0) === 60 && sim.state().endpoints[0]?.inFlight === 0);
  await until(() => parts.length === counted()['200'] && parts.every((part) => part !== ''));
  assert.ok((counted()['0'] ?? 0) > 15 && (counted()['0'] ?? 0) < 45, JSON.stringify(counted()));
  assert.ok(parts.every((part) => !/\[DONE\]|}$/.test(part)));
  assert.equal((await send('GET', `${url}/health`)).status, 200);
  assert.equal(ended, 0);
  leaving.abort();
  await Promise.allSettled(calls);
  await sim.clearFaults();
  assert.equal((await send('POST', `${url}/v1/chat/completions`, chat())).status, 200);
});

test('both sides draw the same length if the call sets none', async () => {
  await using sim = await startFast();
  const endpointUrl = await startEndpoint(sim, endpointBody('one'));
  const routerMean = await meanLogTokens(sim.routerUrl);
  const endpointMean = await meanLogTokens(endpointUrl);
  // Six standard errors of the difference of two means of 300 draws with a spread of 0.6.
  assert.ok(Math.abs(routerMean - endpointMean) < 0.3, `${routerMean} and ${endpointMean}`);
});

async function meanLogTokens(url: Simulation['routerUrl']): Promise<number> {
  const body = { model: LLAMA, messages: [{ role: 'user', content: 'hello' }] };
  const calls = Array.from({ length: 300 }, () => send('POST', `${url}/v1/chat/completions`, body));
  const answers = (await Promise.all(calls)).filter(({ status }) => status === 200);
  assert.ok(answers.length > 200);
  return answers.reduce((sum, { json }) => sum + Math.log(json.usage.completion_tokens), 0) / answers.length;
}

for (const [kind, whole, streamed] of [
  ['empty', '', 'data: [DONE]\n\n'],
  ['garbage', /^[^[{]+$/, /^(?!data:)[^[{]+$/],
  ['html', /^<!DOCTYPE html>/, /^<!DOCTYPE html>/],
  ['truncated', /^\{"id".*[^}]$/s, /^data: (?!.*"finish_reason":"stop").*$/s],
  ['error200', /^\{"error":/, /^\{"error":/],
] as const) {
  test(`an endpoint with the fault ${kind} answers 200, and its message is whole, but its answer is none`, async () => {
    await using sim = await startFast();
    const url = `${await startEndpoint(sim, endpointBody('one'))}/v1/chat/completions`;
    await sim.setFault({ target: 'endpoint', kind });
    for (const [stream, expected] of [
      [false, whole],
      [true, streamed],
    ] as const) {
      // A body that is cut off would make `fetch` fail.
      const { status, bytes } = await bytesOf(url, chat({ stream, max_tokens: 200 }));
      assert.equal(status, 200);
      if (typeof expected === 'string') assert.equal(bytes, expected);
      else assert.match(bytes, expected);
    }
  });
}

async function bytesOf(url: string, body: object): Promise<{ status: number; bytes: string }> {
  const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' };
  const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
  return { status: response.status, bytes: Buffer.from(await response.arrayBuffer()).toString('latin1') };
}

test('the fault rejects hits calls of one shape if it names one, and every call if not', async () => {
  await using sim = await startFast();
  const url = `${await startEndpoint(sim, endpointBody('one'))}/v1/chat/completions`;
  const asked = async (more: object) => (await send('POST', url, chat(more))).status;
  await sim.setFault({ target: 'endpoint', kind: 'rejects', shape: 'chat+stream' });
  assert.deepEqual([await asked({}), await asked({ stream: true })], [200, 400]);
  await sim.setFault({ target: 'endpoint', kind: 'rejects' });
  assert.equal(await asked({}), 400);
  const wrong = await send('POST', `${sim.controlUrl}/faults`, { target: 'endpoint', kind: 'slow', shape: 'chat' });
  assert.match(wrong.json.error, /^shape of a fault is "chat"; allowed: for rejects/);
});

test('a factor is refused for a fault that has none', async () => {
  await using sim = await startFast();
  const set = (kind: string) => send('POST', `${sim.controlUrl}/faults`, { target: 'endpoint', kind, factor: 2 });
  assert.match((await set('errors')).json.error, /^factor of a fault is 2; allowed: nothing for errors/);
  assert.equal((await set('tokenizer')).json.faults[0].factor, 2);
});
