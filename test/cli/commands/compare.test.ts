import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import type { Simulation } from '../../../src/simulation/server.ts';
import { endpointBody, LLAMA, startEndpoint, startFast, TOKEN } from '../../simulation/support.ts';
import { spawnUpshift, upshift } from '../rig.ts';

const ARGS = ['--enable-auto-tool-choice', '--tool-call-parser', 'llama3_json'];
const ENV = { HF_TOKEN: TOKEN };

/** Serverless and an endpoint of a local Hugging Face. */
async function sides(): Promise<{ readonly sim: Simulation; readonly words: readonly string[] }> {
  const sim = await startFast();
  const url = await startEndpoint(sim, endpointBody('b', { model: { args: ARGS } }));
  return { sim, words: ['compare', `${sim.routerUrl}/v1`, url, '--key-env', 'HF_TOKEN', '--model', LLAMA] };
}

interface Printed {
  readonly verdict: string;
  readonly pairs: number;
  readonly sentences: readonly string[];
  readonly notes: readonly string[];
  readonly figures: readonly { readonly name: string; readonly verdict: string; readonly pairs: number }[];
  readonly a: {
    readonly calls: number;
    readonly promptTokens: number;
    readonly dollars: { readonly low: number } | null;
  };
  readonly b: { readonly calls: number; readonly engine: string | null; readonly dollars: unknown };
}

function file(context: TestContext, lines: readonly object[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'upshift-compare-'));
  context.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'requests.jsonl');
  writeFileSync(path, lines.map((line) => JSON.stringify(line)).join('\n'));
  return path;
}

type Respond = (path: string, body: string) => readonly [status: number, answer: object];

