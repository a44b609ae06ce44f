import type { Candidate } from '../../core/sizing/candidate.ts';
import { offerText, quotaLeft } from '../../core/sizing/offer.ts';
import type { SizingPlan } from '../../core/sizing/plan.ts';
import { countText, numberText } from '../terminal/format.ts';
import { pad, table, wrap } from '../terminal/print.ts';
import { entry } from './page.ts';
import type { Page } from './page.ts';

/** The problem of a list of offers if there is no token to ask for the account's own. */
export const NO_TOKEN = 'HF_TOKEN is not set';

type SizingPage = Pick<Page, 'width' | 'paint'>;

/** With more than this, those that do not fit are counted. */
const MOST_REFUSED = 24;

/** What a model needs, what there is for it, which of that would be chosen, and what a month costs; then what to do. */
export function renderSizing(
  plan: SizingPlan,
  { model, month }: { readonly model: string; readonly month: readonly string[] },
  page: SizingPage,
): string[] {
  return [
    ...needLines(plan, page),
    ...(plan.caveats.length === 0 ? [] : entry('note', plan.caveats, page)),
    ...servingLines(plan, page),
    ...(plan.candidates.length === 0 ? [] : candidateLines(plan, page)),
    ...month,
    ...swarmLines(plan, page),
    ...entry('next', nextTexts(plan, model), page),
  ];
}

/** What the engine should be told, as `endpoint.args` takes it, and what makes answers differ. */
function servingLines({ serving }: SizingPlan, page: SizingPage): string[] {
  if (serving === null) return [];
  const { args, family, notes } = serving;
  const list = args.length === 0 ? [] : [`endpoint.args should have, for ${family ?? 'tools'}: [${args.join(', ')}]`];
  return entry('answers', [...list, ...notes], page);
}

function gb(bytes: number): string {
  return `${(bytes / 1e9).toFixed(1)} GB`;
}

function needLines({ need, problem, facts, demand }: SizingPlan, page: SizingPage): string[] {
  const guessed = [...(problem === null ? [] : [problem]), ...(need?.guesses ?? [])];
  const guesses = guessed.length === 0 ? [] : entry('guessed', guessed, page);
  if (need === null) {
    const what = facts?.adapter === undefined ? '' : ' of its base';
    const why = facts === null ? 'the Hub does not know it' : `the Hub shows neither parameters nor files${what}`;
    return [...entry('memory', [`${why}: its memory cannot be computed`], page), ...guesses];
  }
  const rows = need.terms.map(({ name, bytes, arithmetic }) => [name, gb(bytes), arithmetic] as const);
  const lines = [
    ...rows,
    ['in all', gb(need.bytes), 'an engine uses 90 % of a card, unless args say otherwise'] as const,
  ];
  const width = page.width - 11 - 24;
  const laid = lines.flatMap(([name, size, text]) => {
    const [first = '', ...rest] = wrap(text, width);
    return [`${pad(name, 11)}  ${pad(size, 9, 'right')}  ${first}`, ...rest.map((line) => ' '.repeat(24) + line)];
  });
  const inFlight = demand.inFlight < 10 ? demand.inFlight.toFixed(1) : numberText(demand.inFlight);
  const tokens =
    demand.longest === null
      ? ''
      : `, 95 % within ${numberText(demand.tokens ?? 0)} tokens, at most ${numberText(demand.longest)}`;
  const output = demand.outputPerSecond === null ? '' : `, ${numberText(demand.outputPerSecond)} tokens/s written`;
  const busiest =
    demand.calls === 0
      ? []
      : [`busiest 5 min: ${countText(demand.windowCalls, 'call')}, ${inFlight} in flight${tokens}${output}`];
  return [...entry('memory', laid, page, true), ...guesses, ...entry('demand', busiest, page)];
}

const SOURCES = {
  account: (of: string | null) => `live prices and quota of ${of ?? 'the account'}`,
  public: () => 'live prices of the public list, which has no quota',
  list: (of: string | null) => `STALE: price list of ${of ?? 'some day'}; upshift never proposes from it`,
} as const;

function candidateLines(plan: SizingPlan, page: SizingPage): string[] {
  const { candidates, chosen, alternatives, list, minReplica } = plan;
  const { paint } = page;
  const origin = SOURCES[list.source](list.of);
  const source = entry('instances', [list.problem === null ? origin : `${origin} (${list.problem})`], page);
  const open = candidates.filter((each) => each.obstacle === null || isSame(each, chosen));
  const columns = [
    { title: 'fits' },
    ...['$/h', 'quota', 'replicas', 'tokens/s'].map((title) => ({ title, side: 'right' as const })),
  ];
  const rows = open.map((each) => [
    offerText(each.offer),
    dollars(each.offer.pricePerHourMicros),
    quotaText(each),
    replicasText(each, minReplica),
    speedText(each),
  ]);
  const [head = '', ...fitting] = open.length === 0 ? ['none fits'] : table(columns, rows, paint);
  const marked = fitting.map((line, i) =>
    isSame(open[i] as Candidate, chosen) ? paint.green(` > ${line}`) : `   ${line}`,
  );
  const isTooDear = chosen?.obstacle?.kind === 'price';
  const legend = [
    ...(chosen === null
      ? []
      : [isTooDear ? '> is the cheapest, but costs more than maxPricePerHour' : '> would be chosen']),
    ...(alternatives.length > 0
      ? [`if it cannot be had: ${alternatives.map(({ offer }) => offerText(offer)).join(', then ')}`]
      : []),
    ...(open.some(({ overflowShare }) => overflowShare !== null && overflowShare > 0)
      ? ['1 of 2: replicas that the policy pays for, of those for all calls; others overflow']
      : []),
    ...(open.some(({ source: from }) => from !== null)
      ? ['tokens/s of one full replica: ~ by memory bandwidth, = measured here']
      : []),
    ...(open.some(({ isWidened }) => isWidened) ? ['< these widen FP8 and are slower than that'] : []),
  ];
  return [
    ...source,
    `   ${head}`,
    ...marked,
    ...legend.flatMap((text) => wrap(text, page.width - 3).map((line) => `   ${paint.dim(line)}`)),
    ...refusedLines(plan, page),
  ];
}

