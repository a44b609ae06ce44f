import { spanText } from '../../core/text.ts';
import { DAY_MS, HOUR_MS } from '../../core/time.ts';
import type { Spread } from '../../core/usage/smoothing.ts';
import type { Usage } from '../../core/usage/usage.ts';
import { numberText, percentText } from '../terminal/format.ts';
import { wrap } from '../terminal/print.ts';
import type { Paint } from '../terminal/print.ts';

const SOURCES = {
  learned: 'learned',
  taken: 'taken while calls were waiting',
  policy: 'criteria.calls of the policy',
} as const;

/** The limit, and what smoothing the peaks would save. */
export function smoothingTexts(usage: Usage): { readonly label: string; readonly text: string }[] {
  const { smoothing, windowMs, refused, peak } = usage;
  const { limit, aboveShare } = smoothing;
  const above = peak > limit.calls ? `above it ${percentText(aboveShare)} of the time` : 'never above it';
  const limited = `${numberText(limit.calls)} in ${spanText(windowMs)} (${SOURCES[limit.source]}): ${above}; ${numberText(refused)} calls refused or delayed`;
  return [
    { label: 'limit', text: limited },
    { label: 'spread', text: spreadText(usage) },
    { label: 'criteria', text: criteriaText(usage) },
  ];
}

function spreadText({ smoothing: { peakToMean, spreads, withinLimit, limit }, peak }: Usage): string {
  const over = (ms: number, name: string) => {
    const found = spreads.find(({ overMs }) => overMs === ms);
    return found === undefined ? [] : [`${numberText(found.fullest)} if spread over ${name}`];
  };
  const parts = [
    `the peak is ${peakToMean.toFixed(1)} times the average`,
    ...over(HOUR_MS, 'an hour'),
    ...over(DAY_MS, 'a day'),
  ];
  if (peak <= limit.calls) return parts.join('; ');
  return `${parts.join('; ')}; ${withinText(withinLimit, 'within the limit')}`;
}

function withinText(spread: Spread | null, what: string): string {
  return spread === null ? `no spreading is ${what}` : `${what} once spread over ${spanText(spread.overMs)}`;
}

function criteriaText({ smoothing: { belowCriteria }, windowMs, peak, criteria }: Usage): string {
  const limit = `more than ${numberText(criteria.calls)} calls in ${spanText(windowMs)}`;
  if (peak <= criteria.calls) return `${limit}: never met in this span`;
  if (belowCriteria === null) return `${limit}: met at the peaks, and still met if they are spread out`;
  const { overMs, fullest } = belowCriteria;
  const rate = `${numberText(fullest)} at most, ${(fullest / (windowMs / 1_000)).toFixed(1)} a second`;
  return `${limit}: met at the peaks, but not if their calls are spread over ${spanText(overMs)} (${rate})`;
}

/** What to do next: a sentence and commands to type. */
export function usageNext(
  usage: Usage,
  suffix: string,
  { width, paint }: { readonly width: number; readonly paint: Paint },
): string[] {
  const { text, commands } = nextOf(usage);
  return [
    ...wrap(text, width - 1).map((line) => ` ${line}`),
    ...commands.map((command) => `   ${paint.bold(`npx upshift ${command}${suffix}`)}`),
  ];
}

function nextOf({ model, peak, peaks, smoothing, busiest, criteria }: Usage): { text: string; commands: string[] } {
  const { limit, withinLimit } = smoothing;
  const past = ['advise', 'plan'].map((name) => `${name} --model ${model}`);
  const refused = Math.max(...peaks.map(({ refusedShare }) => refusedShare));
  if (peak <= limit.calls && peak <= criteria.calls && refused > criteria.refused) {
    return {
      text: `Up to ${percentText(refused)} of the calls are refused or delayed in the peaks, although they are within the assumed limit. To see what helps:`,
      commands: [`advise --model ${model}`],
    };
  }
  if (peak <= limit.calls && peak <= criteria.calls) {
    return {
      text: 'No action is needed: serverless takes these peaks. To watch refusals as they happen:',
      commands: ['status --watch'],
    };
  }
  if (withinLimit !== null && withinLimit.overMs <= HOUR_MS) {
    const [first] = busiest;
    const whose =
      first === undefined ? '' : `, first of all ${first.agent} (${percentText(first.peakShare, 0)} of the peaks)`;
    return {
      text: `Spreading the peaks over ${spanText(withinLimit.overMs)} would be enough${whose}. To see what else helps, and what a migration needs:`,
      commands: past,
    };
  }
  return {
    text: 'Calls exceed the limit for so long that spreading them over an hour is not enough. To see what helps without a GPU, and what a migration needs:',
    commands: past,
  };
}
