import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer, connect as connectTo } from 'node:net';
import type { AddressInfo } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import Database from 'better-sqlite3';
import { createClock } from '../../src/files/clock.ts';
import { startSimulation } from '../../src/simulation/server.ts';
import { atEnd } from '../support/ending.ts';
import type { Ran } from '../support/processes.ts';
import { runUpshift, startDaemon } from '../support/processes.ts';
import { freePort, MODEL, openStage } from '../support/stage.ts';
import type { Stage } from '../support/stage.ts';
import { startTraffic } from '../support/traffic.ts';
import { PATIENT, eventually } from '../support/waiting.ts';
import { inPhase, newestRollout } from '../support/rollout.ts';

test('what cannot be started says so in a sentence, and nothing listens', PATIENT, async (t) => {
  const stage = await openStage(t);
  const [port, adminPort] = [await freePort(), await freePort()];
  const ports = ['--port', `${port}`, '--admin-port', `${adminPort}`];
  const start = (words: readonly string[], env = stage.env) =>
    runUpshift(t, ['start', '--db', stage.dbPath, '--policy', stage.policyPath, ...ports, ...words], env);
  const badPolicy = join(stage.folder, 'bad.yaml');
  writeFileSync(badPolicy, 'defaults:\n  criteria:\n    refused: 5\nroutes: []\n');

  const [token, policy, host, flag] = await Promise.all([
    start([], { ...stage.env, HF_TOKEN: 'hf_bad' }),
    start(['--policy', badPolicy]),
    start(['--host', '0.0.0.0']),
    start(['--port', '70000']),
  ]);
  refused(token, 2, /token/i);
  refused(policy, 2, /bad\.yaml:3:\d+: defaults\.criteria\.refused: .*0 to 1.*5/);
  refused(host, 2, /0\.0\.0\.0 is not a loopback address/);
  refused(flag, 2, /70000/);
  assert.equal(await answers(port), false);
  assert.equal(await answers(adminPort), false);
  assert.deepEqual(readdirSync(stage.folder).sort(), ['bad.yaml', 'policy.yaml']);
});

test('the gateway listens where --host says, and says where', PATIENT, async (t) => {
  const stage = await openStage(t);
  const hasSix = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === '::1'));
  for (const [host, address] of [['localhost', '127.0.0.1'], ...(hasSix ? [['::1', '[::1]']] : [])]) {
    const dbPath = join(stage.folder, `${address}.db`);
    const { env, policyPath } = stage;
    const daemon = await startDaemon(t, { env, policyPath, dbPath, ...(host !== undefined && { host }) });
    assert.equal(new URL(daemon.gateway).hostname, address);
    assert.equal((await fetch(daemon.gateway, { method: 'HEAD' })).status, 200);
  }
});

test('a database that is not its own is refused, and not a byte of it changes', PATIENT, async (t) => {
  const stage = await openStage(t);
  const foreign = join(stage.folder, 'foreign.db');
  const newer = join(stage.folder, 'newer.db');
  const text = join(stage.folder, 'notes.txt');
  const other = new Database(foreign);
  other.exec('CREATE TABLE things (id INTEGER); INSERT INTO things VALUES (1)');
  other.close();
  const first = await startDaemon(t, { ...stage, dbPath: newer });
  assert.equal(await first.stop(), 0, first.stderr());
  const raised = new Database(newer);
  raised.exec("INSERT INTO schema_migrations VALUES (999, '0999_newer.sql', 'another', 0)");
  raised.close();
  writeFileSync(text, 'not a database at all\n'.repeat(20));
  const before = fingerprint(stage);
  const start = (dbPath: string) =>
    runUpshift(
      t,
      ['start', '--db', dbPath, '--policy', stage.policyPath, '--port', '0', '--admin-port', '0'],
      stage.env,
    );

  const [asForeign, asNewer, asText] = await Promise.all([start(foreign), start(newer), start(text)]);
  refused(asForeign, 4, /foreign\.db is a database of another program/);
  refused(asNewer, 4, /newer\.db has schema 999, newer/);
  refused(asText, 2, /notes\.txt is not an SQLite database/);
  assert.deepEqual(fingerprint(stage), before);
});

