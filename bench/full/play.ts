import { setTimeout as pause } from 'node:timers/promises';
import type { Clock } from '../../src/core/clock.ts';
import type { CostReport } from '../../src/core/money/cost.ts';
import type { Phase } from '../../src/core/rollout/rollout.ts';
import { createClock } from '../../src/files/clock.ts';
import { readStatus } from '../../src/ledger/journal/status.ts';
import { openForReading } from '../../src/ledger/open.ts';
import { startLoad } from '../../src/loadtest/load.ts';
import type { Load, LoadReport } from '../../src/loadtest/load.ts';
import { seededDice } from '../../src/simulation/dice.ts';
import { DEFAULT_LIMITS } from '../../src/simulation/limits.ts';
import type { WhenFull } from '../../src/simulation/limits.ts';
import { startSimulation } from '../../src/simulation/server.ts';
import type { Simulation } from '../../src/simulation/server.ts';
import { MODEL, startDaemon, TOKEN } from './daemon.ts';

/** What is played against each kind of engine. */
export interface Plan {
  readonly scale: number;
  /** Calls that the endpoint takes at once. */
  readonly places: number;
  /** Calls that serverless takes in five minutes. */
  readonly limit: number;
  /** How many times as many calls at once the endpoint's agents make. */
  readonly times: readonly number[];
  /** Clock ms for each of them. */
  readonly cellMs: number;
}

/** What happened at one load in one phase. */
export interface Cell {
  readonly engine: WhenFull;
  readonly phase: string;
  readonly times: number;
  readonly calls: number;
  /** Calls that got no answer, by whatever cause. */
  readonly lost: number;
  /** Mean share of the endpoint's places that worked on a call, 0..1. */
  readonly busy: number;
  /** Calls that the endpoint refused. */
  readonly refusals: number;
  /** Share of the answered calls that the endpoint answered. */
  readonly onEndpoint: number;
}

/** What became of one kind of engine. */
export interface Played {
  readonly cells: readonly Cell[];
  readonly retreats: number;
  readonly bookedMicros: number;
  readonly meterMicros: number;
  /** What the endpoint costs in two minutes: it still runs, and is read by the meter a little later than by the books. */
  readonly runningMicros: number;
  readonly overflowCalls: number;
  readonly isAudited: boolean;
}

/** The phases that are loaded, and the endpoint's weight in them. */
const PHASES: readonly { readonly phase: Phase; readonly name: string; readonly weight: number }[] = [
  { phase: 'stepping', name: 'step at 50 %', weight: 0.5 },
  { phase: 'holding', name: 'last step', weight: 0.9 },
  { phase: 'promoted', name: 'promoted', weight: 1 },
];
/** The load of a swarm that the endpoint carries easily, so that the rollout goes on. */
const CALM = 0.3;
const ANSWER_TOKENS = 100;
/** A first token that takes long: else a busy machine, whose delays the clock multiplies, would look like a full engine. */
const SPEED = { ...DEFAULT_LIMITS.routerSpeed, baseMs: 10_000 };
const LOOK_MS = 25;
/** Long enough on a busy machine: a load needs some time to reach the endpoint. */
const SETTLE_SHARE = 0.25;

