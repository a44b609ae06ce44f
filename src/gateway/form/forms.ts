import type { Usage } from '../../core/answer/output.ts';
import type { Agreement } from '../../core/form/agreement.ts';
import { AskedReader } from '../../core/form/asked.ts';
import type { Asked } from '../../core/form/asked.ts';
import { formOf } from '../../core/form/form-of.ts';
import type { AnswerForm } from '../../core/form/form.ts';
import type { Given } from '../../core/form/given.ts';
import type { Vectors } from '../../core/form/vectors.ts';
import { FormMemory } from '../../core/form/memory.ts';
import type { CallKind } from '../../core/route.ts';
import type { IncomingCall } from '../request/incoming-call.ts';
import { AnswerPair } from './answer-pair.ts';
import { askedTexts } from './asked-texts.ts';

/** The kinds of call whose answers have a form. */
const KINDS: ReadonlySet<CallKind> = new Set<CallKind>(['chat', 'completion', 'response', 'message']);

/** An answer that ended well. */
interface EndedAnswer {
  readonly usage: Usage;
  given(): Given | null;
  vectors(): Vectors | null;
}

/** What is learned from the end of an attempt. */
export interface Learned {
  readonly form: AnswerForm | null;
  /** How far it agrees with the other half of its pair; null if that has not ended, or if the two cannot be compared. */
  readonly agreement: Agreement | null;
}

/** Learns the forms of a gateway's answers. */
export class Forms {
  readonly #memory: FormMemory;
  readonly #asked = new AskedReader();
  readonly #failed: (error: Error) => void;

  /** `failed`: takes the error if the form of an answer could not be learned. */
  constructor(failed: (error: Error) => void, memory = new FormMemory()) {
    this.#failed = failed;
    this.#memory = memory;
  }

  /** The memory for what the answer to a call holds; null if its form is not learned. */
  memoryFor({ destination, content }: IncomingCall): FormMemory | null {
    return content.scan !== null && KINDS.has(destination.kind) ? this.#memory : null;
  }

  /** What compares the answer to a call with that to its copy. */
  pairFor(incoming: IncomingCall): AnswerPair {
    const asked = this.#askedBy(incoming);
    const ofPair = { hasTools: asked !== null && asked.tools !== null, isGreedy: asked?.isGreedy === true };
    return new AnswerPair(ofPair, this.#memory);
  }

  /**
   * What is learned from the end of the first attempt of a call, or of its copy. `answer`: null if it ended without one, or
   * not well. `pair`: null if the call has no copy. The form is null if it is not known.
   */
  ended(incoming: IncomingCall, answer: EndedAnswer | null, pair: AnswerPair | null): Learned {
    try {
      return this.#learn(incoming, answer, pair);
    } catch (error) {
      // No fault here may keep a call from its end.
      this.#failed(error as Error);
      return { form: null, agreement: pair?.ended(null) ?? null };
    }
  }

  #learn(incoming: IncomingCall, answer: EndedAnswer | null, pair: AnswerPair | null): Learned {
    if (answer === null) return { form: null, agreement: pair?.ended(null) ?? null };
    if (incoming.destination.kind === 'embedding') {
      const vectors = pair === null ? null : answer.vectors();
      return { form: null, agreement: pair?.ended(vectors === null ? null : { kind: 'vectors', vectors }) ?? null };
    }
    const given = answer.given();
    const asked = given === null ? null : this.#askedBy(incoming);
    const form = given === null || asked === null ? null : formOf(given, asked, answer.usage.outputTokens);
    return { form, agreement: pair?.ended(given === null ? null : { kind: 'given', given }) ?? null };
  }

  /** What a call asks for; null if its body was not scanned. */
  #askedBy({ body, content }: IncomingCall): Asked | null {
    return content.scan === null ? null : this.#asked.read(askedTexts(body, content.scan.asks));
  }
}
