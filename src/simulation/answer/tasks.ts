import { crc32, deflateSync } from 'node:zlib';
import { isObject, parseObject, sendBytes, sendJson } from '../exchange.ts';
import type { Exchange } from '../exchange.ts';
import type { SimulatedModel } from '../hub/models.ts';
import { embed } from './answers.ts';

/** A call to a task route: `/hf-inference/models/...`, or `POST /` of an endpoint. */
export interface TaskCall {
  readonly raw: Buffer;
  readonly pipeline: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
}

/** Whether a model accepts such a body: JSON with `inputs`, or the bytes of a sound if its task takes sound. */
export function takesBody(model: SimulatedModel, raw: Buffer): boolean {
  return raw.length > 0 && (model.task === 'automatic-speech-recognition' || parseObject(raw) !== undefined);
}

/** Answers a task in the form that Hugging Face's own client expects; pictures are sent as the bytes of a PNG. */
export function answerTask(exchange: Exchange, model: SimulatedModel, { raw, pipeline, headers }: TaskCall): void {
  const inputs = parseObject(raw)?.['inputs'];
  switch (model.task) {
    case 'text-to-image':
      return sendBytes(exchange, 'image/png', picture(String(inputs)), headers);
    case 'automatic-speech-recognition':
      return sendJson(exchange, 200, { text: heard(raw) }, headers);
    case 'text-classification':
      return sendJson(exchange, 200, [labels(String(inputs))], headers);
    case 'feature-extraction':
      return sendJson(exchange, 200, vectors(model, inputs, pipeline), headers);
    case 'text-generation':
      return sendJson(exchange, 200, [{ generated_text: `${String(inputs)} and so on.` }], headers);
  }
}

/** The transcript states what arrived: how many bytes, and their checksum. */
export function heard(sound: Buffer): string {
  return `${sound.length} bytes of sound, ${crc32(sound).toString(16)}`;
}

function labels(text: string): object[] {
  const isGood = !/\b(?:not|bad|never)\b/i.test(text);
  return [
    { label: isGood ? 'POSITIVE' : 'NEGATIVE', score: 0.98 },
    { label: isGood ? 'NEGATIVE' : 'POSITIVE', score: 0.02 },
  ];
}

function vectors({ dimensions = 384 }: SimulatedModel, inputs: unknown, pipeline: string | undefined): unknown {
  if (isObject(inputs) && Array.isArray(inputs['sentences']) && pipeline !== 'feature-extraction') {
    const source = embed(String(inputs['source_sentence']), dimensions);
    return inputs['sentences'].map((sentence) => cosine(source, embed(String(sentence), dimensions)));
  }
  return Array.isArray(inputs)
    ? inputs.map((text) => embed(String(text), dimensions))
    : embed(String(inputs), dimensions);
}

function cosine(left: readonly number[], right: readonly number[]): number {
  return left.reduce((sum, x, index) => sum + x * (right[index] ?? 0), 0);
}

const SIDE = 64;

/** A PNG of about 12 KB that depends on the text alone. */
export function picture(text: string): Buffer {
  const rows = Buffer.alloc(SIDE * (1 + SIDE * 3));
  const seed = crc32(text);
  // Each row begins with the number of its filter; 0 means none.
  for (let at = 0; at < rows.length; at += 1) {
    if (at % (1 + SIDE * 3) !== 0) rows[at] = (seed >>> (at % 24)) ^ at;
  }
  const head = Buffer.alloc(13);
  head.writeUInt32BE(SIDE, 0);
  head.writeUInt32BE(SIDE, 4);
  head.set([8, 2, 0, 0, 0], 8);
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  const body = deflateSync(rows, { level: 0 });
  return Buffer.concat([signature, chunk('IHDR', head), chunk('IDAT', body), chunk('IEND', Buffer.alloc(0))]);
}

function chunk(name: string, data: Buffer): Buffer {
  const framed = Buffer.concat([Buffer.alloc(4), Buffer.from(name, 'latin1'), data, Buffer.alloc(4)]);
  framed.writeUInt32BE(data.length, 0);
  framed.writeUInt32BE(crc32(framed.subarray(4, -4)), framed.length - 4);
  return framed;
}
