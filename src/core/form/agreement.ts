/**
 * How far two answers to the same request agree. It holds numbers and bits only. Null: the two cannot be compared in that
 * respect.
 */
export interface Agreement {
  /** Whether both stopped for the same reason. */
  readonly finish: boolean | null;
  /** Whether both called the same tools, in the same order. */
  readonly tools: boolean | null;
  /** Whether the arguments of these calls are the same JSON, whatever the order of keys. */
  readonly args: boolean | null;
  /** The part of the longer text, 0..1, that both have in common from the beginning; only at temperature 0. */
  readonly text: number | null;
  /** The least cosine of the embeddings, -1..1. */
  readonly cosine: number | null;
}

/** Steps in which `text` is stored. */
const TEXT_STEPS = 126;
/** Steps in which the distance of a cosine from 1 is stored, as its logarithm: 1e-7 to 2. */
const COSINE_STEPS = 254;
const LEAST_DISTANCE = 1e-7;
const DISTANCES = Math.log(2 / LEAST_DISTANCE);

/** The agreement as a whole number below 2^21, as the ledger stores it. */
export function encodeAgreement({ finish, tools, args, text, cosine }: Agreement): number {
  const textBits = text === null ? 0 : 1 + Math.round(Math.max(0, Math.min(1, text)) * TEXT_STEPS);
  const bits = [triple(finish), triple(tools), triple(args)].reduce((all, value, at) => all + value * 4 ** at, 0);
  return bits + textBits * 64 + cosineBits(cosine) * 64 * 128;
}

/** The agreement that `encodeAgreement` made into a number. */
export function decodeAgreement(stored: number): Agreement {
  const [finish, tools, args] = [0, 1, 2].map((at) => {
    const value = Math.floor(stored / 4 ** at) % 4;
    return value === 0 ? null : value === 2;
  }) as [boolean | null, boolean | null, boolean | null];
  const text = Math.floor(stored / 64) % 128;
  const cosine = Math.floor(stored / (64 * 128)) % 256;
  return { finish, tools, args, text: text === 0 ? null : (text - 1) / TEXT_STEPS, cosine: cosineOf(cosine) };
}

function triple(value: boolean | null): number {
  return value === null ? 0 : value ? 2 : 1;
}

function cosineBits(cosine: number | null): number {
  if (cosine === null) return 0;
  const distance = Math.max(LEAST_DISTANCE, Math.min(2, 1 - cosine));
  return 1 + Math.round((Math.log(distance / LEAST_DISTANCE) / DISTANCES) * COSINE_STEPS);
}

function cosineOf(bits: number): number | null {
  return bits === 0 ? null : 1 - LEAST_DISTANCE * Math.exp(((bits - 1) / COSINE_STEPS) * DISTANCES);
}
