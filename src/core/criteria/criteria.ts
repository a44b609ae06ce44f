import { isSets } from '../policy/criteria.ts';
import type { CriteriaPolicy, CriterionName } from '../policy/criteria.ts';
import { spanText } from '../text.ts';
import type { ServedFigures } from './served-window.ts';

/** What is measured. */
export const FIGURES = ['calls', 'agents', 'refused', 'p95', 'availability', 'ratio', 'cheaperBy'] as const;

/** One figure of a window against its limit. */
export interface Measure {
  readonly criterion: CriterionName;
  readonly figure: (typeof FIGURES)[number];
  /** A count, a share, a ratio, or clock ms for `p95`; null if it is not known: the limit is then not exceeded. */
  readonly now: number | null;
  readonly limit: number;
  readonly isMet: boolean;
}

/** With fewer calls in the window than this, latency and availability are not known. */
const LEAST_CALLS = 100;

/** Costs per hour, micro-dollars: of the window's traffic on serverless, and of an endpoint that could serve it. */
export interface DemandCosts {
  readonly serverlessPerHourMicros: number;
  readonly dedicatedPerHourMicros: number;
}

/**
 * Every figure that the policy sets a limit for, in the order of the criteria. A figure that equals its limit is not
 * met.
 */
export function measure(figures: DemandFigures, policy: CriteriaPolicy): Measure[] {
  const above = (criterion: CriterionName, figure: Measure['figure'], now: number | null, limit: number): Measure => ({
    criterion,
    figure,
    now,
    limit,
    isMet: now !== null && now > limit,
  });
  const { slo, predictability, cost } = policy;
  const measures = [
    above('calls', 'calls', figures.calls, policy.calls),
    above('agents', 'agents', figures.agents, policy.agents),
    above('refused', 'refused', figures.refusedShare, policy.refused),
  ];
  if (slo?.p95 !== undefined) measures.push(above('slo', 'p95', latencyOf(figures)?.p95 ?? null, slo.p95));
  if (slo?.availability !== undefined) {
    const now = availabilityOf(figures);
    const isMet = now !== null && now < slo.availability;
    measures.push({ criterion: 'slo', figure: 'availability', now, limit: slo.availability, isMet });
  }
  if (predictability !== undefined) {
    measures.push(above('predictability', 'ratio', ratioOf(figures), predictability.ratio));
  }
  if (cost !== undefined) measures.push(above('cost', 'cheaperBy', cheaperByOf(figures), cost.cheaperBy));
  return measures;
}

/** Latencies in clock ms; null with too few calls. */
function latencyOf({
  served,
}: DemandFigures): { readonly p50: number; readonly p95: number; readonly p99: number } | null {
  if (served === undefined || served.answered < LEAST_CALLS) return null;
  const { p50, p95, p99 } = served;
  return p50 === null || p95 === null || p99 === null ? null : { p50, p95, p99 };
}

function availabilityOf({ served }: DemandFigures): number | null {
  const ended = served === undefined ? 0 : served.answered + served.failed;
  return served === undefined || ended < LEAST_CALLS ? null : served.answered / ended;
}

/**
 * The ratio of p99 to p50 in one window. Agents that wait for each other are slowed by this ratio. A latency that rises
 * from one window to the next is found by the limit on p95.
 */
function ratioOf(figures: DemandFigures): number | null {
  const latency = latencyOf(figures);
  return latency === null ? null : latency.p99 / latency.p50;
}

/** The share of serverless's costs that an endpoint would save; negative if the endpoint is more expensive. */
function cheaperByOf({ costs }: DemandFigures): number | null {
  if (costs === undefined || costs === null || costs.serverlessPerHourMicros <= 0) return null;
  return 1 - costs.dedicatedPerHourMicros / costs.serverlessPerHourMicros;
}

/** A figure beside its limit, for people: `p95 24.1 s (more than 20.0 s)`. */
export function measureText({ figure, now, limit, isMet }: Measure): string {
  const isWanted = isMet ? '' : 'not ';
  const limitText = (text: string) => `(${isWanted}${figure === 'availability' ? 'less' : 'more'} than ${text})`;
  const percent = (share: number, digits = 1) => `${(share * 100).toFixed(digits)} %`;
  const seconds = (ms: number) => `${(ms / 1_000).toFixed(1)} s`;
  switch (figure) {
    case 'calls':
    case 'agents':
      return `${now ?? 0} ${figure} ${limitText(String(limit))}`;
    case 'refused':
      return `refused or delayed ${percent(now ?? 0)}, ${isMet ? '' : 'not '}above the ${percent(limit)} at which moving is proposed`;
    case 'p95':
      return now === null ? 'p95 not known yet' : `p95 ${seconds(now)} ${limitText(seconds(limit))}`;
    case 'availability':
      if (now === null) return 'availability not known yet';
      return `${percent(now, 2)} answered well ${limitText(percent(limit, 2))}`;
    case 'ratio':
      if (now === null) return 'ratio of p99 to p50 not known yet';
      return `p99 ${now.toFixed(1)} times p50 ${limitText(limit.toFixed(1))}`;
    case 'cheaperBy':
      if (now === null) return 'costs not known';
      if (now <= -1) return `dedicated ${(1 - now).toFixed(now > -9 ? 1 : 0)} times as expensive`;
      if (now < 0) return `dedicated ${percent(-now, 0)} more expensive`;
      return `dedicated ${percent(now, 0)} cheaper ${limitText(percent(limit, 0))}`;
  }
}