/** Plays a rollout to an endpoint that fills up in each of its phases. */
export async function playEngine(engine: WhenFull, plan: Plan, folder: string): Promise<Played> {
  const start = Date.now();
  const clock = createClock({ scale: plan.scale, start });
  await using simulation = await startSimulation({
    clock,
    limits: {
      whenFull: engine,
      routerSpeed: SPEED,
      replicaCalls: plan.places,
      routerCalls: plan.limit,
      pendingMs: 5_000,
      initializingMs: 5_000,
      healthLagMs: 2_000,
    },
  });
  await using daemon = await startDaemon(simulation, folder, clock, start);
  const db = () => openForReading(daemon.dbPath);
  const route = () => {
    const open = db();
    try {
      return readStatus(open)?.report?.routes[0] ?? null;
    } finally {
      open.close();
    }
  };
  const cells: Cell[] = [];
  for (const { phase, name, weight } of PHASES) {
    const calm = loadOn(daemon.gateway, clock, Math.ceil((plan.places * CALM) / weight));
    await daemon.approveUntil(() => route()?.phase === phase && (route()?.rollout?.step ?? 0) > 0);
    await calm.stop();
    for (const times of plan.times) {
      const load = loadOn(daemon.gateway, clock, Math.round((plan.places * times) / weight));
      const seen = await watch(simulation, clock, plan);
      const { total } = await load.stop();
      const lost = total.calls - total.ends.ok - total.ends.cut;
      cells.push({ engine, phase: name, times, calls: total.calls, lost, ...seen });
    }
  }
  const audit = await daemon.ask('audit', '--verify', '--json');
  await daemon.stop();
  const cost = JSON.parse(await daemon.ask('cost', '--since', '7d', '--json')) as CostReport;
  const { spentMicroDollars, endpoints } = simulation.state();
  const open = db();
  const retreats = open
    .prepare<[], number>("SELECT count(*) FROM rollouts WHERE phase IN ('aborted', 'failed')")
    .pluck();
  const played = {
    cells,
    retreats: (retreats.get() ?? 0) + Math.max(0, endpoints.length - 1),
    bookedMicros: cost.dedicated.micros,
    meterMicros: spentMicroDollars,
    runningMicros: Math.round(
      endpoints.reduce((sum, { pricePerHour }) => sum + pricePerHour, 0) * (2 / 60) * 1_000_000,
    ),
    overflowCalls: cost.overflow.calls,
    isAudited: (JSON.parse(audit) as { consistent?: boolean }).consistent === true,
  };
  open.close();
  return played;
}

/** So many calls at once until it is stopped. */
function loadOn(gateway: string, clock: Clock, concurrency: number): { stop: () => Promise<LoadReport> } {
  const stop = new AbortController();
  const load: Load = startLoad({
    url: new URL(`${gateway}/v1/chat/completions`),
    token: TOKEN,
    clock,
    dice: seededDice(concurrency),
    trace: null,
    concurrency,
    rampMs: 0,
    durationMs: 7 * 86_400_000,
    windowMs: 86_400_000,
    maxCalls: Number.POSITIVE_INFINITY,
    agents: concurrency,
    model: MODEL,
    isStreamed: true,
    tasks: ['plain'],
    maxTokens: ANSWER_TOKENS,
    retries: 0,
    timeoutMs: 60_000,
    drainMs: 60_000,
    stoppedDrainMs: 60_000,
    stop: stop.signal,
  });
  return {
    stop() {
      stop.abort();
      return load.ended;
    },
  };
}

async function watch(
  simulation: Simulation,
  clock: Clock,
  { cellMs: ms, places }: Plan,
): Promise<Pick<Cell, 'busy' | 'refusals' | 'onEndpoint'>> {
  await clock.sleep(ms * SETTLE_SHARE);
  const before = answersOf(simulation);
  const until = clock.now() + ms * (1 - SETTLE_SHARE);
  let [sum, looks] = [0, 0];
  while (clock.now() < until) {
    const endpoint = simulation.state().endpoints.at(-1);
    sum += Math.min(1, (endpoint?.inFlight ?? 0) / places);
    looks++;
    await pause(LOOK_MS);
  }
  const after = answersOf(simulation);
  const [mine, other] = [after.endpoint - before.endpoint, after.router - before.router];
  return { busy: sum / looks, refusals: after.refused - before.refused, onEndpoint: mine / Math.max(1, mine + other) };
}

function answersOf(simulation: Simulation): { endpoint: number; router: number; refused: number } {
  const { counters } = simulation.state();
  const sums = { endpoint: 0, router: 0, refused: 0 };
  for (const [name, byStatus] of Object.entries(counters)) {
    const ok = byStatus['200'] ?? 0;
    if (name === 'router') sums.router += ok;
    else if (name.startsWith('endpoint:')) {
      sums.endpoint += ok;
      sums.refused += (byStatus['429'] ?? 0) + (byStatus['503'] ?? 0);
    }
  }
  return sums;
}
