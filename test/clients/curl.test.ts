import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { heard } from '../../src/simulation/answer/tasks.ts';
import { AGENT, LLAMA, RETRY_AFTER } from '../support/desk.ts';
import { REFUSED, TOKEN, UNAVAILABLE, lineFor, messages, openDesk, factsOf, well } from './rig.ts';
import type { Desk } from './rig.ts';

const skip = spawnSync('curl', ['--version']).status === 0 ? false : 'curl is not installed';
const WHISPER = 'openai/whisper-large-v3';

interface Ran {
  readonly code: number | null;
  readonly out: string;
  /** The number of chunks received. */
  readonly pieces: number;
}

/** Runs a shell command in a folder that contains `call.json`. */
async function run(folder: string, line: string): Promise<Ran> {
  const env = { PATH: process.env['PATH'], HF_TOKEN: TOKEN, CURL_HOME: folder };
  const child = spawn('sh', ['-c', line], { cwd: folder, env, stdio: ['ignore', 'pipe', 'inherit'] });
  let [out, pieces] = ['', 0];
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString();
    pieces += 1;
  });
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, out, pieces };
}

function openFolder(t: TestContext, body: object): string {
  const folder = mkdtempSync(join(tmpdir(), 'upshift-curl-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, 'call.json'), JSON.stringify(body));
  return folder;
}

/** The page's line, quiet, with the agent's id as a header. */
function lineAt(desk: Desk, options = ''): string {
  const line = lineFor('`curl`').replace('http://127.0.0.1:8787', desk.url);
  return line.replace('curl -N', `curl -sN -H 'x-agent-id: ${AGENT}' ${options}`);
}

test('curl chats', { skip }, async (t) => {
  const desk = await openDesk(t);
  const { code, out } = await run(openFolder(t, { model: LLAMA, messages, max_tokens: 30 }), lineAt(desk));
  const { usage } = JSON.parse(out) as { usage: { prompt_tokens: number; completion_tokens: number } };
  assert.deepEqual([code, usage.completion_tokens], [0, 30]);
  assert.deepEqual((await desk.rows(1)).map(factsOf), [well('chat', { prompt: usage.prompt_tokens, output: 30 })]);
});

test('curl -N gets a stream as it comes', { skip }, async (t) => {
  // Twelve chunks over 60 ms at least, so that they cannot all arrive as one piece.
  const desk = await openDesk(t, {
    routerSpeed: { baseMs: 1, perPromptTokenMs: 0, perOutputTokenMs: 600, sigma: 0 },
  });
  const body = { model: LLAMA, messages, max_tokens: 200, stream: true };
  const { code, out, pieces } = await run(openFolder(t, body), lineAt(desk));
  assert.equal(code, 0);
  assert.match(out, /data: \[DONE\]\n\n$/);
  assert.ok(pieces > 1, 'all of it came as one piece');
  assert.deepEqual((await desk.rows(1)).map(factsOf), [well('chat+stream')]);
});

test('curl sends a file and gets its answer', { skip }, async (t) => {
  const desk = await openDesk(t);
  const folder = openFolder(t, {});
  const sound = Buffer.from(Uint8Array.from({ length: 3_000_000 }, (_, at) => (at * 31) % 256));
  writeFileSync(join(folder, 'sound.flac'), sound);
  // Above a megabyte curl asks first: expect: 100-continue.
  const options = `-H 'authorization: Bearer ${TOKEN}' -H 'content-type: audio/flac' --data-binary @sound.flac`;
  const { out } = await run(folder, `curl -sS ${options} ${desk.url}/agents/${AGENT}/models/${WHISPER}`);
  assert.deepEqual(JSON.parse(out), { text: heard(sound) });
  assert.deepEqual((await desk.rows(1)).map(factsOf), [well('native', { model: WHISPER })]);
});

test('curl shows a 429 with its Retry-After, and a 502 of the gateway’s own', { skip }, async (t) => {
  const desk = await openDesk(t);
  const folder = openFolder(t, { model: LLAMA, messages });
  await desk.sim.setFault({ target: 'router', kind: 'ratelimits' });
  const refused = await run(folder, lineAt(desk, '-i'));
  assert.match(refused.out, /^HTTP\/1\.1 429 /);
  assert.match(refused.out, new RegExp(`^retry-after: ${RETRY_AFTER}\\r$`, 'm'));
  await desk.sim.clearFaults();
  await desk.sim.setFault({ target: 'router', kind: 'unavailable' });
  const failed = await run(folder, lineAt(desk, '-i'));
  assert.match(failed.out, /^HTTP\/1\.1 502 /);
  assert.match(failed.out, /^x-upshift-error: upstream_unavailable\r$/m);
  assert.match(failed.out, /\{"error":\{"message":"Model /);
  assert.deepEqual((await desk.rows(2)).map(factsOf), [well('chat', REFUSED), well('chat', UNAVAILABLE)]);
});
