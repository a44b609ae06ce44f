import type { RolloutStatus, RouteStatus } from '../../core/status.ts';
import { numberText, timeText, weightText } from '../terminal/format.ts';
import { entry } from './page.ts';
import type { Page } from './page.ts';

/** Whether a rollout brings traffic back to serverless. */
export function isWayBack(rollout: RolloutStatus | null): boolean {
  return rollout?.toward === 'serverless';
}

/** `[ 100 ok ]-[ 75 now ]-[ 50 ]-...-[ returned ]`: what the endpoint has, going down. */
export function stopsBack({ phase }: RouteStatus, { step, steps }: RolloutStatus, { paint }: Page): string[] {
  const isMoving = phase === 'stepping' || phase === 'holding';
  const passed = (text: string) => paint.green(`[ ${text} ok ]`);
  const here = (text: string, word: string) => paint.bold(`[ ${text} ${word} ]`);
  const way = steps.map((share, i) => {
    const name = weightText(share);
    if (isMoving && i + 1 === step) return here(name, 'now');
    return i + 1 < step ? passed(name) : paint.dim(`[ ${name} ]`);
  });
  const first = phase === 'proposed' ? here('100', 'asked') : passed('100');
  const end = phase === 'draining' ? [here('0', 'pausing')] : [];
  return [first, ...way, ...end, paint.dim('[ returned ]')];
}

/** The route's whole traffic, while an endpoint serves it: what a way back is proposed by. */
export function trafficLines({ traffic }: RouteStatus, page: Page): string[] {
  if (traffic == null) return [];
  const seen = `${numberText(traffic.calls)} calls in 5 min, p95 ${numberText(traffic.p95)}`;
  const low = traffic.belowSince === null ? '; not too low' : `; too low since ${timeText(traffic.belowSince)}`;
  return entry('way back', [seen + low], page);
}
