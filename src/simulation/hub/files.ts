import { sendJson } from '../exchange.ts';
import type { Exchange } from '../exchange.ts';
import type { SimulatedModel } from './models.ts';

const BYTES: Readonly<Record<string, number>> = { F32: 4, I64: 8, BF16: 2, F16: 2 };
/** The library refuses a tensor with a longer side. */
const LONGEST_SIDE = 2 ** 31;
/** Weights are zeros; this is the most bytes that one answer holds. */
const MOST_BYTES = 1_048_576;

/** A file of a repository: its first bytes, and the number of zeros after them. */
interface HubFile {
  readonly head: Buffer;
  readonly size: number;
}

/**
 * The files of a model's repository, as `GET /api/models/{model}/tree/{revision}` lists them: all if it is asked for, else
 * those at the top and the folders.
 */
export function treeOf(model: SimulatedModel, isRecursive: boolean): object[] {
  const oid = '0'.repeat(40);
  const files = filesOf(model).map(([path, { size }]) => ({ type: 'file', oid, size, path }));
  if (isRecursive) return files;
  const folders = new Set(files.flatMap(({ path }) => (path.includes('/') ? [path.slice(0, path.indexOf('/'))] : [])));
  const top = files.filter(({ path }) => !path.includes('/'));
  return [...[...folders].map((path) => ({ type: 'directory', oid, size: 0, path })), ...top];
}

/** The paths of all files. */
export function namesOf(model: SimulatedModel): string[] {
  return filesOf(model).map(([path]) => path);
}

/**
 * `GET` and `HEAD /{model}/resolve/{revision}/{path}`: a redirect to the address of small files, as on the Hub. That
 * address serves the bytes that `Range` asks for. The header of a weight file is correct; the weights themselves are
 * zeros.
 */
export function answerFile(
  exchange: Exchange,
  model: SimulatedModel,
  { path, isResolved }: { readonly path: string; readonly isResolved: boolean },
): void {
  const file = filesOf(model).find(([name]) => name === path)?.[1];
  if (file === undefined) {
    return sendJson(exchange, 404, { error: 'Entry not found' }, { 'x-error-code': 'EntryNotFound' });
  }
  const headers = {
    etag: `"${Buffer.from(`${model.id}/${path}`).toString('hex').slice(0, 40)}"`,
    'accept-ranges': 'bytes',
  };
  if (!isResolved) {
    const location = `/hub/api/resolve-cache/models/${model.id}/HEAD/${path}`;
    return sendJson(exchange, 307, { redirect: location }, { ...headers, location });
  }
  const { response, counters, upstream, request } = exchange;
  const type = path.endsWith('.json') ? 'text/plain; charset=utf-8' : 'application/octet-stream';
  if (request.method === 'HEAD') {
    counters.add(upstream, 200);
    response.writeHead(200, { ...headers, 'content-type': type, 'content-length': file.size }).end();
    return;
  }
  const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
  const first = Number(range?.[1] ?? 0);
  const last = Math.min(file.size - 1, range?.[2] ? Number(range[2]) : file.size - 1);
  if (first > last || last - first + 1 > MOST_BYTES) {
    return sendJson(exchange, 416, { error: 'Range Not Satisfiable' }, { 'content-range': `bytes */${file.size}` });
  }
  const body = Buffer.alloc(last - first + 1);
  file.head.copy(body, 0, Math.min(first, file.head.length), Math.min(last + 1, file.head.length));
  const contentRange = range === null ? {} : { 'content-range': `bytes ${first}-${last}/${file.size}` };
  const status = range === null ? 200 : 206;
  counters.add(upstream, status);
  response.writeHead(status, { ...headers, ...contentRange, 'content-type': type, 'content-length': body.length });
  response.end(body);
}

function filesOf(model: SimulatedModel): [path: string, file: HubFile][] {
  const files: [string, HubFile][] = [];
  if (model.config !== undefined) {
    const head = Buffer.from(JSON.stringify(model.config, null, 2));
    files.push(['config.json', { head, size: head.length }]);
  }
  if (model.adapter !== undefined) {
    const head = Buffer.from(JSON.stringify(model.adapter, null, 2));
    files.push(['adapter_config.json', { head, size: head.length }]);
  }
  if (model.files === undefined) files.push(['model.safetensors', safetensors(model)]);
  for (const [path, size] of Object.entries(model.files ?? {})) files.push([path, { head: Buffer.alloc(0), size }]);
  return files;
}

/** Eight bytes with the header's length, the header as JSON, the tensors (the format's own README). */
function safetensors({ dtypes, parameters }: SimulatedModel): HubFile {
  const header: Record<string, object> = {};
  let [at, tensors] = [0, 0];
  for (const [dtype, count] of Object.entries(dtypes ?? { BF16: parameters })) {
    for (let left = count; left > 0; left -= LONGEST_SIDE) {
      const side = Math.min(left, LONGEST_SIDE);
      const end = at + side * (BYTES[dtype] ?? 1);
      header[`model.layers.${tensors++}.weight`] = { dtype, shape: [side], data_offsets: [at, end] };
      at = end;
    }
  }
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  const head = Buffer.concat([length, text]);
  return { head, size: head.length + at };
}
