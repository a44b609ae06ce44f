import type { Contestant, Ending } from './contest.ts';
import { MOST_MINUTES } from './contest.ts';
import { classify } from './kayenta.ts';
import type { KayentaParameters } from './kayenta.ts';
import { Minutes, answersBefore, mean, quantile, quantileOf } from './minutes.ts';
import type { MinuteFigures, MinuteOfBoth } from './minutes.ts';

/**
 * Other tools' rules, written anew from their documentation, with the parameters that it shows. No operator has tuned
 * them to this traffic. All look once a minute at the status and the latency of what finished in that minute.
 */
export const RIVALS: readonly Contestant[] = [
  argo(0),
  argo(3),
  flagger(10),
  flagger(5),
  kayenta(15),
  sageMaker(),
  plainThresholds(),
];

const WEIGHTS = [0.1, 0.25, 0.5, 0.75, 1] as const;

function ended(end: Ending['end'], { minute, exposed, weight }: Minutes): Ending {
  return { end, minutes: minute, exposed, weight, forecast: null };
}

/**
 * Argo Rollouts: at each weight an analysis of 5 measurements, a minute apart; success rate >= 95 % and p95 <= 1.2 times
 * the p95 before the rollout. A metric fails once *more* than `failureLimit` measurements failed, in a row or not; no
 * data is an error, and more than 4 of those in a row (`consecutiveErrorLimit`) end it too.
 */
function argo(failureLimit: number): Contestant {
  return {
    name: `Argo, limit ${failureLimit}`,
    run(trace) {
      const limitMs = 1.2 * quantileOf(answersBefore(trace), 0.95);
      const minutes = new Minutes(trace);
      for (const weight of WEIGHTS) {
        let [slow, faulty, errors] = [0, 0, 0];
        for (let i = 0; i < 5; i++) {
          const { canary } = minutes.advance(weight);
          errors = canary.calls === 0 ? errors + 1 : 0;
          if (canary.calls > 0 && 1 - canary.faults / canary.calls < 0.95) faulty++;
          if (quantile(canary.latenciesMs, 0.95) > limitMs) slow++;
          if (Math.max(slow, faulty) > failureLimit || errors > 4) return ended('rolledBack', minutes);
        }
      }
      return ended('promoted', minutes);
    },
  };
}

/**
 * Flagger: every minute the last minute's success rate >= 99 % and p99 <= 1.2 times the p99 before the rollout. A good
 * check moves the weight on, a bad one (no traffic is bad) counts; once `threshold` are counted the next check goes back.
 */
function flagger(threshold: number): Contestant {
  return {
    name: `Flagger, ${threshold}`,
    run(trace) {
      const limitMs = 1.2 * quantileOf(answersBefore(trace), 0.99);
      const minutes = new Minutes(trace);
      let failed = 0;
      for (let step = 0; minutes.minute < MOST_MINUTES;) {
        const { canary } = minutes.advance(WEIGHTS[step] as number);
        if (failed >= threshold) return ended('rolledBack', minutes);
        const isGood =
          canary.calls > 0 &&
          1 - canary.faults / canary.calls >= 0.99 &&
          !(quantile(canary.latenciesMs, 0.99) > limitMs);
        if (!isGood) failed++;
        else if (++step === WEIGHTS.length) return ended('promoted', minutes);
      }
      return ended('held', minutes);
    },
  };
}

const KAYENTA: KayentaParameters = {
  confidence: 0.98,
  tolerance: 0.25,
  direction: 'increase',
  nan: 'remove',
  measure: 'meanRatio',
  allowedDecrease: 1,
  allowedIncrease: 1.1,
  isCritical: false,
  criticalDecrease: 1,
  criticalIncrease: 1,
};

/**
 * Kayenta: at each weight below 100 % (there is no control at 100 %) an analysis over `points` one-minute points of p50,
 * p95 (ms) and faults (percent), each a group of its own; a mean score below 95 ends it, and so do half or more without data.
 */
