import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { cpus, totalmem } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { startUpshift } from '../gateway/proxy.ts';

const HELP = `Usage: npm run bench:outage -- [options]

Twenty agents make 14 calls a second for 45 s. After 5 s the upstream fails for 5 s, by closed connections and by 500s. How
many calls fail, straight and behind \`upshift start\` with policies/default.yaml? Needs Linux.

  --against F  measure the checkout in folder F too
  --json       one line of JSON instead of the table
`;

const EVERY_MS = 70;
const AGENTS = 20;
const [FROM_MS, UNTIL_MS, END_MS] = [5_000, 10_000, 45_000];
const ANSWER_MS = 200;
const PROXIES_CORE = '1';
const ANSWER = JSON.stringify({
  id: 'chatcmpl-1',
  object: 'chat.completion',
  model: 'acme/tiny',
  choices: [{ index: 0, message: { role: 'assistant', content: 'word' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 9, completion_tokens: 1, total_tokens: 10 },
});

type Failing = 'closes connections' | 'answers 500';

interface Upstream extends Disposable {
  readonly url: string;
  isDown: boolean;
}

async function startUpstream(failing: Failing): Promise<Upstream> {
  const server = createServer((req, res) => {
    req.resume().on('end', () => {
      if (!upstream.isDown)
        setTimeout(() => res.writeHead(200, { 'content-type': 'application/json' }).end(ANSWER), ANSWER_MS);
      else if (failing === 'answers 500') res.writeHead(500).end('{}');
      else res.destroy();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const upstream = { url, isDown: false, [Symbol.dispose]: () => server.close().closeAllConnections() };
  return upstream;
}

interface Result {
  readonly upstream: Failing;
  /** `straight`, `upshift`, or the folder of another checkout. */
  readonly calls: string;
  readonly made: number;
  readonly failed: number;
  /** From the beginning of the outage to the last failure, s; 0 if none failed. */
  readonly failedFor: number;
  /** The longest that a call took that was answered, s. */
  readonly longest: number;
}

async function callAll(base: string, upstream: Upstream): Promise<Omit<Result, 'upstream' | 'calls'>> {
  const startedAt = performance.now();
  const sinceStart = () => performance.now() - startedAt;
  const calls: Promise<{ isOk: boolean; tookMs: number; endedMs: number }>[] = [];
  while (sinceStart() < END_MS) {
    upstream.isDown = sinceStart() >= FROM_MS && sinceStart() < UNTIL_MS;
    calls.push(call(base, calls.length, sinceStart));
    await pause(EVERY_MS);
  }
  const ended = await Promise.all(calls);
  const failed = ended.filter(({ isOk }) => !isOk);
  const seconds = (ms: number) => Math.round(ms / 100) / 10;
  return {
    made: ended.length,
    failed: failed.length,
    failedFor: seconds(Math.max(0, ...failed.map(({ endedMs }) => endedMs - FROM_MS))),
    longest: seconds(Math.max(...ended.filter(({ isOk }) => isOk).map(({ tookMs }) => tookMs))),
  };
}

async function call(base: string, n: number, sinceStart: () => number) {
  const beganMs = sinceStart();
  const messages = [{ role: 'user', content: `Question ${n}` }];
  const headers = {
    'content-type': 'application/json',
    authorization: 'Bearer hf_bench',
    'x-agent-id': `agent-${n % AGENTS}`,
  };
  const body = JSON.stringify({ model: 'acme/tiny', messages });
  let isOk = false;
  try {
    const answer = await fetch(`${base}/v1/chat/completions`, { method: 'POST', headers, body });
    await answer.arrayBuffer();
    isOk = answer.ok;
  } catch {
    // It failed.
  }
  return { isOk, tookMs: sinceStart() - beganMs, endedMs: sinceStart() };
}

async function measure(failing: Failing, folder: string | undefined | null): Promise<Result> {
  using upstream = await startUpstream(failing);
  if (folder === null) return { upstream: failing, calls: 'straight', ...(await callAll(upstream.url, upstream)) };
  const proxy = await startUpshift(upstream.url, PROXIES_CORE, folder);
  try {
    const calls = folder ?? 'upshift';
    return { upstream: failing, calls, ...(await callAll(`http://127.0.0.1:${proxy.port}`, upstream)) };
  } finally {
    await proxy.end();
  }
}

const { values } = parseArgs({
  options: {
    against: { type: 'string' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) process.stdout.write(HELP);
else {
  const folders = [null, undefined, ...(values.against === undefined ? [] : [values.against])];
  const results: Result[] = [];
  for (const failing of ['closes connections', 'answers 500'] as const) {
    results.push(...(await Promise.all(folders.map((folder) => measure(failing, folder)))));
  }
  if (values.json) console.log(JSON.stringify(results));
  else {
    console.log(`${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GB, Node ${process.version}`);
    console.table(results);
  }
}
