import { heard, picture } from '../answer/tasks.ts';
import { sendBytes, sendJson } from '../exchange.ts';
import type { Exchange } from '../exchange.ts';
import type { World } from '../world.ts';

/** Routes of single providers that the router passes on, in the providers' own shapes. */
export type NativeShape = 'picture' | 'transcript' | 'queue';

const TOGETHER: ReadonlyMap<string, NativeShape> = new Map([
  ['/together/v1/images/generations', 'picture'],
  ['/together/v1/audio/transcriptions', 'transcript'],
]);

/** The native shape of a `POST`; undefined if it has none. */
export function nativeShapeOf(path: string): NativeShape | undefined {
  return TOGETHER.get(path) ?? (path.startsWith('/fal-ai/') ? 'queue' : undefined);
}

/** The `model` field of a form with files. */
export function modelInForm(raw: Buffer): string | undefined {
  return /name="model"\r\n(?:[^\r\n]+\r\n)*\r\n([^\r\n]*)/.exec(raw.toString('latin1'))?.[1];
}

/** The bytes of the form's first file, between the empty line behind its name and the line that ends it. */
function fileInForm(raw: Buffer): Buffer {
  const start = raw.indexOf('\r\n\r\n', Math.max(0, raw.indexOf('filename="'))) + 4;
  const end = raw.indexOf('\r\n--', start);
  return raw.subarray(start, end < 0 ? raw.length : end);
}

export interface NativeCall {
  readonly shape: NativeShape;
  readonly raw: Buffer;
  readonly body: Readonly<Record<string, unknown>>;
  readonly headers: Readonly<Record<string, string>>;
}

/** Together's answers, and fal.ai's queue: it accepts a job, and the client polls until the job is done. */
export class NativeRoutes {
  readonly #world: World;
  readonly #jobs = new Map<string, { readonly prompt: string; readonly readyAt: number }>();

  constructor(world: World) {
    this.#world = world;
  }

  answer(exchange: Exchange, { shape, raw, body, headers }: NativeCall): void {
    const prompt = String(body['prompt']);
    if (shape === 'transcript') return sendJson(exchange, 200, { text: heard(fileInForm(raw)) }, headers);
    if (shape === 'picture') {
      const data = [{ index: 0, b64_json: picture(prompt).toString('base64') }];
      return sendJson(exchange, 200, { id: headers['x-request-id'], object: 'list', data }, headers);
    }
    const id = this.#world.newId('job');
    this.#jobs.set(id, { prompt, readyAt: this.#world.clock.now() + 1_000 });
    const url = `https://queue.fal.run${exchange.path.slice('/fal-ai'.length)}/requests/${id}`;
    const urls = { response_url: url, status_url: `${url}/status`, cancel_url: `${url}/cancel` };
    sendJson(exchange, 200, { status: 'IN_QUEUE', request_id: id, queue_position: 0, ...urls }, headers);
  }

  /** `GET /fal-ai/{model}/requests/{id}[/status]`. */
  answerJob(exchange: Exchange): void {
    const [, id = '', status] = /\/requests\/([\w-]+)(\/status)?$/.exec(exchange.path) ?? [];
    const job = this.#jobs.get(id);
    if (job === undefined) return sendJson(exchange, 404, { detail: 'Request not found' });
    const isReady = job.readyAt <= this.#world.clock.now();
    if (status !== undefined) {
      return sendJson(exchange, isReady ? 200 : 202, { status: isReady ? 'COMPLETED' : 'IN_PROGRESS', request_id: id });
    }
    if (!isReady) return sendJson(exchange, 400, { detail: 'Request is still in progress' });
    const url = `http://${exchange.request.headers.host}/media/${encodeURIComponent(job.prompt)}.png`;
    const images = [{ url, width: 64, height: 64, content_type: 'image/png' }];
    sendJson(exchange, 200, { images, prompt: job.prompt, seed: 1 });
  }
}

/** `/media/{text}.png`: the pictures that a queue has made. */
export function answerMedia(exchange: Exchange): void {
  const name = /^\/(.+)\.png$/.exec(exchange.path)?.[1];
  if (name === undefined) return sendJson(exchange, 404, { detail: 'Not Found' });
  sendBytes(exchange, 'image/png', picture(decodeURIComponent(name)), {});
}
