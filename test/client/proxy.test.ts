import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { OUTSIDE, startProxy } from '../support/proxy.ts';
import { PATIENT } from '../support/waiting.ts';

const INDEX = join(import.meta.dirname, '..', '..', 'src', 'index.ts');

async function listening(t: TestContext, answer: (req: IncomingMessage, res: ServerResponse) => void): Promise<number> {
  const server = createServer((req, res) => {
    req.resume();
    req.on('end', () => answer(req, res));
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** Runs a program that calls Hugging Face, past the gateway or not; resolves with what it wrote. */
function run(env: Record<string, string>): Promise<string> {
  const code = `import { upshiftFetch } from ${JSON.stringify(INDEX)};
    const answer = await upshiftFetch('${OUTSIDE}/v1/models', { headers: { authorization: 'Bearer hf_client' } });
    console.log(await answer.text(), await upshiftFetch.report());`;
  return new Promise((resolve, reject) => {
    execFile(process.execPath, ['--input-type=module', '-e', code], { env }, (error, out) => {
      if (error === null) resolve(out.trim());
      else reject(error);
    });
  });
}

test('a program behind a proxy reaches the gateway without it, and Hugging Face through it', PATIENT, async (t) => {
  const paths: string[] = [];
  const gateway = await listening(t, ({ url = '' }, res) => {
    paths.push(url);
    res.end(url === '/upshift/outcomes' ? '{"taken":1}' : 'by the gateway');
  });
  const router = await listening(t, (_, res) => res.end('by the router'));
  await using proxy = await startProxy(router);
  const folder = mkdtempSync(join(tmpdir(), 'upshift-proxy-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const env = {
    NODE_USE_ENV_PROXY: '1',
    HTTP_PROXY: proxy.url,
    UPSHIFT_ROUTER_URL: OUTSIDE,
    HOME: '/nonexistent',
    UPSHIFT_SPOOL: join(folder, 'outcomes.jsonl'),
  };
  assert.equal(await run({ ...env, UPSHIFT_GATEWAY_URL: 'http://127.0.0.1:1025' }), 'by the router false');
  assert.deepEqual(proxy.asked, [new URL(OUTSIDE).host]);
  assert.equal(await run({ ...env, UPSHIFT_GATEWAY_URL: `http://127.0.0.1:${gateway}` }), 'by the gateway true');
  assert.deepEqual(paths.toSorted(), ['/upshift/outcomes', '/v1/models']);
  assert.equal(proxy.asked.length, 1);
});
