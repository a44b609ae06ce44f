import type { ProviderCounts } from '../care/providers.ts';
import type { Advice, AdviceVerdict, Remedy, TriedProvider } from './advice.ts';

/** A provider with fewer attempts than this is not judged. */
const ENOUGH_TRIES = 100;
/** Fewer agents are a remedy up to this share of those at the peak; if they are the busiest, up to the second share. */
const FEW_AGENTS = 0.25;
const FEW_BUSIEST = 0.05;

type Seen = Omit<Advice, 'verdict'>;

/** `refused`: the policy's criterion, a share; `listed`: the policy's `care.providers`. */
export function adviceVerdict(
  seen: Seen,
  { refused, listed }: { readonly refused: number; readonly listed: readonly string[] },
): AdviceVerdict {
  const { calls, limit, windows, refusedShare } = seen;
  if (calls === 0) return { kind: 'unknown', remedies: [], reasons: ['0 calls in this span: nothing can be said'] };
  const limitText = limit.source === 'policy' ? `the policy's ${limit.calls}` : `a limit of ${limit.calls}`;
  const peak = `${windows.peak} calls at the peak against ${limitText}`;
  const better = providerReason(seen, refused, listed);
  const isWithin = windows.peak <= limit.calls;
  if (isWithin && (refusedShare <= refused || better === null)) {
    if (limit.source === 'policy' && refusedShare > refused) {
      const reason = `${percent(refusedShare)} refused, ${peak}: the limit is not known yet, ask again after more calls`;
      return { kind: 'unknown', remedies: [], reasons: [reason] };
    }
    const rest = refusedShare > refused ? `; the number of calls is not why ${percent(refusedShare)} were refused` : '';
    return fine(`${peak}: no GPU needed, demand is within the limit${rest}`);
  }
  if (limit.source === 'policy' && refusedShare <= refused) {
    return fine(`${percent(refusedShare)} refused (${peak}): no GPU needed, serverless takes these calls`);
  }
  const found: readonly (readonly [Remedy, string | null])[] = [
    ['provider', better],
    ['ramp', isWithin ? null : rampReason(seen)],
    ['queue', isWithin ? null : queueReason(seen, refused)],
    ['agents', isWithin ? null : agentsReason(seen)],
  ];
  const would = found.flatMap(([remedy, reason]) => (reason === null ? [] : [{ remedy, reason }]));
  if (would.length === 0) return { kind: 'migrate', remedies: [], reasons: migrateReasons(seen, peak) };
  const names = would.map(({ remedy }) => NAMES[remedy]);
  return {
    kind: 'remedy',
    remedies: would.map(({ remedy }) => remedy),
    reasons: [`${peak}: no GPU needed, ${names.join(' or ')} would be enough`, ...would.map(({ reason }) => reason)],
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

/** A sentence if one provider refuses few calls while another refuses too many or has reached its limit; else null. */
function providerReason({ model, providers }: Seen, refused: number, listed: readonly string[]): string | null {
  const known = providers.filter(({ tried }) => tried >= ENOUGH_TRIES).sort((a, b) => shareOf(a) - shareOf(b));
  const isShort = (one: TriedProvider) => one.isLimited || shareOf(one) > refused;
  const isSound = ({ faults, tried }: TriedProvider) => faults / tried <= refused;
  const good = known.find((one) => one.provider !== '' && !isShort(one) && isSound(one));
  const worst = known.findLast(isShort);
  if (good === undefined || worst === undefined) return null;
  const by = worst.provider === '' ? 'unnamed providers' : worst.provider;
  const shares = `${percent(shareOf(good))} of ${good.tried} attempts refused by ${good.provider}, ${percent(shareOf(worst))} of ${worst.tried} by ${by}`;
  return listed.includes(good.provider)
    ? `${shares}: care.providers already lists it`
    : `${shares}: call ${model}:${good.provider}, or set care.providers: [${good.provider}]`;
}

function rampReason({ ramp, limit }: Seen): string | null {
  if (ramp === null || ramp.minutes === null || ramp.peak > limit.calls) return null;
  return `${ramp.minutes} min of ramp would lower the peak to ${ramp.peak} calls: ${ramp.started} of ${ramp.atPeak} agents start in it`;
}

function queueReason({ queue }: Seen, refused: number): string | null {
  if (queue.delayedShare + queue.refusedShare > refused) return null;
  return `${percent(queue.delayedShare)} of the calls would wait 1 s or longer in the queue, ${percent(queue.refusedShare)} would be refused: together at most the policy's ${percent(refused)}`;
}

function agentsReason({ fewer }: Seen): string | null {
  if (fewer === null) return null;
  const { atPeak, busiest, cap } = fewer;
  const capped = cap === null ? '' : `, or at most ${cap} calls each in 5 min,`;
  if (busiest <= Math.max(1, FEW_BUSIEST * atPeak)) {
    return `${busiest} of ${atPeak} agents fewer (the busiest)${capped} would keep demand within the limit`;
  }
  if (fewer.fewer > FEW_AGENTS * atPeak) return null;
  return `${fewer.fewer} of ${atPeak} agents fewer${capped} would keep demand within the limit`;
}

function migrateReasons({ windows, queue, fewer, ramp, providers, others }: Seen, peak: string): string[] {
  const less = fewer === null ? '' : `, and ${fewer.fewer} of ${fewer.atPeak} agents would have to stop`;
  const ramps =
    ramp?.minutes == null ? '' : `; a ramp of ${ramp.minutes} min would leave ${ramp.peak} calls at the peak`;
  const tried = providers.length > 1 ? '; no provider that was tried takes enough' : '';
  const first = `${peak}: migrate; ${percent(windows.aboveShare)} of the windows are above it, ${percent(queue.delayedShare + queue.refusedShare)} of the calls would wait 1 s or longer in the queue or be refused${less}${ramps}${tried}`;
  if (others === null || others.length === 0) return [first];
  return [
    first,
    `${others.length} provider${others.length === 1 ? '' : 's'} not tried yet: first call ${others[0]?.model}, or set care.providers`,
  ];
}

function shareOf({ refused, tried }: ProviderCounts): number {
  return tried === 0 ? 0 : refused / tried;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