/** Those that do not fit and why, alike ones together; what the policy leaves out anyway is counted. */
function refusedLines({ candidates, chosen }: SizingPlan, { width, paint }: SizingPage): string[] {
  const refused = candidates.filter((each) => each.obstacle !== null && !isSame(each, chosen));
  const left = new Set(['not named', 'denied', 'elsewhere']);
  const shown = refused.filter(({ obstacle }) => !left.has(obstacle?.kind ?? ''));
  const groups = new Map<string, Candidate[]>();
  for (const each of shown) {
    const key = `${each.offer.instanceType} ${each.obstacle?.text}`;
    groups.set(key, [...(groups.get(key) ?? []), each]);
  }
  const named = [...groups.values()].map((group) => [groupText(group), group[0]?.obstacle?.text ?? ''] as const);
  const names = Math.max(0, ...named.map(([name]) => name.length));
  const lines = named
    .slice(0, MOST_REFUSED)
    .flatMap(([name, why]) =>
      wrap(why, width - names - 6).map((line, i) => `   ${(i === 0 ? name : '').padEnd(names)}  ${line}`.trimEnd()),
    );
  const more = named.length - MOST_REFUSED;
  const rest = [
    ...(more > 0 ? [`and ${more} more kinds that do not fit`] : []),
    ...(refused.length > shown.length ? [`and ${refused.length - shown.length} that the policy leaves out`] : []),
  ];
  const title = shown.length === 0 ? [] : [`   ${paint.dim('does not fit')}`];
  return [...title, ...lines, ...rest.map((line) => `   ${paint.dim(line)}`)];
}

function groupText(group: readonly Candidate[]): string {
  const [first] = group as [Candidate];
  return group.length === 1 ? offerText(first.offer) : `${group.length} of ${first.offer.instanceType}`;
}

/** Whether two candidates are one instance: a report may hold copies. */
function isSame(a: Candidate, b: Candidate | null): boolean {
  return b !== null && offerText(a.offer) === offerText(b.offer);
}

function dollars(micros: number | null): string {
  return micros === null ? '-' : (micros / 1e6).toFixed(micros < 100_000 ? 3 : 2);
}

function quotaText({ offer }: Candidate): string {
  const left = quotaLeft(offer);
  return left === null ? '-' : String(left);
}

/** `2`, or `1 of 2` if the demand needs more than the policy pays for. */
function replicasText({ replicas, within }: Candidate, minReplica: number): string {
  const needed = Math.max(minReplica, replicas);
  return needed > within ? `${within} of ${needed}` : String(needed);
}

function speedText({ perSecond, source, isWidened }: Candidate): string {
  if (perSecond === null) return '-';
  const less = isWidened ? '<' : '';
  return `${less}${source === 'measured' ? '=' : '~'}${numberText(perSecond)}`;
}

function swarmLines({ swarm }: SizingPlan, page: SizingPage): string[] {
  if (swarm === null) return [];
  const seen = `${countText(swarm.calls, 'call')} of ${countText(swarm.agents, 'agent')} in the busiest 5 min`;
  return entry('swarm', [`${seen}: ${swarm.size.policy} fits that`], page);
}

function nextTexts({ chosen, facts, hasEndpoint, list, swarm, instance }: SizingPlan, model: string): string[] {
  if (facts === null) return ['check the name of the model, HF_ENDPOINT and the network; then run this again'];
  if (chosen === null) {
    return ['nothing fits: allow more regions or replicas, ask Hugging Face for quota, or choose a quantized model'];
  }
  if (list.source !== 'account') {
    const isRefused = list.problem !== null && list.problem !== NO_TOKEN;
    const first = isRefused ? 'fix the problem above' : 'set HF_TOKEN';
    const again = `${first} and run this again for ${list.source === 'public' ? 'quota' : 'live prices and quota'}`;
    return hasEndpoint ? [`${again}: without it upshift proposes nothing`] : [again];
  }
  if (!hasEndpoint) {
    const start = swarm === null ? 'policies/default.yaml' : swarm.size.policy;
    return [`give ${model} an endpoint block in the policy, with namespace and maxPricePerHour; begin with ${start}`];
  }
  const needs = instance === null ? [] : [`it would be pinned as: ${instance.reason}`];
  return ['npx upshift start: it proposes this instance once the criteria hold, at the price of that day', ...needs];
}
