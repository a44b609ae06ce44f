import { objectOf, parseAnswer, saysError, usageOf, NO_USAGE } from '../core/answer/output.ts';
import type { Json, Usage } from '../core/answer/output.ts';
import { agree } from '../core/form/agree.ts';
import type { AskedOfPair, Half } from '../core/form/agree.ts';
import type { Agreement } from '../core/form/agreement.ts';
import { AskedReader } from '../core/form/asked.ts';
import type { Asked } from '../core/form/asked.ts';
import { Collecting } from '../core/form/collecting.ts';
import { formOf } from '../core/form/form-of.ts';
import { FormMemory } from '../core/form/memory.ts';
import { vectorsOf } from '../core/form/vectors.ts';
import type { ComparedPair, Ended } from '../core/compare/pair.ts';
import type { Got } from './send.ts';

/** An answer, read: what is kept of it, and what is needed to compare it with another one. */
export interface ReadAnswer {
  readonly ended: Ended;
  /** Null if the call has no answer, or it could not be read. */
  readonly half: Half | null;
  readonly usage: Usage;
}

/** Reads the answers to one request. */
export class AnswerReader {
  readonly #asked: Asked;
  readonly #ofPair: AskedOfPair;

  constructor(body: Json, askedReader: AskedReader) {
    this.#asked = askedIn(body, askedReader);
    this.#ofPair = { hasTools: this.#asked.tools !== null, isGreedy: this.#asked.isGreedy };
  }

  read(got: Got): ReadAnswer {
    if (got.kind === 'left') return { ended: got, half: null, usage: NO_USAGE };
    if (got.kind === 'failed') return failed(got.status);
    const collecting = new Collecting(new FormMemory());
    const answer = got.isStream ? readEvents(got.text, collecting) : readWhole(got.text, collecting);
    if (answer === null) return failed(200);
    const { usage, vectors } = answer;
    const given = vectors === null ? collecting.given() : null;
    const counts = { promptTokens: usage.promptTokens, outputTokens: usage.outputTokens };
    const form = given === null ? null : formOf(given, this.#asked, usage.outputTokens);
    const half: Half | null =
      vectors !== null ? { kind: 'vectors', vectors } : given === null ? null : { kind: 'given', given };
    return half === null ? failed(200) : { ended: { kind: 'answered', form, ...counts }, half, usage };
  }

  /** The pair of a request's answers; `again`: that of A once more. */
  pair(kind: ComparedPair['kind'], a: ReadAnswer, b: ReadAnswer, again: ReadAnswer | null): ComparedPair {
    return {
      kind,
      a: a.ended,
      b: b.ended,
      again: again?.ended ?? null,
      agreement: this.#agreement(a, b),
      baseline: again === null ? null : this.#agreement(a, again),
    };
  }

  #agreement(one: ReadAnswer, other: ReadAnswer): Agreement | null {
    return one.half === null || other.half === null ? null : agree(one.half, other.half, this.#ofPair);
  }
}

const failed = (status: number): ReadAnswer => ({ ended: { kind: 'failed', status }, half: null, usage: NO_USAGE });

function askedIn(body: Json, reader: AskedReader): Asked {
  const textOf = (value: unknown) => (value === undefined || value === null ? null : JSON.stringify(value));
  const format = textOf(body.response_format);
  const whole = JSON.stringify(body);
  return reader.read({
    tools: textOf(body.tools ?? body.functions),
    choice: textOf(body.tool_choice ?? body.function_call),
    format: format === null ? null : ['response_format', format],
    isGreedy: body.temperature === 0,
    isNamed: (text) => whole.includes(text) || whole.includes(JSON.stringify(text).slice(1, -1)),
  });
}

/** Stands for the text of an event that is decoded already: without it, Latin letters could be taken for bytes. */
const DECODED = '';

interface WholeRead {
  readonly usage: Usage;
  readonly vectors: ReturnType<typeof vectorsOf>;
}

function readWhole(text: string, collecting: Collecting): WholeRead | null {
  const answer = objectOf(parseAnswer(text));
  if (answer === null || saysError(answer)) return null;
  const vectors = vectorsOf(answer);
  if (vectors === null) collecting.whole(answer, DECODED);
  return { usage: usageOf(answer), vectors };
}

/** Null if an event says that the answer failed, or none is there. */
function readEvents(text: string, collecting: Collecting): WholeRead | null {
  let usage = NO_USAGE;
  let isRead = false;
  for (const line of text.split(/\r\n|\r|\n/)) {
    if (!line.startsWith('data:')) continue;
    const data = line.slice('data:'.length).trim();
    const event = objectOf(parseAnswer(data));
    if (event === null) continue;
    if (saysError(event)) return null;
    collecting.event(event, DECODED);
    isRead = true;
    const { promptTokens, outputTokens } = usageOf(event);
    usage = { promptTokens: promptTokens ?? usage.promptTokens, outputTokens: outputTokens ?? usage.outputTokens };
  }
  return isRead ? { usage, vectors: null } : null;
}
