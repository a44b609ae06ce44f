/** What a cause means, and what a person can do about it. */
interface Meaning {
  /** One sentence, for people. */
  readonly means: string;
  /** What to type or to change; null: nothing, because it passes by itself. */
  readonly answer: string | null;
}

/** Why a decision holds, retreats, fails or refuses: a closed list. Each reason of a decision has one of them, or none. */
const MEANINGS = {
  demand: {
    means: 'The criteria are not met, or not for long enough.',
    answer: 'Nothing, or lower the limits under `criteria`; `upshift backtest` shows what others would have done.',
  },
  cooldown: {
    means: 'The last rollout ended a short time ago.',
    answer: 'Nothing, or shorten `criteria.cooldown` (after a way back: `back.cooldown`).',
  },
  policy: {
    means: 'The policy has no endpoint for the model.',
    answer: 'Add an `endpoint` block to the model under `routes` in the policy file.',
  },
  account: {
    means: 'The Hub does not accept the token, or could not be asked.',
    answer: 'Set HF_TOKEN to a valid token and restart the daemon.',
  },
  token_scope: {
    means: 'The token may manage the endpoint but not call it.',
    answer: 'Give the token of HF_TOKEN the scope inference.endpoints.infer.write.',
  },
  not_available: {
    means: 'No instance fits the model, or its price is not known.',
    answer: 'Type `upshift plan`: it says for each instance what is in the way.',
  },
  price: {
    means: 'The instance costs more than the policy allows.',
    answer: 'Raise `endpoint.maxPricePerHour`, or choose a cheaper instance.',
  },
  budget: {
    means: 'A budget does not allow it, or is nearly used up.',
    answer: 'Approve what is asked, raise `budget` in the policy, or let the rollout end.',
  },
  capacity_exhausted: {
    means: 'Hugging Face has no machine for the instance.',
    answer: 'List several instances in `endpoint.instances`, or choose another region.',
  },
  quota: {
    means: 'The quota of the account does not allow the instance.',
    answer: 'Ask Hugging Face for quota, or list other instances in `endpoint.instances`.',
  },
  refused: {
    means: 'Hugging Face refused what upshift asked for.',
    answer: 'Read what it said and change what it names: the instance, the scaling, or the scopes of the token.',
  },
  effect_failed: {
    means: 'A request to Hugging Face failed. upshift tries again.',
    answer:
      'Read what failed in `upshift status`. If it goes on, check the network and the status page of Hugging Face.',
  },
  not_ours: {
    means: 'An endpoint of this name exists that upshift did not create. It is not changed.',
    answer: 'Rename or delete that endpoint, or wait for the next proposal, which uses another name.',
  },
  address: {
    means: 'The URL of the endpoint is not one to which calls may go, or it changed.',
    answer: 'Name its domain under `endpoint.domains` if it is yours; else report it to Hugging Face.',
  },
  endpoint_lost: {
    means: 'The endpoint failed, or somebody paused, deleted or scaled it down.',
    answer: 'Read its logs at Hugging Face, and find out who changed it; the next proposal creates another.',
  },
  endpoint_unreachable: {
    means: 'The endpoint runs but its health route does not answer 200.',
    answer: 'Read its logs at Hugging Face. Check from this machine that its name resolves and its port answers.',
  },
  faults: {
    means: 'The side that was tried failed calls that it should have answered.',
    answer:
      'Read the kinds of faults in `upshift explain`, and the logs of the endpoint; repair it before the next proposal.',
  },
  speed: {
    means: 'The endpoint is slower than serverless by more than the margin.',
    answer: 'Choose a larger instance or more replicas, or widen the margin under `judge`.',
  },
  quality: {
    means: 'The answers of the endpoint are shorter, longer or empty more often than those of serverless.',
    answer:
      'Compare the model, the engine and its arguments with what serverless runs; then wait for the next proposal.',
  },
  answers_differ: {
    means:
      'The endpoint answers in another form, or to another prompt, than serverless: tool calls, JSON, endings, reasoning, template tokens.',
    answer:
      'Compare the chat template, the parsers of tools and reasoning and the context length under `endpoint.args` with what serverless runs.',
  },
  saturated: {
    means: 'The ready replicas were not seen to carry what the next step brings.',
    answer: 'Raise `endpoint.maxReplica` or choose a larger instance.',
  },
  no_data: {
    means: 'Too few calls have been judged for a verdict.',
    answer:
      'Wait for calls, or send some with `upshift loadtest`. Lower `limits.minCalls` only if that many are not reached.',
  },
  measurement: {
    means: 'The two sides cannot be compared: their shares of calls or of rejected calls do not fit.',
    answer: 'Type `upshift abort` if it lasts. Check that no other program changes or filters the calls.',
  },
  overdue: {
    means: 'It took longer than the policy allows.',
    answer:
      'Raise the limit that is named (`limits.provisionWithin`, `stepWithin`, `rolloutWithin`), or type `upshift abort`.',
  },
  serverless_out: {
    means: 'Serverless is out. What it refuses is no demand.',
    answer: null,
  },
  serverless_unable: {
    means: 'Serverless cannot take the calls now, so that they stay where they are.',
    answer: 'Wait until it can. If callers are denied, check the credits and tokens of the account.',
  },
  both_sides: {
    means: 'Both sides fail at once, so that moving calls would not help.',
    answer: 'Check the network of this machine and the status page of Hugging Face.',
  },
  slo: {
    means: 'The promoted endpoint misses the targets of the policy.',
    answer: 'Approve the way back, choose a larger instance, or change `back.slo`.',
  },
  unneeded: {
    means: 'Too few calls come for an endpoint to pay.',
    answer: 'Approve the way back, or change `back` in the policy.',
  },
  idle: {
    means: 'Nobody calls the endpoint.',
    answer: 'Pause it with `upshift endpoints`, or let it sleep with `scaling.sleep`.',
  },
  unused: {
    means: 'No rollout uses the endpoint.',
    answer: 'Type `upshift endpoints`: it says what each endpoint costs and how to pause or delete it.',
  },
  approval: {
    means: 'A person must answer a question.',
    answer: 'Type the `upshift approve` or `upshift reject` that `upshift status` shows.',
  },
  evidence: {
    means: 'The evidence is not the one that was asked with, or does not allow the step.',
    answer: 'Read the new question or verdict in `upshift status`.',
  },
  expired: {
    means: 'Nobody answered in time, and the figures of the proposal are old.',
    answer:
      'Nothing: while the criteria hold there is a new proposal. `limits.proposalOpen` sets how long one is open.',
  },
  operator: {
    means: 'A person said so: an abort, a rejection or a pause.',
    answer: 'Ask who said it. Then type `upshift resume`, after an abort with `--model`.',
  },
  frozen: {
    means: 'A person has frozen all routes: nothing is proposed, asked or entered. Going back still works.',
    answer: 'Ask who said it. Then type `upshift thaw`.',
  },
  closed_window: {
    means: 'No change window of the policy is open: nothing is proposed, asked or entered. Going back still works.',
    answer:
      'Nothing: it goes on when the window opens. If it cannot wait, change `windows` in the policy file, which acts at once.',
  },
  request: {
    means: 'What was said fits nothing that is open.',
    answer: 'Read what is open in `upshift status` and say it again.',
  },
  in_progress: {
    means: 'Something takes its time: a machine starts, calls end, a step lasts as long as the policy says.',
    answer: null,
  },
} as const satisfies Record<string, Meaning>;

export type Cause = keyof typeof MEANINGS;

/** Every cause. */
export const CAUSES = Object.keys(MEANINGS) as readonly Cause[];

/** What a cause means, and what answers it. */
export function causeMeaning(cause: Cause): Meaning {
  return MEANINGS[cause];
}
