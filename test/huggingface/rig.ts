import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly authorization: string | undefined;
  readonly body: unknown;
}

export interface Rig extends AsyncDisposable {
  readonly url: string;
  readonly seen: Seen[];
}

export type Answer = { status?: number; body?: unknown; type?: string } | 'cut' | 'silent';

/** A server that answers each request as `answer` says: a JSON value, text, a cut connection, or nothing at all. */
export async function serve(answer: (request: Seen, count: number) => Answer): Promise<Rig> {
  const seen: Seen[] = [];
  const server = createServer((request, response) => {
    void take(request, response).catch(() => response.destroy());
  });
  const take = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    const { authorization } = request.headers;
    const one: Seen = {
      method: request.method ?? '',
      path: request.url ?? '',
      authorization,
      body: text === '' ? null : JSON.parse(text),
    };
    seen.push(one);
    const given = answer(one, seen.length);
    if (given === 'cut') return void request.socket.destroy();
    if (given === 'silent') return;
    const { status = 200, body, type } = given;
    const isText = typeof body === 'string';
    response.writeHead(status, { 'content-type': type ?? (isText ? 'text/plain' : 'application/json') });
    response.end(isText ? body : JSON.stringify(body));
  };
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** The body of an endpoint, as the management API shows it. */
export function endpointBody(name: string, state: string, more: object = {}, top: object = {}): object {
  return {
    name,
    type: 'authenticated',
    provider: { vendor: 'aws', region: 'us-east-1' },
    compute: {
      id: 'aws-us-east-1-nvidia-l4-x1',
      accelerator: 'gpu',
      instanceType: 'nvidia-l4',
      instanceSize: 'x1',
      scaling: { minReplica: 1, maxReplica: 1, scaleToZeroTimeout: null },
    },
    model: {
      repository: 'acme/model',
      framework: 'pytorch',
      image: { vLLM: { url: 'vllm/vllm-openai:v0.23.0', port: 8000, healthRoute: '/ready' } },
    },
    status: {
      state,
      message: 'Endpoint is ready',
      errorMessage: null,
      url: 'https://abcdefgh12345678.us-east-1.aws.endpoints.huggingface.cloud/',
      readyReplica: 1,
      targetReplica: 2,
      createdAt: '2026-11-20T10:00:00.000Z',
      updatedAt: '2026-11-20T10:04:10.000Z',
      ...more,
    },
    tags: ['managed-by:upshift'],
    ...top,
  };
}

/** Server-sent events of the given JSON values, `[DONE]` at the end. */
export function events(...values: readonly unknown[]): { type: string; body: string } {
  const data = values.map((value) => `data: ${JSON.stringify(value)}\n\n`).join('');
  return { type: 'text/event-stream', body: `${data}data: [DONE]\n\n` };
}
