import type { AnswerForm } from '../form/form.ts';
import type { FormSign } from '../serving/form-hint.ts';
import type { ComparedPair, Ended } from './pair.ts';
import type { PairCounts } from './paired-share.ts';

/** A property that an answer has or has not, compared as a share of the requests. */
export interface ShareFigure {
  readonly name: 'answered' | 'tools' | 'calls' | 'format' | 'leak' | 'length' | 'reasoning' | 'text';
  /** What is counted, in a few words. */
  readonly label: string;
  /** Whether more of it is worse. A property that is neither good nor bad just differs. */
  readonly isFault: boolean;
  /** What a difference is a sign of. Null: of no setting. */
  readonly sign: FormSign | null;
  /** The part of the command's margin that holds for it: rarer things must be closer. */
  readonly part: number;
  /** Null: the request does not ask for it, or it could not be told. */
  readonly of: (ended: Ended) => boolean | null;
}

const ofForm = (tell: (form: AnswerForm) => boolean | null) => (ended: Ended) =>
  ended.kind === 'answered' && ended.form !== null ? tell(ended.form) : null;

export const SHARE_FIGURES: readonly ShareFigure[] = [
  {
    name: 'answered',
    label: 'not answered',
    isFault: true,
    sign: null,
    part: 0.5,
    of: ({ kind }) => (kind === 'left' ? null : kind === 'failed'),
  },
  { name: 'tools', label: 'tool calls broken', isFault: true, sign: 'tools', part: 1, of: ofForm(isToolUseBroken) },
  {
    name: 'calls',
    label: 'tools called',
    isFault: false,
    sign: 'calls',
    part: 1.5,
    of: ofForm(({ tools }) => (tools === null || tools.isDemanded ? null : tools.called > 0)),
  },
  {
    name: 'format',
    label: 'JSON not as asked',
    isFault: true,
    sign: 'format',
    part: 1,
    of: ofForm(({ format }) => (format === null || format === 'unscored' ? null : format === 'bad')),
  },
  {
    name: 'leak',
    label: 'template in text',
    isFault: true,
    sign: 'leak',
    part: 0.5,
    of: ofForm(({ hasLeak }) => hasLeak),
  },
  {
    name: 'length',
    label: 'cut off by length',
    isFault: true,
    sign: 'length',
    part: 1,
    of: ofForm(({ finish }) => (finish === null ? null : finish === 'length')),
  },
  {
    name: 'reasoning',
    label: 'with reasoning',
    isFault: false,
    sign: 'reasoning',
    part: 1,
    of: ofForm(({ hasReasoning }) => hasReasoning),
  },
  {
    name: 'text',
    label: 'garbled or repeating',
    isFault: true,
    sign: 'agreement',
    part: 0.5,
    of: ofForm(({ isGarbled, isRepeating }) => {
      if (isGarbled === null && isRepeating === null) return null;
      return isGarbled === true || isRepeating === true;
    }),
  },
];

/** Whether a call of tools would break its caller. Null if the request offers none, or it could not be told. */
function isToolUseBroken({ tools }: AnswerForm): boolean | null {
  if (tools === null) return null;
  if (tools.called === 0) return tools.isDemanded;
  if (!tools.areParsed || !tools.areOffered || tools.schema === 'bad') return true;
  return tools.schema === 'unscored' ? null : false;
}

/** The counts of a figure over the pairs in which both sides have it. */
export function countPairs(pairs: readonly ComparedPair[], figure: ShareFigure): PairCounts {
  let [count, onlyA, onlyB, both] = [0, 0, 0, 0];
  for (const { a, b } of pairs) {
    const [ofA, ofB] = [figure.of(a), figure.of(b)];
    if (ofA === null || ofB === null) continue;
    count++;
    if (ofA && ofB) both++;
    else if (ofA) onlyA++;
    else if (ofB) onlyB++;
  }
  return { pairs: count, onlyA, onlyB, both };
}
