import { priceText } from '../../core/text.ts';
import type { OurEndpoint } from '../endpoints/our-endpoints.ts';
import { countText, dateText } from '../terminal/format.ts';
import { table, wrap } from '../terminal/print.ts';
import type { Paint } from '../terminal/print.ts';

/** What a page of endpoints needs beside them. */
export interface EndpointsPage {
  readonly namespaces: readonly string[];
  /** Endpoints of others there. */
  readonly others: number;
  readonly width: number;
  readonly paint: Paint;
  /** What a command needs to reach the same ledger and namespace. */
  readonly commandSuffix: string;
}

/** Our endpoints: state, price and rollout, what the ledger knows of each, and what to do next. Pure. */
export function renderEndpoints(ours: readonly OurEndpoint[], page: EndpointsPage): string {
  const { namespaces, others, width, paint } = page;
  const where = namespaces.join(', ');
  const foreign = others === 0 ? '' : `; ${countText(others, 'other')}, left alone`;
  if (ours.length === 0)
    return wrap(`no endpoint of upshift in ${where}${foreign}; npx upshift plan shows what one would cost`, width).join(
      '\n',
    );
  const columns = [
    { title: 'endpoint' },
    { title: 'state' },
    { title: 'price', side: 'right' as const },
    { title: 'rollout' },
    { title: 'created' },
  ];
  const rows = ours.map(({ name, state, pricePerHourMicros, rollout, createdAt }) => [
    paint.bold(name),
    stateText(state, paint),
    pricePerHourMicros === null ? 'unknown' : priceText(pricePerHourMicros),
    rollout ?? '-',
    createdAt === null ? '-' : dateText(createdAt).slice(0, 16),
  ]);
  const [head = '', ...lines] = table(columns, rows, paint);
  const rendered = ours.flatMap(
    ({ namespace, url, model, instance, replicas, message, finding, action, detail }, i) => [
      lines[i] ?? '',
      ...wrap(`${namespace}: ${model} on ${instance}, ${countText(replicas, 'replica')}`, width - 2).map((line) =>
        paint.dim(`  ${line}`),
      ),
      ...(url === null ? [] : [paint.dim(`  ${url}`)]),
      ...(message === null ? [] : wrap(message, width - 2).map((line) => paint.dim(`  ${line}`))),
      ...wrap(`${FINDINGS[finding]}: ${detail}${DOES[action]}`, width - 2).map((line) => `  ${line}`),
    ],
  );
  const total = ours.reduce((sum, { pricePerHourMicros }) => sum + (pricePerHourMicros ?? 0), 0);
  const count = `${countText(ours.length, 'endpoint')} in ${where}, ${priceText(total)} together${foreign}`;
  return [head, ...rendered, '', ...wrap(count, width), ...nextLines(ours, page)].join('\n');
}

const FINDINGS: Readonly<Record<OurEndpoint['finding'], string>> = {
  foreign: 'not ours',
  in_use: 'in use',
  idle: 'idle',
  ended: 'orphan',
  lost: 'orphan',
  unknown: 'unknown',
  no_ledger: 'unknown',
};

const DOES: Readonly<Record<OurEndpoint['action'], string>> = {
  wait: '',
  report_endpoint: '',
  pause_endpoint: '; a sweep pauses it',
  delete_endpoint: '; a sweep deletes it',
};

function stateText(state: string, paint: Paint): string {
  if (state === 'failed' || state === 'updateFailed') return paint.red(state);
  return state === 'running' ? paint.green(state) : state;
}

/** What to type next. */
function nextLines(ours: readonly OurEndpoint[], { commandSuffix, paint }: EndpointsPage): string[] {
  const count = (action: OurEndpoint['action']) => ours.filter((one) => one.action === action).length;
  const [pauses, deletes] = [count('pause_endpoint'), count('delete_endpoint')];
  const command = (words: string) => paint.bold(`npx upshift ${words}${commandSuffix}`);
  if (pauses + deletes > 0) {
    const does = [...(pauses > 0 ? [`pauses ${pauses}`] : []), ...(deletes > 0 ? [`deletes ${deletes}`] : [])];
    return [`next: ${command('endpoints --sweep')}   ${does.join(', ')}`];
  }
  if (ours.some(({ finding }) => finding === 'no_ledger')) {
    return ['next: name the ledger of the daemon that created them with --db FILE'];
  }
  const costly = ours.find(({ finding, pricePerHourMicros }) => finding !== 'in_use' && pricePerHourMicros !== 0);
  if (costly !== undefined) return [`next, if nobody needs it: ${command(`endpoints --pause ${costly.name}`)}`];
  return ['nothing to sweep; npx upshift cost shows what they have cost'];
}
