import type { GatewayPolicy } from '../../core/policy/gateway.ts';
import type { Policy, RoutePolicy } from '../../core/policy/policy.ts';
import type { SweepPolicy } from '../../core/policy/sweep.ts';
import { bytesText } from '../../core/policy/values.ts';
import { longText } from '../../core/sweep/sweep.ts';
import { wrap } from '../terminal/print.ts';
import type { Page } from './page.ts';
import { settings } from './policy-settings.ts';
import type { Setting } from './policy-settings.ts';

/** A policy that was read: where from, the hash that decisions name, what it says. */
interface Shown {
  readonly path: string;
  readonly hash: string;
  readonly policy: Policy;
}

type PolicyPage = Pick<Page, 'width' | 'paint'>;

const NAME_WIDTH = 17;

/** The settings of a policy: the first route in full, what differs for the others, the sweep, and what to do next. */
export function renderPolicy({ path, hash, policy }: Shown, page: PolicyPage): string {
  const [first, ...others] = [...policy.routes, policy.watched];
  const { paint } = page;
  return [
    `${paint.green('ok')}  ${path}  ${hash.slice(0, 8)}`,
    '',
    ...(first === undefined ? [] : [paint.bold(nameOf(first)), ...rows(settings(first), page)]),
    ...others.flatMap((route) => ['', ...differing(route, first ?? route, page)]),
    '',
    `${paint.bold('sweep')}  of endpoints that no rollout uses`,
    ...rows(swept(policy.sweep), page),
    '',
    `${paint.bold('gateway')}  of all calls`,
    ...rows(taken(policy.gateway), page),
    '',
    ...wrap(nextText(policy, path), page.width - 6).map(
      (line, i) => `${i === 0 ? paint.dim('next') : '    '}  ${line}`,
    ),
  ].join('\n');
}

function nameOf({ model }: RoutePolicy): string {
  return model === '*' ? 'any other model' : model;
}

function rows(settings: readonly Setting[], page: PolicyPage): string[] {
  return settings.flatMap(([name, text]) =>
    text === null
      ? []
      : wrap(text, page.width - NAME_WIDTH - 2).map(
          (line, i) => `  ${page.paint.dim((i === 0 ? name : '').padEnd(NAME_WIDTH))}${line}`,
        ),
  );
}

function differing(route: RoutePolicy, first: RoutePolicy, page: PolicyPage): string[] {
  const known = new Set(inBlocks(settings(first)).map(({ key }) => key));
  const own = inBlocks(settings(route));
  const different = own.filter(({ key }) => !known.has(key));
  const head = `${page.paint.bold(nameOf(route))}  as ${nameOf(first)}`;
  if (different.length === 0) return [head];
  // A part is shown below the setting that it belongs to.
  const heads = new Set(different.map(({ block }) => block));
  const shown = own.filter((setting) => different.includes(setting) || heads.has(setting.name));
  return [
    `${head}, but:`,
    ...rows(
      shown.map(({ name, text }) => [name, text ?? 'not set']),
      page,
    ),
  ];
}

/** Each setting with the block it is in, and a key: names of parts repeat (`slo missed`). */
function inBlocks(settings: readonly Setting[]) {
  let block = '';
  return settings.map(([name, text]) => {
    if (!name.startsWith(' ')) block = name;
    return { name, text, block, key: `${block}/${name}/${text ?? ''}` };
  });
}

function swept({ ended, deleteAfter, unknown, idle }: SweepPolicy): Setting[] {
  const grace = deleteAfter === null ? 'never deleted' : `deleted ${longText(deleteAfter)} later`;
  return [
    ['after rollouts', `${ended}, ${grace}`],
    ['unknown ones', unknown],
    ['idle ones', idle === null ? 'never reported' : `reported after ${longText(idle)}, never paused`],
  ];
}

function taken({ origins, maxBody, oversized }: GatewayPolicy): Setting[] {
  const larger = oversized === 'pass' ? 'a larger one streams to serverless' : 'a larger one is refused';
  return [
    ['pages', ['pages on this machine', ...origins].join(', ')],
    ['body', `at most ${bytesText(maxBody)}, ${larger}`],
  ];
}

function nextText({ routes }: Policy, path: string): string {
  return routes.some(({ endpoint }) => endpoint !== null)
    ? `npx upshift plan --policy ${path}: shows the instance and its price; then npx upshift start --policy ${path}`
    : `npx upshift start --policy ${path}: it only watches, because no route has an endpoint block`;
}
