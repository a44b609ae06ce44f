import type { AnswerForm, Score, ToolsForm } from '../form/form.ts';
import type { FormMetric, MetricPolicy } from '../policy/judge.ts';

/**
 * What is measured of the form of an answer. `calls`: whether a tool is called that may be; `cut`: whether the answer
 * stopped for its length.
 */
export const MEASURES = ['tools', 'format', 'calls', 'cut', 'leak', 'reasoning'] as const;

export type Measure = (typeof MEASURES)[number];

/** What each metric of form compares, and whether less of it counts as a difference too. */
export const PARTS: Readonly<
  Record<FormMetric, { readonly measures: readonly Measure[]; readonly isTwoSided: boolean }>
> = {
  tools: { measures: ['tools'], isTwoSided: false },
  format: { measures: ['format'], isTwoSided: false },
  finish: { measures: ['calls', 'cut'], isTwoSided: true },
  leak: { measures: ['leak'], isTwoSided: false },
  reasoning: { measures: ['reasoning'], isTwoSided: true },
};

/** The margins of a measure. Few answers stop for their length, so that half of the margins of `finish` holds for them. */
export function marginsOf(
  measure: Measure,
  { margin, rollbackMargin }: Pick<MetricPolicy, 'margin' | 'rollbackMargin'>,
): Pick<MetricPolicy, 'margin' | 'rollbackMargin'> {
  const part = measure === 'cut' ? 0.5 : 1;
  return { margin: margin * part, rollbackMargin: rollbackMargin * part };
}

/**
 * 1 or 0 for each measure; null if it could not be told. A measure is left out if the request does not ask for it, as for
 * `tools` if it offers none.
 */
export type FormScores = Readonly<Partial<Record<Measure, number | null>>>;

/** An answer whose form is not known, or none. */
export const UNKNOWN_FORM: FormScores = {
  tools: null,
  format: null,
  calls: null,
  cut: null,
  leak: null,
  reasoning: null,
};

/** The scores of the form of an answer. */
export function scoreForm(form: AnswerForm | null | undefined): FormScores {
  if (form === null || form === undefined) return UNKNOWN_FORM;
  const { tools, format, finish, hasLeak, hasReasoning } = form;
  const rest = {
    cut: finish === null ? null : Number(finish === 'length'),
    leak: bit(hasLeak),
    reasoning: bit(hasReasoning),
    ...(format !== null && { format: brokenScore(format) }),
  };
  if (tools === null) return rest;
  return { ...rest, tools: brokenTools(tools, hasLeak === true), calls: Number(tools.called > 0) };
}

/** A call of a tool that is left in the text, which is what a missing parser does, is broken too. */
function brokenTools(
  { called, isDemanded, areParsed, areOffered, schema }: ToolsForm,
  hasLeak: boolean,
): number | null {
  if (called === 0) return Number(isDemanded || hasLeak);
  if (!areParsed || !areOffered) return 1;
  return brokenScore(schema);
}

/** Whether an answer calls tools that were offered, with arguments that parse, and these miss their schema. */
export function missesSchema(form: AnswerForm | null | undefined): boolean {
  const tools = form?.tools;
  return tools != null && tools.called > 0 && tools.areParsed && tools.areOffered && tools.schema === 'bad';
}

function brokenScore(score: Score | null): number | null {
  return score === null || score === 'unscored' ? null : Number(score === 'bad');
}

function bit(value: boolean | null): number | null {
  return value === null ? null : Number(value);
}
