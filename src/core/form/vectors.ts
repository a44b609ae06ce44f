import { objectsOf } from '../answer/output.ts';
import type { Json } from '../answer/output.ts';

/** Embeddings of an answer, in the order of its inputs. */
export type Vectors = readonly (readonly number[] | Float32Array)[];

/** Of an answer with more, the first ones are compared. */
const MOST_VECTORS = 8;
const MOST_DIMENSIONS = 16_384;

/** The embeddings of an answer in OpenAI's format, as lists of numbers or as base64; null if it has none. */
export function vectorsOf(answer: Json): Vectors | null {
  const entries = objectsOf(answer.data).slice(0, MOST_VECTORS);
  const vectors = entries.map(({ embedding }) => vectorOf(embedding));
  return vectors.length === 0 || vectors.includes(null) ? null : (vectors as Vectors);
}

function vectorOf(embedding: unknown): Vectors[number] | null {
  if (typeof embedding === 'string') return embedding.length > 6 * MOST_DIMENSIONS ? null : fromBase64(embedding);
  if (!Array.isArray(embedding) || embedding.length === 0 || embedding.length > MOST_DIMENSIONS) return null;
  const numbers = embedding as unknown[];
  return numbers.every((each) => typeof each === 'number') ? numbers : null;
}

/** Little-endian floats of 32 bits. */
function fromBase64(text: string): Float32Array | null {
  let bytes: string;
  try {
    bytes = atob(text);
  } catch {
    return null;
  }
  if (bytes.length === 0 || bytes.length % 4 !== 0) return null;
  const view = new DataView(new ArrayBuffer(bytes.length));
  for (let at = 0; at < bytes.length; at++) view.setUint8(at, bytes.charCodeAt(at));
  return Float32Array.from({ length: bytes.length / 4 }, (_, at) => view.getFloat32(4 * at, true));
}

/** The least cosine of embeddings that belong together, -1..1; null if their numbers or lengths differ. */
export function leastCosine(one: Vectors, other: Vectors): number | null {
  if (one.length !== other.length) return null;
  let least = 1;
  for (const [at, vector] of one.entries()) {
    const cosine = cosineOf(vector, other[at] as Vectors[number]);
    if (cosine === null) return null;
    least = Math.min(least, cosine);
  }
  return least;
}

function cosineOf(one: Vectors[number], other: Vectors[number]): number | null {
  if (one.length !== other.length) return null;
  let [dot, mine, theirs] = [0, 0, 0];
  for (let at = 0; at < one.length; at++) {
    const [a, b] = [one[at] as number, other[at] as number];
    dot += a * b;
    mine += a * a;
    theirs += b * b;
  }
  const cosine = dot / Math.sqrt(mine * theirs);
  return Number.isFinite(cosine) ? cosine : null;
}
