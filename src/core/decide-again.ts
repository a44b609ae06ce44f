import { decide } from './decide/decide.ts';
import type { Decision } from './decide/decision.ts';
import { decisionInputSchema, decisionSchema } from './decide/stored.ts';
import type { DecisionInput } from './decide/stored.ts';
import { at } from './json.ts';
import { readStored } from './stored.ts';
import { decideSweep } from './sweep/sweep.ts';
import type { SweepDecision, SweepSeen } from './sweep/sweep.ts';
import { sweepDecisionSchema, sweepInputSchema } from './sweep/stored.ts';

type Input = DecisionInput | { readonly sweep: SweepSeen };

/** Reads the column `input` of a decision. Throws AppError `invalid`, which names the row and what is wrong. */
export function readInput(input: string, id?: number): Input {
  const choose = (value: unknown): typeof decisionInputSchema | typeof sweepInputSchema =>
    at(value, 'sweep') === undefined ? decisionInputSchema : sweepInputSchema;
  return readStored<Input>(choose, input, { table: 'decisions', row: `${id ?? 'a row'}, column input` });
}

/** Reads the column `output` of a decision. Throws AppError `invalid`, which names the row and what is wrong. */
export function readOutput(output: string, id: number): Decision | SweepDecision {
  const choose = (value: unknown): typeof decisionSchema | typeof sweepDecisionSchema =>
    at(value, 'finding') === undefined ? decisionSchema : sweepDecisionSchema;
  return readStored<Decision | SweepDecision>(choose, output, { table: 'decisions', row: `${id}, column output` });
}

/**
 * Repeats a stored decision offline, from the observation of a rollout or from what a sweep saw of an endpoint. The
 * result must equal the stored text. Throws AppError `invalid` if the input cannot be read.
 */
export function decideAgain(input: string): string {
  const stored = readInput(input);
  if ('sweep' in stored) return JSON.stringify(decideSweep(stored.sweep));
  return JSON.stringify(decide(stored.rollout, stored.observation));
}