function kayenta(points: number): Contestant {
  const metrics: readonly ((figures: MinuteFigures) => number)[] = [
    ({ latenciesMs }) => quantile(latenciesMs, 0.5),
    ({ latenciesMs }) => quantile(latenciesMs, 0.95),
    ({ calls, faults }) => (100 * faults) / calls,
  ];
  return {
    name: `Kayenta, ${points} points`,
    run(trace) {
      const minutes = new Minutes(trace);
      for (const weight of WEIGHTS.slice(0, -1)) {
        const seen: MinuteOfBoth[] = [];
        while (seen.length < points) seen.push(minutes.advance(weight));
        const labels = metrics.map((metric) => {
          const experiment = seen.map(({ canary }) => metric(canary));
          return classify(
            experiment,
            seen.map(({ stable }) => metric(stable)),
            KAYENTA,
          ).label;
        });
        const absent = labels.filter((label) => label === 'Nodata').length;
        const score = (100 * labels.filter((label) => label === 'Pass' || label === 'Nodata').length) / labels.length;
        if (score < 95 || absent * 2 >= labels.length) return ended('rolledBack', minutes);
      }
      return ended('promoted', minutes);
    },
  };
}

/**
 * SageMaker's deployment guardrails: 10 % for a baking period of 20 minutes, then all for another. Alarms on the new
 * fleet's mean latency (1.2 times that before) and faults (5 %), over periods of 5 minutes, 2 of 2 breaching; missing data
 * is not breaching.
 */
function sageMaker(): Contestant {
  return {
    name: 'SageMaker alarms',
    run(trace) {
      const limitMs = 1.2 * mean(answersBefore(trace));
      const minutes = new Minutes(trace);
      for (const weight of [0.1, 1]) {
        let [slow, faulty] = [0, 0];
        for (let period = 0; period < 4; period++) {
          const seen = Array.from({ length: 5 }, () => minutes.advance(weight).canary);
          const [calls, faults] = [total(seen, 'calls'), total(seen, 'faults')];
          slow = mean(seen.flatMap(({ latenciesMs }) => latenciesMs)) > limitMs ? slow + 1 : 0;
          faulty = faults / calls > 0.05 ? faulty + 1 : 0;
          if (Math.max(slow, faulty) >= 2) return ended('rolledBack', minutes);
        }
      }
      return ended('promoted', minutes);
    },
  };
}

/**
 * Thresholds as a careful person would write them down: at each weight at least 5 minutes and 200 canary calls, then,
 * looked at each minute, all of the step so far must have at most 1 % faults and a p95 of at most 1.2 times the p95 of
 * serverless at the same time (at 100 %: before).
 */
function plainThresholds(): Contestant {
  return {
    name: 'plain thresholds',
    run(trace) {
      const beforeMs = quantileOf(answersBefore(trace), 0.95);
      const minutes = new Minutes(trace);
      for (const weight of WEIGHTS) {
        const seen: MinuteOfBoth[] = [];
        for (;;) {
          if (minutes.minute >= MOST_MINUTES) return ended('held', minutes);
          seen.push(minutes.advance(weight));
          const canary = seen.map((minute) => minute.canary);
          const calls = total(canary, 'calls');
          if (calls < 200) continue;
          const stableMs = weight < 1 ? p95(seen.map(({ stable }) => stable)) : beforeMs;
          const isBad = total(canary, 'faults') / calls > 0.01 || p95(canary) > 1.2 * stableMs;
          if (isBad) return ended('rolledBack', minutes);
          if (seen.length >= 5) break;
        }
      }
      return ended('promoted', minutes);
    },
  };
}

function total(seen: readonly MinuteFigures[], figure: 'calls' | 'faults'): number {
  return seen.reduce((sum, minute) => sum + minute[figure], 0);
}

function p95(seen: readonly MinuteFigures[]): number {
  return quantile(
    seen.flatMap(({ latenciesMs }) => latenciesMs),
    0.95,
  );
}
