import { z } from 'zod';
import { count } from './values.ts';

/** The kinds of questions that upshift asks. */
export const QUESTIONS = ['provision', 'step', 'promote', 'budget', 'scaling'] as const;
export type Question = (typeof QUESTIONS)[number];

/** How many people must approve, by the kind of question. */
export type ApprovalsPolicy = Readonly<Record<Question, number>>;

export const ONE_APPROVAL: ApprovalsPolicy = { provision: 1, step: 1, promote: 1, budget: 1, scaling: 1 };

const MOST_PEOPLE = 5;
const people = count(1, MOST_PEOPLE);

/** The block `approvals` of a policy. */
export const approvalsSchema = z.strictObject({
  provision: people,
  step: people,
  promote: people,
  budget: people,
  scaling: people,
});

/** The most people that any question needs. */
export function mostNeeded(approvals: ApprovalsPolicy): number {
  return Math.max(...QUESTIONS.map((question) => approvals[question]));
}
