import assert from 'node:assert/strict';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { readKept } from '../../src/simulation/keeper.ts';
import { fastClock, handClock } from './clocks.ts';
import { chat, endpointBody, send, startFast } from './support.ts';

function stateFile(): string {
  return join(mkdtempSync(join(tmpdir(), 'upshift-state-')), 'sim.json');
}

test('a restarted simulation has its endpoints, their history and their cost, and billed the time in between', async () => {
  const clock = handClock();
  const keep = { path: stateFile(), clockStart: 0 };
  const before = await startFast({ clock, keep });
  await send('POST', `${before.endpointsUrl}/v2/endpoint/acme`, endpointBody('one'));
  await send('POST', `${before.endpointsUrl}/v2/endpoint/acme`, endpointBody('two'));
  clock.advance(600_000);
  await send('DELETE', `${before.endpointsUrl}/v2/endpoint/acme/two`);
  const two = before.spentMicroDollars('two');
  const history = before.state().endpoints.map((each) => each.history);
  const { url } = before;
  await before.close();
  clock.advance(3_600_000);
  await using after = await startFast({ clock, keep });
  assert.equal(after.url, url);
  assert.deepEqual(
    after.state().endpoints.map((each) => each.history),
    history,
  );
  assert.equal(after.spentMicroDollars('two'), two);
  assert.equal(after.spentMicroDollars('one') - two, Math.round((60 * 800_000) / 60));
  const one = after.state().endpoints.find((each) => each.name === 'one');
  const again = await send('GET', `${one?.url}/health`);
  assert.equal(again.status, 200);
});

test('every change is in the file before its request is answered', async () => {
  const clock = handClock();
  const keep = { path: stateFile(), clockStart: 0 };
  await using first = await startFast({ clock, keep });
  const base = `${first.endpointsUrl}/v2/endpoint/acme`;
  await send('POST', base, endpointBody('one'));
  const steps: [string, string, unknown?][] = [
    ['POST', '/one/pause'],
    ['POST', '/one/resume'],
    ['POST', '/one/scale-to-zero'],
    ['PUT', '/one', { compute: { scaling: { minReplica: 2, maxReplica: 2 } } }],
    ['DELETE', '/one'],
  ];
  for (const [method, path, body] of steps) {
    clock.advance(130_000);
    await send(method, `${base}${path}`, body);
    // Another process reads this file if the simulation is killed now.
    const kept = readKept(keep.path)?.endpoints[0];
    const mine = first.state().endpoints[0];
    assert.deepEqual(
      kept?.changes.filter(({ at }) => at <= clock.now()).map(({ at, state }) => ({ at, state })),
      mine?.history.map(({ at, state }) => ({ at, state })),
      path,
    );
    assert.equal(kept?.deletedAt ?? null, mine?.deletedAt);
  }
});

test('the bill of an organization lists the calls billed to it, and survives a restart', async () => {
  const keep = { path: stateFile(), clockStart: 0 };
  const clock = fastClock(1_000);
  const before = await startFast({ clock, keep });
  const body = JSON.stringify(chat({ metadata: { prompt_tokens: 1_000 }, max_tokens: 100 }));
  const headers = { authorization: 'Bearer hf_test', 'content-type': 'application/json' };
  for (const payer of ['acme-labs', 'acme-labs', undefined]) {
    const more = payer === undefined ? {} : { 'x-hf-bill-to': payer };
    const init = { method: 'POST', headers: { ...headers, ...more }, body };
    const answer = await fetch(`${before.routerUrl}/v1/chat/completions`, init);
    assert.equal(answer.status, 200);
    await answer.text();
  }
  await before.close();
  await using after = await startFast({ clock, keep });
  const url = `${after.hubUrl}/api/organizations/acme-labs/billing/usage/inference`;
  const ask = () => send('GET', `${url}?startDate=2026-01-01T00:00:00Z&endDate=2036-01-01T00:00:00Z`);
  // The client may still hold a connection to the former process.
  const { json } = await ask().catch(ask);
  assert.deepEqual([json.length, json[0].usage.length], [1, 1]);
  const { requestCount, costCents, inputTokens, outputTokens } = json[0].usage[0];
  assert.deepEqual([requestCount, inputTokens, outputTokens], [2, 2_000, 200]);
  assert.ok(Math.abs(costCents - (2_000 * 0.05 + 200 * 0.08) / 10_000) < 1e-9);
  assert.equal((await send('GET', `${after.hubUrl}/api/organizations/other/billing/usage/inference`)).status, 404);
});

test('a file that is not a state file is refused and stays unchanged', async () => {
  const path = stateFile();
  writeFileSync(path, '{}');
  await assert.rejects(startFast({ keep: { path, clockStart: 0 } }), { code: 'invalid' });
});

test('a state file that cannot be written is refused, and nothing is left listening', async () => {
  const path = join(stateFile(), 'nowhere', 'sim.json');
  await assert.rejects(startFast({ keep: { path, clockStart: 0 } }), { code: 'invalid' });
});
