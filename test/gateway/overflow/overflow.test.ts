import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { describe, it } from 'node:test';
import { POLICY_DEFAULTS } from '../../../src/core/policy/defaults.ts';
import { ask, chat, chatAnswer, json, MODEL, startRig, startUpstream } from '../rig.ts';
import type { Behaviour, Rig, Upstream } from '../rig.ts';

const BUSY: Behaviour = (res) => json(res, 429, { error: 'Model is overloaded', error_type: 'overloaded' });
const QUEUE_FULL: Behaviour = (res) => json(res, 503, { error: { message: 'The request queue is full', code: 503 } });

/** An upstream with so many places: it works on as many calls at once, and refuses any other. */
interface Places {
  readonly behave: Behaviour;
  served: number;
  refused: number;
}

const WORK_MS = 20;

function places(most: number, refuse: Behaviour): Places {
  let taken = 0;
  const all: Places = {
    served: 0,
    refused: 0,
    behave: (res: ServerResponse, received, req) => {
      if (taken >= most) {
        all.refused++;
        return refuse(res, received, req);
      }
      taken++;
      setTimeout(() => {
        taken--;
        all.served++;
        json(res, 200, chatAnswer(MODEL));
      }, WORK_MS);
    },
  };
  return all;
}

/** Agents that call one after the other, `calls` each. Returns the statuses that they got. */
async function swarm(rig: Rig, agents: number, calls: number): Promise<number[]> {
  const one = async (agent: number) => {
    const statuses: number[] = [];
    for (let n = 0; n < calls; n++) {
      statuses.push((await ask(rig.url, { body: chat(), headers: { 'x-agent-id': `agent-${agent}` } })).status);
    }
    return statuses;
  };
  return (await Promise.all(Array.from({ length: agents }, (_, n) => one(n)))).flat();
}

const K = 8;

describe('an endpoint that takes so many calls at once, with a serverless for the rest', () => {
  for (const [engine, refuse] of [
    ['429', BUSY],
    ['503', QUEUE_FULL],
  ] as const) {
    for (const load of [1, 1.5, 3]) {
      it(`refuses with ${engine} at ${load} times its load: no call is lost, and none is its fault`, async () => {
        const endpoint = places(K, refuse);
        const serverless = places(2 * K, BUSY);
        await using dedicated = await startUpstream(endpoint.behave);
        await using router = await startUpstream(serverless.behave);
        await using rig = await startRig({ router: router.url, endpoint: dedicated.url, care: POLICY_DEFAULTS.care });
        assert.equal((await ask(rig.url, { body: chat() })).status, 200);
        const statuses = await swarm(rig, load * K, 15);
        assert.deepEqual([...new Set(statuses)], [200]);
        const outcomes = new Set(rig.calls.map(({ outcome }) => outcome));
        outcomes.delete('ok');
        outcomes.delete('saturated');
        assert.deepEqual([...outcomes], [], 'only answers and a full endpoint');
        const atEndpoint = rig.calls.filter(({ servedBy }) => servedBy === 'dedicated').length;
        assert.equal(atEndpoint, endpoint.served);
        if (load === 1) assert.ok(atEndpoint >= 0.9 * rig.calls.length, `${atEndpoint} of ${rig.calls.length}`);
        else assert.ok(serverless.served > 0);
        const { inFlight, waiting } = rig.gateway.endpointLoad(dedicated.url) ?? { inFlight: -1, waiting: -1 };
        assert.deepEqual([inFlight, waiting], [0, 0]);
        splitIsClean(rig);
      });
    }
  }

  it('has at least nine tenths of what it takes whenever a call goes to serverless', async () => {
    const endpoint = places(K, BUSY);
    const atOverflow: number[] = [];
    await using dedicated = await startUpstream(endpoint.behave);
    await using router = await startUpstream((...call) => {
      atOverflow.push(rig.gateway.endpointLoad(dedicated.url)?.inFlight ?? 0);
      places(100, BUSY).behave(...call);
    });
    await using rig = await startRig({ router: router.url, endpoint: dedicated.url });
    await swarm(rig, 1, 1);
    await swarm(rig, 3 * K, 10);
    atOverflow.length = 0;
    await swarm(rig, 3 * K, 15);
    const mean = atOverflow.reduce((sum, one) => sum + one, 0) / atOverflow.length;
    assert.ok(mean >= 0.9 * K, `${mean} calls under way, of ${K}`);
    assert.ok(
      endpoint.refused <= 0.1 * endpoint.served + 2 * K,
      `${endpoint.refused} refused, ${endpoint.served} served`,
    );
  });
});

