import assert from 'node:assert/strict';
import { test } from 'node:test';
import { handClock } from '../clocks.ts';
import { chat, endpointBody, send, startFast, until } from '../support.ts';

const MINUTE = 60_000;
const START = 140_000;
const SCALING = { minReplica: 1, maxReplica: 3, measure: { pendingRequests: 1.5 } };

async function stage() {
  const clock = handClock();
  const sim = await startFast({ clock });
  await send('POST', `${sim.endpointsUrl}/v2/endpoint/acme`, endpointBody('one', { scaling: SCALING }));
  clock.advance(START);
  const path = `${sim.endpointsUrl}/v2/endpoint/acme/one`;
  const look = async () => {
    const { status } = (await send('GET', path)).json;
    return [status.state, status.readyReplica, status.targetReplica] as const;
  };
  await look();
  const url = `${sim.state().endpoints[0]?.url}`;
  const leave = new AbortController();
  /** Sends this number of calls, which are never answered. */
  const hang = async (calls: number) => {
    await sim.setFault({ target: 'endpoint', kind: 'hangs' });
    const headers = { authorization: 'Bearer hf_test' };
    const of = () => sim.state().counters['endpoint:one']?.['0'] ?? 0;
    const before = of();
    for (let i = 0; i < calls; i++)
      void fetch(`${url}/health`, { headers, signal: leave.signal }).catch(() => undefined);
    await until(() => of() === before + calls);
    await sim.clearFaults();
  };
  /** Advances the clock by minutes, and reads the endpoint twice a minute. */
  const pass = async (minutes: number) => {
    for (let i = 0; i < minutes * 2; i++) {
      clock.advance(MINUTE / 2);
      await look();
    }
  };
  return { clock, sim, path, look, url, hang, pass, leave: () => leave.abort() };
}

test('if more calls are pending than the threshold, one replica a minute starts; it is billed at once and ready once it has started', async () => {
  const { sim, look, hang, pass, clock, leave } = await stage();
  await using _ = sim;
  assert.deepEqual(await look(), ['running', 1, 1]);
  await hang(8);
  await pass(1);
  assert.deepEqual(await look(), ['running', 1, 2]);
  const spent = sim.spentMicroDollars('one');
  await pass(1);
  assert.deepEqual(await look(), ['running', 1, 3]);
  assert.ok(sim.spentMicroDollars('one') - spent > (800_000 * 2) / 60 - 1, 'two replicas were paid for');
  await pass(2);
  assert.deepEqual(await look(), ['running', 3, 3]);
  await pass(5);
  assert.deepEqual(await look(), ['running', 3, 3], 'never more than maxReplica');
  leave();
  await until(async () => {
    clock.advance(1_000);
    await look();
    return sim.state().endpoints[0]?.inFlight === 0;
  });
});

test('replicas are removed one at a time, five minutes apart, and never below minReplica', async () => {
  const { sim, look, hang, pass, leave } = await stage();
  await using _ = sim;
  await hang(8);
  await pass(5);
  assert.deepEqual(await look(), ['running', 3, 3]);
  leave();
  await until(async () => {
    await pass(0.5);
    return (await look())[2] === 2;
  });
  await pass(4);
  assert.equal((await look())[2], 2, 'not before five minutes');
  await pass(4);
  assert.equal((await look())[2], 1);
  await pass(15);
  assert.deepEqual(await look(), ['running', 1, 1]);
});

test('demand below the threshold starts no replica, however long it lasts', async () => {
  const { sim, look, hang, pass, leave } = await stage();
  await using _ = sim;
  await hang(1);
  await pass(20);
  assert.deepEqual(await look(), ['running', 1, 1]);
  leave();
});

test('a change of the scaling alone takes the endpoint off the air, and keeps its replicas within the new bounds', async () => {
  const { sim, path, look, url, clock } = await stage();
  await using _ = sim;
  const changed = await send('PUT', path, { compute: { scaling: { minReplica: 2, maxReplica: 4 } } });
  assert.equal(changed.status, 200);
  assert.deepEqual(await look(), ['updating', 0, 2]);
  assert.equal((await send('POST', `${url}/v1/chat/completions`, chat())).status, 503);
  clock.advance(50_000);
  assert.deepEqual(await look(), ['running', 2, 2]);
  assert.equal((await send('GET', `${url}/health`)).status, 200);
});

test('resuming an endpoint that is scaled to zero starts it', async () => {
  const { sim, path, look, clock } = await stage();
  await using _ = sim;
  await send('POST', `${path}/scale-to-zero`);
  assert.deepEqual(await look(), ['scaledToZero', 0, 0]);
  assert.equal((await send('POST', `${path}/resume`)).status, 200);
  clock.advance(START);
  assert.deepEqual(await look(), ['running', 1, 1]);
});