/** A server of the model `m` that keeps the headers that it gets. */
async function listener(respond: Respond) {
  const seen: IncomingMessage['headers'][] = [];
  const server = createServer((request, response) => {
    seen.push(request.headers);
    let body = '';
    request.setEncoding('utf8').on('data', (piece: string) => (body += piece));
    request.on('end', () => {
      const isList = request.method === 'GET';
      const [status, answer] = isList ? [200, { data: [{ id: 'm' }] }] : respond(request.url ?? '', body);
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const close = () => {
    server.closeAllConnections();
    return new Promise<void>((resolve) => server.close(() => resolve()));
  };
  return { seen, url, [Symbol.asyncDispose]: close };
}

const chatter: Respond = () => [200, { choices: [{ finish_reason: 'stop', message: { content: 'a' } }] }];

/** Makes embeddings by the length of the body, turned by a small angle. */
function embedder(apart: number): Respond {
  return (path, body) => {
    if (!path.endsWith('/embeddings')) return [404, { error: { message: 'no such route' } }];
    const angle = body.length + apart;
    return [200, { data: [{ embedding: [Math.cos(angle), Math.sin(angle)] }], usage: { prompt_tokens: body.length } }];
  };
}

describe('compare', () => {
  it('finds two deployments of a model the same, within eighty columns, and says what that cost', async () => {
    const { sim, words } = await sides();
    await using _ = sim;
    const { code, out, err } = await upshift(words, ENV);
    assert.deepEqual([code, err], [0, ''], out);
    assert.deepEqual(
      out.split('\n').filter((line) => line.length > 80),
      [],
    );
    assert.match(out, /^A {2}http.*\/router\/v1 {2}meta-llama\/Llama-3\.1-8B-Instruct$/m);
    assert.match(out, /^B {2}http.*Instruct \(vLLM\)$/m);
    assert.match(out, /^tool calls broken .* by 76 +same$/m);
    assert.match(out, /^prompt tokens +0 +same$/m);
    assert.match(out, /^The same, as far as 200 requests can show/m);
    assert.match(out, /A\s+took\s+300\s+calls,.*tokens\s+of\s+prompts\s+and[^]*\(\$0\.\d{4}/);
  });

  it('finds a missing tool parser, and names the argument that mends it', async () => {
    const { sim, words } = await sides();
    await using _ = sim;
    sim.setFault({ target: 'endpoint', kind: 'parser' });
    const { code, out } = await upshift([...words, '--json'], ENV);
    assert.equal(code, 1, out);
    const { verdict, sentences, pairs, a, b } = JSON.parse(out) as Printed;
    assert.deepEqual([verdict, pairs, a.calls, b.calls, b.engine], ['different', 200, 300, 200, 'vLLM']);
    assert.ok(a.promptTokens > 50_000 && (a.dollars?.low ?? 0) > 0);
    assert.equal(b.dollars, null);
    assert.match(
      sentences.join('\n'),
      /is a tool parser set\? \(--enable-auto-tool-choice --tool-call-parser llama3_json\)$/m,
    );
  });

  it('finds another template and a cut context by the prompt tokens alone, with few requests', async () => {
    const { sim, words } = await sides();
    await using _ = sim;
    const said = async () => {
      const { code, out } = await upshift([...words, '--n', '60', '--json'], ENV);
      return [code, ...(JSON.parse(out) as Printed).sentences].join('\n');
    };
    sim.setFault({ target: 'endpoint', kind: 'template' });
    assert.match(await said(), /^1\nB counts from \+\d+ to \+\d+ tokens in the same prompts.*\(--chat-template\)$/m);
    sim.clearFaults();
    sim.setFault({ target: 'endpoint', kind: 'context' });
    assert.match(await said(), /^1\nB reads at most 8192 tokens of a prompt.*\(--max-model-len\)$/m);
  });

  it('could not tell with few requests, and says how many would', async () => {
    const { sim, words } = await sides();
    await using _ = sim;
    const { code, out } = await upshift([...words, '--n', '10'], ENV);
    assert.equal(code, 6, out);
    assert.match(
      out.replaceAll(/\s+/g, ' '),
      /Could not tell\. .*could not tell for .*: about \d+ requests would tell/,
    );
  });

  it('finds that a side refuses calls with tools', async () => {
    const { sim, words } = await sides();
    await using _ = sim;
    sim.setFault({ target: 'endpoint', kind: 'rejects', shape: 'chat+tools' });
    const { code, out } = await upshift([...words, '--n', '80', '--json'], ENV);
    assert.equal(code, 1, out);
    assert.match(
      (JSON.parse(out) as Printed).sentences[0] ?? '',
      /^not answered \(with tools\): .* is a tool parser set/,
    );
  });

  it('compares embeddings of a model that makes only these', async () => {
    await using a = await listener(embedder(0));
    for (const [apart, code, verdict] of [
      [1e-4, 0, 'same'],
      [0.2, 1, 'different'],
    ] as const) {
      await using b = await listener(embedder(apart));
      const { code: found, out } = await upshift(['compare', a.url, b.url, '--n', '80'], ENV);
      assert.equal(found, code, out);
      assert.match(out, new RegExp(`^cosine with A +1\\.0000 +[01]\\.\\d+ +least [01]\\.\\d+ +${verdict}$`, 'm'));
    }
  });

  it('sends the requests of a file, which stay nowhere: no word of prompts and answers is printed', async (context) => {
    const { sim, words } = await sides();
    await using _ = sim;
    const secret = 'planted-7f3a';
    const tool = {
      type: 'function',
      function: { name: secret, parameters: { type: 'object', properties: { [secret]: { enum: [secret] } } } },
    };
    const requests = Array.from({ length: 90 }, (_, at) => ({
      messages: [{ role: 'user', content: `${secret} ${at}` }],
      temperature: 0,
      max_tokens: 40,
      ...(at % 2 === 0 && { tools: [tool] }),
      ...(at % 3 === 0 && { stream: true }),
    }));
    const embedding = { input: secret };
    sim.setFault({ target: 'endpoint', kind: 'template' });
    const path = file(context, [...requests, embedding]);
    const runs = await Promise.all(
      [[], ['--json']].map((more) => upshift([...words, '--requests', path, ...more], ENV)),
    );
    for (const { code, out, err } of runs) {
      assert.equal(code, 1, out + err);
      assert.ok(!out.includes(secret) && !err.includes(secret));
    }
    const { pairs, a } = JSON.parse(runs[1]?.out ?? '') as Printed;
    assert.deepEqual([pairs, a.calls], [90, 135]);
  });

  it('prints answers that differ only if it is asked to', async () => {
    const { sim, words } = await sides();
    await using _ = sim;
    sim.setFault({ target: 'endpoint', kind: 'parser' });
    const { out } = await upshift([...words, '--n', '20', '--show', '2'], ENV);
    assert.equal(out.match(/^ {2}A {2}/gm)?.length, 2);
    assert.equal(out.match(/^ {2}B {2}/gm)?.length, 2);
  });

  it('stops at Ctrl-C, with what is known until then', async () => {
    const { sim, words } = await sides();
    await using _ = sim;
    const { child, ended } = spawnUpshift([...words, '--n', '20000', '--concurrency', '2', '--json'], { env: ENV });
    const before = sim.state().counters;
    while (JSON.stringify(sim.state().counters) === JSON.stringify(before)) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    child.kill('SIGINT');
    const { code, out } = await ended;
    assert.equal(code, 130);
    if (out !== '') assert.equal((JSON.parse(out) as { readonly isStopped: boolean }).isStopped, true);
  });
});

describe('compare that cannot begin', () => {
  it('never sends HF_TOKEN to a host that is not Hugging Face’s, and each named key to its side alone', async () => {
    await using a = await listener(chatter);
    await using b = await listener(chatter);
    const words = ['compare', a.url, b.url, '--n', '4'];
    const env = { HF_TOKEN: TOKEN, KEY_A: 'key-a', KEY_B: 'key-b' };
    await upshift(words, env);
    assert.deepEqual(new Set([...a.seen, ...b.seen].map((one) => one.authorization)), new Set([undefined]));
    for (const one of [a, b]) one.seen.splice(0);
    await upshift([...words, '--key-env-a', 'KEY_A', '--key-env-b', 'KEY_B'], env);
    assert.deepEqual(new Set(a.seen.map((one) => one.authorization)), new Set(['Bearer key-a']));
    assert.deepEqual(new Set(b.seen.map((one) => one.authorization)), new Set(['Bearer key-b']));
  });

  it('says what is wrong, with a status that is not that of a difference', async () => {
    const { sim, words } = await sides();
    await using _ = sim;
    const [command = '', router = '', endpoint = ''] = words;
    const env = { ...ENV, UPSHIFT_ROUTER_URL: sim.routerUrl };
    const gone = await listener(chatter);
    await gone[Symbol.asyncDispose]();
    const cases: readonly (readonly [words: readonly string[], code: number, said: RegExp])[] = [
      [[command, router, gone.url, '--model', LLAMA], 6, /B cannot be reached at http.*: ECONNREFUSED/],
      [[command, router, endpoint, '--model', LLAMA], 2, /B \(http.*\) answers 401[^]*--key-env-b NAME/],
      [[command, router, router, '--model', 'no/such', '--key-env', 'HF_TOKEN'], 2, /answers 400 to no\/such at/],
      [[command, router, endpoint, '--key-env', 'HF_TOKEN'], 2, /A lists \d+ models[^]*--model/],
      [[command, router, endpoint, '--key-env', 'NOT_SET'], 2, /NOT_SET, which is not set[^]*export NOT_SET/],
      [[command, 'http://example.com', endpoint, '--key-env', 'HF_TOKEN'], 2, /example\.com unencrypted/],
      [[command, router, 'ftp://x'], 2, /neither http nor https/],
      [[...words, '--margin', '90%'], 2, /--margin/],
      [[...words, '--n', '0'], 2, /--n 0 is out of range/],
      [[...words, '--requests', '/no/such/file'], 2, /cannot be read/],
    ];
    for (const [given, code, said] of cases) {
      const { code: found, out, err } = await upshift(given, env);
      assert.match(err, said);
      assert.deepEqual([found, out], [code, ''], given.join(' '));
      assert.ok(!err.includes(TOKEN));
    }
  });
});