/** Calls that found the endpoint full have no role, and all others have one. */
function splitIsClean(rig: Rig): void {
  for (const { role, wasFull, isOverflow, isEligible } of rig.calls) {
    assert.deepEqual([isEligible, role === null, isOverflow === true], [true, wasFull === true, wasFull === true]);
  }
}

/** Keeps calls until they are let go. */
function holding(): { readonly behave: Behaviour; readonly held: ServerResponse[] } {
  const held: ServerResponse[] = [];
  return { behave: (res) => void held.push(res), held };
}

const answer = (res: ServerResponse | undefined) => json(res as ServerResponse, 200, chatAnswer(MODEL));

async function until(isSo: () => boolean): Promise<void> {
  const end = performance.now() + 30_000;
  while (!isSo()) {
    assert.ok(performance.now() < end, `not within half a minute: ${isSo.toString()}`);
    await new Promise(setImmediate);
  }
}

const NO_OVERFLOW = { mayOverflow: false, mostRefused: 1 };

interface Stage extends AsyncDisposable {
  readonly rig: Rig;
  readonly dedicated: Upstream;
  readonly held: ServerResponse[];
  readonly serverless: { isFull: boolean };
}

/** An endpoint for one call at once, which has it. No other may go to serverless. */
async function oneAtOnce(care = POLICY_DEFAULTS.care): Promise<Stage> {
  const stack = new AsyncDisposableStack();
  const { behave, held } = holding();
  const dedicated = stack.use(await startUpstream(behave));
  const serverless = { isFull: false };
  const router = stack.use(await startUpstream((...call) => (serverless.isFull ? BUSY(...call) : answer(call[0]))));
  const rig = stack.use(await startRig({ router: router.url, endpoint: dedicated.url, care }));
  rig.gateway.told(dedicated.url, { replicas: 1, limit: 1 }, NO_OVERFLOW);
  // One call, and one above the limit, which is always tried.
  for (const n of [1, 2]) {
    ask(rig.url, { body: chat(), headers: { 'x-agent-id': 'first' } }).catch(() => undefined);
    await until(() => held.length === n);
  }
  return { rig, dedicated, held, serverless, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

describe('calls that wait for a place', () => {
  it('get it in turn by agent, and a client that leaves gives its place up', async () => {
    await using stage = await oneAtOnce();
    const { rig, held, dedicated } = stage;
    const waiting = () => rig.gateway.endpointLoad(dedicated.url)?.waiting;
    const send = (agent: string) => ask(rig.url, { body: chat({ user: agent }), headers: { 'x-agent-id': agent } });
    const answers: Promise<unknown>[] = [];
    for (const [n, agent] of ['many', 'many', 'many', 'few'].entries()) {
      answers.push(send(agent));
      await until(() => waiting() === n + 1);
    }
    const leaver = new AbortController();
    const left = fetch(`${rig.url}/v1/chat/completions`, {
      method: 'POST',
      body: chat(),
      headers: { 'content-type': 'application/json', 'x-agent-id': 'leaver' },
      signal: leaver.signal,
    }).catch(() => 'left');
    await until(() => waiting() === 5);
    leaver.abort();
    assert.equal(await left, 'left');
    await until(() => waiting() === 4);
    for (let n = 0; n < 6; n++) {
      await until(() => held.length > n);
      answer(held[n]);
    }
    await Promise.all(answers);
    const order = dedicated.received.slice(2).map(({ body }) => (JSON.parse(body) as { user: string }).user);
    assert.deepEqual(order, ['many', 'few', 'many', 'many']);
    await rig.recorded(7);
    const waited = rig.calls.filter(({ waitedUs }) => waitedUs > 0 && waitedUs !== undefined);
    assert.equal(waited.length, 5);
    assert.equal(rig.gateway.endpointLoad(dedicated.url)?.inFlight, 0);
  });

  it('are refused after as long as they may wait, which is nobody’s fault', async () => {
    await using stage = await oneAtOnce();
    const { rig, held, dedicated } = stage;
    const late = ask(rig.url, { body: chat(), headers: { 'x-agent-id': 'late', 'x-request-timeout': '7' } });
    await until(() => rig.gateway.endpointLoad(dedicated.url)?.waiting === 1);
    rig.clock.advance(7_000);
    const { status, headers } = await late;
    assert.deepEqual([status, headers['x-upshift-error'], headers['retry-after']], [429, 'endpoint_full', '1']);
    const [call] = await rig.recorded(1);
    assert.deepEqual([call?.outcome, call?.role, call?.attempts], ['rate_limited', null, []]);
    assert.equal(rig.gateway.endpointLoad(dedicated.url)?.refused, 1);
    held.forEach(answer);
  });

  it('are bounded in number: an agent with fewer gets the place of one with more', async () => {
    await using stage = await oneAtOnce({ ...POLICY_DEFAULTS.care, queue: 2 });
    const { rig, held, dedicated } = stage;
    const greedy = [1, 2].map(() => ask(rig.url, { body: chat(), headers: { 'x-agent-id': 'greedy' } }));
    await until(() => rig.gateway.endpointLoad(dedicated.url)?.waiting === 2);
    const third = await ask(rig.url, { body: chat(), headers: { 'x-agent-id': 'greedy' } });
    assert.equal(third.status, 429);
    const modest = ask(rig.url, { body: chat(), headers: { 'x-agent-id': 'modest' } });
    assert.equal(await Promise.race(greedy.map(async (one) => (await one).status)), 429);
    for (let n = 0; n < 4; n++) {
      await until(() => held.length > n);
      answer(held[n]);
    }
    assert.equal((await modest).status, 200);
  });

  it('go to serverless as soon as it takes them, or as the endpoint no longer serves the route', async () => {
    await using stage = await oneAtOnce();
    const { rig, held, dedicated } = stage;
    const call = ask(rig.url, { body: chat(), headers: { 'x-agent-id': 'other' } });
    await until(() => rig.gateway.endpointLoad(dedicated.url)?.waiting === 1);
    rig.gateway.told(dedicated.url, { replicas: 1, limit: 1 }, { mayOverflow: true, mostRefused: 1 });
    assert.equal((await call).headers['x-upshift-upstream'], 'serverless');
    held.forEach(answer);
  });
});

describe('a call for which neither side has room', () => {
  it('gets the refusal of serverless in the end, after as long as it may wait', async () => {
    await using stage = await oneAtOnce();
    const { rig, held, dedicated } = stage;
    rig.gateway.told(dedicated.url, { replicas: 1, limit: 1 }, { mayOverflow: true, mostRefused: 1 });
    stage.serverless.isFull = true;
    const call = ask(rig.url, { body: chat(), headers: { 'x-agent-id': 'unlucky' } });
    await until(() => rig.gateway.endpointLoad(dedicated.url)?.waiting === 1);
    rig.clock.advance(60_000);
    assert.equal((await call).status, 429);
    const [row] = await rig.recorded(1);
    assert.deepEqual([row?.outcome, row?.finalOutcome, row?.role], ['rate_limited', 'rate_limited', null]);
    assert.ok(row?.attempts.every(({ upstream }) => upstream === 'serverless'));
    held.forEach(answer);
  });
});