test('a second daemon, or a port in use, is refused and the first goes on', PATIENT, async (t) => {
  const stage = await openStage(t);
  const first = await startDaemon(t, stage);
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  atEnd(t, () => taken.close());
  const port = String((taken.address() as AddressInfo).port);
  const start = (db: string, ...ports: string[]) =>
    runUpshift(t, ['start', '--db', join(stage.folder, db), '--policy', stage.policyPath, ...ports], stage.env);

  const [second, gateway, admin] = await Promise.all([
    start('upshift.db', '--port', '0', '--admin-port', '0'),
    start('a.db', '--port', port, '--admin-port', '0'),
    start('b.db', '--port', '0', '--admin-port', port),
  ]);
  refused(second, 4, new RegExp(`upshift\\.db is in use by .*${first.child.pid}`));
  refused(gateway, 4, new RegExp(`port ${port} .*in use`));
  refused(admin, 4, new RegExp(`admin port ${port} is in use`));
  const health = await fetch(`${first.admin}/healthz`);
  assert.equal(((await health.json()) as { status: string }).status, 'ok');
  assert.equal((await chat(first.gateway)).status, 200);
  assert.equal(await first.stop(), 0, first.stderr());
});

test('with the Hub out of reach it serves, and proposes nothing until the Hub is back', PATIENT, async (t) => {
  const stage = await openStage(t);
  const hubPort = await freePort();
  const env = { ...stage.env, HF_ENDPOINT: `http://127.0.0.1:${hubPort}/hub` };
  const daemon = await startDaemon(t, { ...stage, env });
  startTraffic(t, { url: daemon.gateway, model: MODEL });
  await eventually('the criteria hold and the account is the reason to wait', () => {
    return stage.report()?.routes[0]?.decision?.reason === 'account_unchecked';
  });
  assert.equal(newestRollout(stage), null);

  const hub = await startSimulation({ clock: createClock({ scale: 1, start: 0 }), port: hubPort });
  atEnd(t, () => hub.close());
  await inPhase(stage, 'proposed');
  assert.deepEqual(stage.report()?.account, { state: 'ok', name: 'acme' });
});

test('SIGTERM lets a running stream end whole, takes no new call, and exits with 0', PATIENT, async (t) => {
  const stage = await openStage(t);
  await stage.simulation.setFault({ target: 'router', kind: 'slow', factor: 8 });
  const daemon = await startDaemon(t, stage);
  const response = await chat(daemon.gateway, { stream: true, max_tokens: 900 });
  assert.equal(response.status, 200);
  const reader = (response.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream()).getReader();
  let text = (await reader.read()).value ?? '';
  const exit = daemon.stop();
  const port = Number(new URL(daemon.gateway).port);
  await eventually('new connections are refused', async () => !(await answers(port)));
  assert.equal(daemon.child.exitCode, null, 'it waits for the stream');
  for (let part = await reader.read(); !part.done; part = await reader.read()) text += part.value;
  assert.match(text, /"finish_reason":"stop"/);
  assert.match(text, /data: \[DONE\]\n\n$/);
  assert.equal(await exit, 0, daemon.stderr());
  const sql = 'SELECT status, outcome FROM call_log';
  assert.deepEqual(
    stage.read((db) => db.prepare(sql).all()),
    [{ status: 200, outcome: 'ok' }],
  );
});

/** Fails unless a command ended with this code and an error of a sentence and a hint that says this. */
function refused({ code, stdout, stderr }: Ran, expected: number, said: RegExp): void {
  assert.match(stderr, said);
  assert.equal(code, expected, stderr);
  assert.match(stderr, /^error: .+/m);
  assert.doesNotMatch(stderr, /^\s+at /m);
  assert.equal(stdout, '');
}

/** The files in a folder, but for those that SQLite keeps beside a ledger that it reads. */
function fingerprint({ folder }: Stage): string[] {
  const files = readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isFile() && !/-(shm|wal)$/.test(entry.name))
    .map(({ name }) => name)
    .sort();
  return files.map(
    (file) =>
      `${file} ${createHash('sha256')
        .update(readFileSync(join(folder, file)))
        .digest('hex')}`,
  );
}

/** Whether somebody listens there. */
async function answers(port: number): Promise<boolean> {
  const socket = connectTo(port, '127.0.0.1');
  try {
    return await new Promise((resolve) => {
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    });
  } finally {
    socket.destroy();
  }
}

function chat(gateway: string, more: object = {}): Promise<Response> {
  const body = { model: MODEL, messages: [{ role: 'user', content: 'hello' }], max_tokens: 20, ...more };
  return fetch(`${gateway}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: 'Bearer hf_client', 'x-agent-id': 'ann' },
    body: JSON.stringify(body),
  });
}