/** The longest span in which only one criterion was missing, and how near its figure came to the limit. */
export interface NearMiss {
  readonly figure: Measure['figure'];
  /** The figure that was nearest to its limit in that span. */
  readonly peak: number;
  readonly limit: number;
  /** For how long the criteria would have held with it, clock ms. */
  readonly heldMs: number;
}

/** The figures that the criteria judge: those of one route in one sliding window. */
export interface DemandFigures {
  /** Calls that arrived and were assigned to serverless, sent or not; a repeat of a refused call counts once. */
  readonly calls: number;
  readonly agents: number;
  /** How many of the agents sent no id, so that a name was derived. */
  readonly derivedAgents: number;
  /**
   * Calls whose first attempt serverless refused with 429, and calls that upshift refused or delayed to keep a limit.
   */
  readonly refused: number;
  /** `refused / calls`; 0 without calls. */
  readonly refusedShare: number;
  /**
   * Three figures of the window, which may overlap; absent if all are 0. `clients`: calls that ended with a 429 for the client.
   * `here`: those of them that upshift refused without asking serverless. `delayed`: calls that upshift held to keep a limit.
   */
  readonly kinds?: { readonly clients: number; readonly here: number; readonly delayed: number };
  /** How serverless answered; absent if no criterion needs it. */
  readonly served?: ServedFigures;
  /** The longest time for which one criterion alone was missing; absent if that never was so. */
  readonly near?: NearMiss;
  /** Null if they are not known; absent if no criterion needs them. */
  readonly costs?: DemandCosts | null;
}

/**
 * Computes what a window's traffic costs; null if prices are not known. It must be quick, because it is called every
 * second.
 */
export type CostsOf = (figures: DemandFigures) => DemandCosts | null;

/** Which criteria are met, and whether that is enough. */
export interface CriteriaResult {
  readonly holds: boolean;
  /** Criteria without a limit in the policy are absent. */
  readonly met: Readonly<Record<'calls' | 'agents' | 'refused', boolean>> &
    Partial<Readonly<Record<CriterionName, boolean>>>;
}

/** Compares the figures of a window with the policy. A figure that equals its limit is not met. */
export function judgeCriteria(figures: DemandFigures, policy: CriteriaPolicy): CriteriaResult {
  const met: Partial<Record<CriterionName, boolean>> = {};
  for (const { criterion, isMet } of measure(figures, policy)) met[criterion] = met[criterion] === true || isMet;
  const result = met as CriteriaResult['met'];
  return { holds: isEnough(result, policy.require), met: result };
}

/** Whether the criteria would hold if a further one were met. */
export function wouldHold(
  met: CriteriaResult['met'],
  criterion: CriterionName,
  require: CriteriaPolicy['require'],
): boolean {
  return isEnough({ ...met, [criterion]: true }, require);
}

function isEnough(met: CriteriaResult['met'], require: CriteriaPolicy['require']): boolean {
  if (isSets(require)) return require.some((set) => set.every((name) => met[name] === true));
  const all = Object.values(met);
  const count = all.filter(Boolean).length;
  return count >= (require === 'all' ? all.length : require === 'any' ? 1 : require.atLeast);
}

/** Whether a policy's criteria need to know how serverless answers. A window keeps this only then. */
export function needsServed({ slo, predictability }: CriteriaPolicy): boolean {
  return slo !== undefined || predictability !== undefined;
}

/** The figures, with the costs of the traffic if a criterion needs them. */
export function withCosts(figures: DemandFigures, policy: CriteriaPolicy, costsOf: CostsOf): DemandFigures {
  return policy.cost === undefined ? figures : { ...figures, costs: costsOf(figures) };
}

/** The figures that the criteria judged, as one sentence for a decision. */
export function demandText(figures: DemandFigures, policy: CriteriaPolicy): string {
  const { calls, agents, refusedShare } = figures;
  const share = `${(refusedShare * 100).toFixed(1)} % refused or delayed`;
  const first = `${calls} calls, ${agents} agents, ${share} in ${spanText(policy.window)}`;
  return [first, ...measure(figures, policy).slice(3).map(measureText)].join('; ');
}

/**
 * Whether the criteria probably do not hold only because agents have no names: calls and refusals are met, agents are
 * not, and most agents are distinguished only by token and user agent.
 */
export function isHiddenByDerivedAgents(figures: DemandFigures, policy: CriteriaPolicy): boolean {
  const { holds, met } = judgeCriteria(figures, policy);
  const isKept = !holds && met.calls && met.refused && !met.agents && figures.derivedAgents * 2 > figures.agents;
  return isKept && judgeCriteria({ ...figures, agents: Number.POSITIVE_INFINITY }, policy).holds;
}
