import { MODEL, ask } from '../rig.ts';
import type { Answer, Behaviour, Received, Rig, Upstream } from '../rig.ts';

export const FEATURES = `/hf-inference/models/${MODEL}/pipeline/feature-extraction`;
export const EMBEDDINGS = '/v1/embeddings';

/** Clock ms. The clock of the tests sees to it that calls which are made at once are in one batch. */
export const WAIT = 60;

export function careOf(most: number, more: object = {}) {
  return {
    retries: { most: 5, base: 5, cap: 20, share: 1 },
    maxWait: 30_000,
    queue: 100,
    ramp: 0,
    breaker: { faults: 50, cooldown: 60_000, probes: 1 },
    providers: [],
    batch: { wait: WAIT, most },
    ...more,
  };
}

/**
 * A batch is sent when it holds so many calls and at no other time, so that the speed of the machine does not matter.
 */
export const fullAt = (most: number) => careOf(most, { batch: { wait: 30_000, most } });

interface Body {
  readonly input?: unknown;
  readonly inputs?: unknown;
  readonly encoding_format?: string;
}

const listOf = (value: unknown): unknown[] =>
  Array.isArray(value) && !value.every((each) => typeof each === 'number') ? value : [value];
export const itemsIn = ({ body }: Received) => {
  const { input, inputs } = JSON.parse(body) as Body;
  return listOf(input ?? inputs);
};

/** A vector that depends on its text, in a notation that no serializer would write. */
export function vectorOf(item: unknown): string {
  let sum = 7;
  for (const char of JSON.stringify(item)) sum = (sum * 31 + (char.codePointAt(0) as number)) % 1_000_003;
  return `[${sum}.0, 1E-${(sum % 9) + 1},-0.${sum}00]`;
}

export const tokensOf = (item: unknown) => JSON.stringify(item).length;

/** How an engine answers a text: with one vector, with one for each token, or as a list of one. */
export type Form = 'vector' | 'tokens' | 'list';

/** Answers as an engine does. */
export function engine(form: Form = 'vector'): Behaviour {
  return (res, received) => {
    const { inputs, encoding_format: format, ...rest } = JSON.parse(received.body) as Body;
    const items = itemsIn(received);
    let text: string;
    if (inputs !== undefined) {
      const vectors = items.map((item) =>
        form === 'tokens' ? `[${vectorOf(item)}, ${vectorOf('')}]` : vectorOf(item),
      );
      text = Array.isArray(inputs) || form === 'list' ? `[${vectors.join(', ')}]` : (vectors[0] as string);
    } else {
      const tokens = items.reduce<number>((sum, item) => sum + tokensOf(item), 0);
      const data = items.map((item, index) => {
        const vector = vectorOf(`${JSON.stringify(item)} ${JSON.stringify({ ...rest, input: 0 })}`);
        const packed = format === 'base64' ? JSON.stringify(Buffer.from(vector).toString('base64')) : vector;
        return `{"object": "embedding","embedding":${packed},  "index":${index}, "more":{"index":9}}`;
      });
      // An engine may send them in any order.
      const usage = `{"prompt_tokens":${tokens},"total_tokens": ${tokens},"details":{"cached":${items.length}}}`;
      text = `{"object":"list","data":[${data.toReversed().join(',\n')}],"model":"${MODEL}","usage":${usage}}`;
    }
    res.writeHead(200, { 'content-type': 'application/json', 'x-request-id': 'r-1', etag: 'of all' });
    res.end(text);
  };
}

export const embed = (rig: Rig, input: unknown, more: object = {}, headers: Record<string, string> = {}) =>
  ask(rig.url, { path: EMBEDDINGS, body: JSON.stringify({ model: MODEL, input, ...more }), headers });

export const features = (rig: Rig, inputs: unknown, more: object = {}, path = FEATURES) =>
  ask(rig.url, { path, body: JSON.stringify({ inputs, ...more }) });

/** The number of items of each request after the first `from`. */
export const sizes = ({ received }: Upstream, from = 0) => received.slice(from).map((one) => itemsIn(one).length);

export interface Embedded {
  readonly object: string;
  readonly model: string;
  readonly data: { index: number; embedding: unknown }[];
  readonly usage: { prompt_tokens: number; total_tokens: number };
}

export const read = ({ body }: Answer) => JSON.parse(body) as Embedded;
export const sum = (numbers: readonly number[]) => numbers.reduce((all, each) => all + each, 0);

/** Makes one call each for a text and for a list, so that the gateway learns how they are answered. */
export async function introduce(rig: Rig, more: object = {}): Promise<void> {
  await features(rig, 'x', more);
  await features(rig, ['x'], more);
}
