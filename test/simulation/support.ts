import { startSimulation } from '../../src/simulation/server.ts';
import type { Simulation, SimulationOptions } from '../../src/simulation/server.ts';
import { fastClock } from './clocks.ts';

export const LLAMA = 'meta-llama/Llama-3.1-8B-Instruct';
export const MINILM = 'sentence-transformers/all-MiniLM-L6-v2';
export const TOKEN = 'hf_test';

/** A simulation on a clock so fast that no test waits for it. */
export function startFast(options: Partial<SimulationOptions> = {}): Promise<Simulation> {
  return startSimulation({ clock: fastClock(1000), ...options });
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // Bodies differ from route to route; tests read the fields they are about.
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly json: any;
}

export async function send(method: string, url: string, body?: unknown, token = TOKEN): Promise<Answer> {
  const response = await fetch(url, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.includes('json') === true && text !== '';
  return { status: response.status, headers: response.headers, text, json: isJson ? JSON.parse(text) : undefined };
}

/** A body of `POST /v2/endpoint/{namespace}` as the python client writes it, nulls included. */
export function endpointBody(name: string, change: { model?: object; scaling?: object; compute?: object } = {}) {
  return {
    accountId: null,
    name,
    type: 'authenticated' as string,
    provider: { vendor: 'aws', region: 'us-east-1' },
    compute: {
      accelerator: 'gpu',
      instanceType: 'nvidia-l4',
      instanceSize: 'x1',
      scaling: { minReplica: 1, maxReplica: 1, scaleToZeroTimeout: null, ...change.scaling },
      ...change.compute,
    },
    model: {
      repository: LLAMA,
      revision: null,
      framework: 'pytorch',
      task: 'text-generation',
      image: { vLLM: { url: 'vllm/vllm-openai:v0.23.0', port: 8000 } },
      env: {},
      secrets: { HF_TOKEN: 'hf_secret' },
      ...change.model,
    } as Record<string, unknown>,
    tags: ['managed-by:upshift'],
  };
}

/** Waits until `isSo`; the test runner's own time limit ends the wait otherwise. */
export async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 1));
}

/** Creates an endpoint and waits until its engine answers; gives its URL. */
export async function startEndpoint(sim: Simulation, body: object & { name: string }): Promise<string> {
  const created = await send('POST', `${sim.endpointsUrl}/v2/endpoint/acme`, body);
  if (created.status !== 200) throw new Error(`create answered ${created.status}: ${created.text}`);
  const mine = () => sim.state().endpoints.find((each) => each.name === body.name);
  await until(() => mine()?.isLoaded === true);
  return mine()?.url ?? '';
}

export function chat(more: object = {}): Record<string, unknown> {
  return { model: LLAMA, messages: [{ role: 'user', content: 'hello' }], max_tokens: 20, ...more };
}
