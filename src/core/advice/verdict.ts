import type { ProviderCounts } from '../care/providers.ts';
import type { Advice, AdviceVerdict, Remedy, TriedProvider } from './advice.ts';

/** A provider that took fewer attempts says nothing yet. */
const ENOUGH_TRIES = 100;
/** Swarms lose a few agents without noticing: up to this share of those at the peak, or of the busiest. */
const FEW_AGENTS = 0.25;
const FEW_BUSIEST = 0.05;

type Seen = Omit<Advice, 'verdict'>;

/** `refused`: the share that the policy calls too much; `listed`: the providers that it lets take what others refuse. */
export function adviceVerdict(
  seen: Seen,
  { refused, listed }: { readonly refused: number; readonly listed: readonly string[] },
): AdviceVerdict {
  const { calls, limit, windows, refusedShare } = seen;
  if (calls === 0) return { kind: 'unknown', remedies: [], reasons: ['0 calls in this span: nothing can be said'] };
  const told = `${windows.peak} calls at the peak against ${limit.calls}`;
  const better = providerReason(seen, refused, listed);
  const isWithin = windows.peak <= limit.calls;
  if (isWithin && (refusedShare <= refused || better === null)) {
    if (limit.source === 'policy' && refusedShare > refused) {
      const reason = `${percent(refusedShare)} refused at ${told} of the policy: the limit is not known yet, let it run on`;
      return { kind: 'unknown', remedies: [], reasons: [reason] };
    }
    const rest = refusedShare > refused ? `; the ${percent(refusedShare)} refused are not for their number` : '';
    return fine(`${told}: no GPU needed, demand is within the limit${rest}`);
  }
  if (limit.source === 'policy' && refusedShare <= refused) {
    return fine(`${percent(refusedShare)} refused (${told} of the policy): no GPU needed, serverless takes it`);
  }
  const found: readonly (readonly [Remedy, string | null])[] = [
    ['provider', better],
    ['ramp', isWithin ? null : rampReason(seen)],
    ['queue', isWithin ? null : queueReason(seen, refused)],
    ['agents', isWithin ? null : agentsReason(seen)],
  ];
  const would = found.flatMap(([remedy, reason]) => (reason === null ? [] : [{ remedy, reason }]));
  if (would.length === 0) return { kind: 'migrate', remedies: [], reasons: migrateReasons(seen, told) };
  const names = would.map(({ remedy }) => NAMES[remedy]);
  return {
    kind: 'remedy',
    remedies: would.map(({ remedy }) => remedy),
    reasons: [`${told}: no GPU needed, ${names.join(' or ')} would do`, ...would.map(({ reason }) => reason)],
  };
}

const NAMES: Readonly<Record<Remedy, string>> = {
  provider: 'another provider',
  ramp: 'a slower ramp',
  queue: 'the queue',
  agents: 'fewer agents',
};

function fine(reason: string): AdviceVerdict {
  return { kind: 'fine', remedies: [], reasons: [reason] };
}

/** Whether one provider takes what another refuses, or has room where another's limit was reached. */
function providerReason({ model, providers }: Seen, refused: number, listed: readonly string[]): string | null {
  const known = providers.filter(({ tried }) => tried >= ENOUGH_TRIES).sort((a, b) => shareOf(a) - shareOf(b));
  const isShort = (one: TriedProvider) => one.isLimited || shareOf(one) > refused;
  const isSound = ({ faults, tried }: TriedProvider) => faults / tried <= refused;
  const good = known.find((one) => one.provider !== '' && !isShort(one) && isSound(one));
  const worst = known.findLast(isShort);
  if (good === undefined || worst === undefined) return null;
  const by = worst.provider === '' ? 'those not told' : worst.provider;
  const told = `${percent(shareOf(good))} of ${good.tried} tries refused by ${good.provider}, ${percent(shareOf(worst))} of ${worst.tried} by ${by}`;
  return listed.includes(good.provider)
    ? `${told}: care.providers has it already`
    : `${told}: call ${model}:${good.provider}, or set care.providers: [${good.provider}]`;
}

function rampReason({ ramp, limit }: Seen): string | null {
  if (ramp === null || ramp.minutes === null || ramp.peak > limit.calls) return null;
  return `${ramp.minutes} min of ramp: ${ramp.started} of ${ramp.atPeak} agents start in the peak, which would be ${ramp.peak} calls`;
}

function queueReason({ queue }: Seen, refused: number): string | null {
  if (queue.delayedShare + queue.refusedShare > refused) return null;
  return `${percent(queue.delayedShare)} of the calls would wait 1 s or longer in the queue, ${percent(queue.refusedShare)} in vain: below the policy's ${percent(refused)}`;
}

function agentsReason({ fewer }: Seen): string | null {
  if (fewer === null) return null;
  const { atPeak, busiest, cap } = fewer;
  const capped = cap === null ? '' : `, or at most ${cap} calls each in 5 min`;
  if (busiest <= Math.max(1, FEW_BUSIEST * atPeak)) {
    return `${busiest} of ${atPeak} agents fewer, the busiest${capped}: it keeps within the limit then`;
  }
  if (fewer.fewer > FEW_AGENTS * atPeak) return null;
  return `${fewer.fewer} of ${atPeak} agents fewer${capped}: it keeps within the limit then`;
}

function migrateReasons({ windows, queue, fewer, ramp, providers, others }: Seen, told: string): string[] {
  const less = fewer === null ? '' : `, and ${fewer.fewer} of ${fewer.atPeak} agents would have to go`;
  const ramps = ramp?.minutes == null ? '' : `; a ramp of ${ramp.minutes} min leaves ${ramp.peak}`;
  const tried = providers.length > 1 ? '; no provider that was tried takes it' : '';
  const first = `${told}: past it, migrate; ${percent(windows.aboveShare)} of the windows are above, ${percent(queue.delayedShare + queue.refusedShare)} of the calls would wait 1 s or longer or in vain${less}${ramps}${tried}`;
  if (others === null || others.length === 0) return [first];
  return [first, `${others.length} not tried yet: first call ${others[0]?.model}, or set care.providers`];
}

function shareOf({ refused, tried }: ProviderCounts): number {
  return tried === 0 ? 0 : refused / tried;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
