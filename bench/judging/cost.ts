import { parseArgs } from 'node:util';
import { GATEWAY_ID } from '../../src/core/call.ts';
import type { CallKey } from '../../src/core/call.ts';
import type { Known } from '../../src/core/judge/call-order.ts';
import { POLICY_DEFAULTS } from '../../src/core/policy/defaults.ts';
import { learnProfile } from '../../src/core/judge/profile.ts';
import { Judging } from '../../src/daemon/route/judging.ts';
import { mean, quantile } from './minutes.ts';
import { Chance } from './chance.ts';
import { Draws } from './draws.ts';
import { FormDraws, madeForm } from './made-form.ts';
import { MadeTrace } from './made-trace.ts';
import { BEGIN_US } from './trace.ts';
import { NORMAL, TRUTHS } from './truths.ts';
import { WORLDS } from './worlds.ts';

const HELP = `Usage: npm run bench:judge -- [options]

What judging costs the daemon: calls at a fixed rate go to the judge of a step as they do in the daemon, with a verdict
each second. Prints processor time of a tick, and of a call's note on its way, and memory at the start and at the end.

  --rate N      calls a second (default 1000)
  --minutes N   simulated minutes (default 30)
  --json        print one line of JSON
`;

const { values: options } = parseArgs({
  options: {
    rate: { type: 'string', default: '1000' },
    minutes: { type: 'string', default: '30' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

if (options.help) process.stdout.write(HELP);
else main(Number(options.rate), Number(options.minutes));

function main(rate: number, minutes: number): void {
  if (!(rate >= 1 && minutes >= 2)) throw new Error('expected --rate of at least 1 and --minutes of at least 2');
  const [world] = WORLDS;
  const [truth] = TRUTHS;
  if (world === undefined || truth === undefined) return;
  const profile = learnProfile(new MadeTrace(new Draws(world, 1), truth).history(), 'serverless');
  const judging = new Judging({ toward: 'dedicated', profile }, POLICY_DEFAULTS);
  const chance = new Chance(1);
  const forms = new FormDraws(1);
  /** Calls under way, by the second in which they end. */
  const ending = new Map<number, { key: CallKey; known: Known }[]>();
  const ticksMs: number[] = [];
  let [notesMs, calls, heapBefore] = [0, 0, 0];
  for (let second = 0; second < 60 * minutes; second++) {
    const arrivals = Array.from({ length: rate }, (_, i) => {
      const arrivedAtUs = BEGIN_US + Math.round((second + i / rate) * 1e6);
      const role = chance.uniform() < 0.25 ? ('canary' as const) : ('stable' as const);
      const seconds = 3 * Math.exp(0.7 * chance.normal());
      const durationUs = Math.round(1e6 * seconds);
      const isFault = chance.uniform() < 0.005;
      const known: Known = {
        outcome: isFault ? 'server_error' : 'ok',
        durationUs,
        knownAfterUs: durationUs,
        firstTokenUs: isFault ? null : Math.round(0.2 * durationUs),
        promptTokens: 1_500,
        outputTokens: isFault ? null : 150,
        isEmpty: null,
        form: isFault ? null : madeForm(forms, { call: second * rate + i, role, isCut: false }, NORMAL),
      };
      const at = second + Math.ceil(seconds);
      const due = ending.get(at) ?? [];
      ending.set(at, due);
      const key = { gatewayId: GATEWAY_ID, arrivedAtUs };
      due.push({ key, known });
      return { ...key, assignedAtUs: arrivedAtUs, role, step: 2, weight: 0.25 };
    });
    let from = process.cpuUsage();
    for (const assigned of arrivals) {
      judging.assigned(assigned);
      judging.sent(assigned, 0);
    }
    for (const { key, known } of ending.get(second) ?? []) judging.known(key, known);
    notesMs += sinceMs(from);
    ending.delete(second);
    from = process.cpuUsage();
    judging.advance(BEGIN_US + (second + 1) * 1e6);
    judging.verdict(2);
    // The first minute is spent on becoming fast.
    if (second >= 60) ticksMs.push(sinceMs(from));
    if (second === 60) heapBefore = heapMb();
    calls += rate;
  }
  const rounded = (value: number, to = 100) => Math.round(value * to) / to;
  const facts = {
    callsPerSecond: rate,
    minutes,
    tickMs: {
      mean: rounded(mean(ticksMs)),
      median: rounded(quantile(ticksMs, 0.5)),
      p99: rounded(quantile(ticksMs, 0.99)),
    },
    noteUs: rounded((1_000 * notesMs) / calls),
    heapMb: { afterOneMinute: rounded(heapBefore, 10), atTheEnd: rounded(heapMb(), 10) },
  };
  if (options.json) process.stdout.write(`${JSON.stringify(facts)}\n`);
  else {
    process.stdout.write(
      `${rate} calls a second for ${minutes} simulated minutes, a verdict each second\n` +
        `  tick   mean ${facts.tickMs.mean} ms, median ${facts.tickMs.median} ms, 99th percentile ${facts.tickMs.p99} ms of processor time\n` +
        `  note   ${facts.noteUs} µs on a call's way\n` +
        `  heap   ${facts.heapMb.afterOneMinute} MB after a minute, ${facts.heapMb.atTheEnd} MB at the end\n`,
    );
  }
}

function sinceMs(from: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(from);
  return (user + system) / 1_000;
}

function heapMb(): number {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed / 1e6;
}
