import type { CriteriaPolicy } from '../policy/criteria.ts';
import { spanText } from '../text.ts';
import { measure } from './criteria.ts';
import type { DemandFigures, Measure, NearMiss } from './criteria.ts';

const NAMES: Readonly<Record<Measure['figure'], string>> = {
  calls: 'calls',
  agents: 'agents',
  refused: 'refused or delayed calls',
  p95: 'p95',
  availability: 'well answered calls',
  ratio: 'p99 against p50',
  cheaperBy: 'what an endpoint saves',
};

/** A figure as a person reads it: `1,850`, `2.1 %`, `24.1 s`. */
function valueText(figure: Measure['figure'], value: number): string {
  switch (figure) {
    case 'calls':
    case 'agents':
      return String(Math.round(value)).replaceAll(/\B(?=(?:\d{3})+$)/g, ',');
    case 'refused':
    case 'cheaperBy':
      return `${(value * 100).toFixed(1)} %`;
    case 'availability':
      return `${(value * 100).toFixed(2)} %`;
    case 'p95':
      return `${(value / 1_000).toFixed(1)} s`;
    case 'ratio':
      return value.toFixed(1);
  }
}

/** What is missing and by how much: `missing: calls 1,810 of more than 2,000`; empty if nothing is. */
export function missingText(figures: DemandFigures, policy: CriteriaPolicy): string {
  const missing = measure(figures, policy).filter(({ isMet }) => !isMet);
  if (missing.length === 0) return '';
  const each = missing.map(({ figure, now, limit }) => {
    if (now === null) return `${NAMES[figure]} not known`;
    const of = figure === 'availability' ? 'of less than' : 'of more than';
    return `${NAMES[figure]} ${valueText(figure, now)} ${of} ${valueText(figure, limit)}`;
  });
  return `missing: ${each.join(', ')}`;
}

/** How near the criteria came: `calls peaked at 1,850 of 2,000; the others held for 3.1 h`. */
export function nearMissText({ figure, peak, limit, heldMs }: NearMiss): string {
  const verb = figure === 'availability' ? 'fell to' : 'peaked at';
  return `${NAMES[figure]} ${verb} ${valueText(figure, peak)} of ${valueText(figure, limit)}; the others held for ${spanText(heldMs)}`;
}

/** The three figures of refusals, for people; null if all are 0. */
export function kindsText({ calls, kinds }: DemandFigures): string | null {
  if (kinds === undefined) return null;
  const share = (count: number) => (calls === 0 ? '' : ` (${((count / calls) * 100).toFixed(1)} %)`);
  const { clients, here, delayed } = kinds;
  return `${clients} got a 429${share(clients)}, ${here} of them from upshift; ${delayed} ${delayed === 1 ? 'was' : 'were'} delayed${share(delayed)}`;
}
