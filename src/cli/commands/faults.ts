import type { Argv, CommandModule } from 'yargs';
import { isLoopbackHost } from '../../core/endpoint-address.ts';
import { AppError } from '../../core/errors.ts';
import { readEnvironment } from '../../files/environment.ts';
import { FAULTS, factsOf, kindsOf } from '../../simulation/fault-kinds.ts';
import type { FaultKind, FaultTarget } from '../../simulation/fault-kinds.ts';
import { parseFault } from '../../simulation/faults.ts';
import type { Fault } from '../../simulation/faults.ts';
import { withGlobals } from '../input/options.ts';
import type { GlobalOptions } from '../input/options.ts';
import { parseSpan } from '../input/span.ts';
import { percentText } from '../terminal/format.ts';
import { clean, cleanAll, printJson, printText, wrap } from '../terminal/print.ts';

interface FaultsOptions extends GlobalOptions {
  readonly url: string | undefined;
}

interface SetOptions extends FaultsOptions {
  readonly target: string;
  readonly kind: string;
  readonly share: string | undefined;
  readonly factor: number | undefined;
  readonly lasts: string | undefined;
  readonly name: string | undefined;
  readonly shape: string | undefined;
}

interface ClearOptions extends FaultsOptions {
  readonly target: string | undefined;
  readonly kind: string | undefined;
}

const WIDTH = 80;
/** Real ms for the answer of the simulation. */
const PATIENCE_MS = 5_000;
const USUAL_URL = 'http://127.0.0.1:8080';
const TARGETS = Object.keys(FAULTS) as FaultTarget[];

const JSON_EPILOGUE =
  '--json: {"faults":[{"target","kind","share","factor","name","shape","endsAt"}]}:\n' +
  'those that are then in force; "endsAt" is epoch ms of the clock, or null.';

/** What each fault plays, and what it does by default, for people: lines of at most 80 columns. */
export function faultsText(): string {
  return TARGETS.map((target) => {
    const kinds = kindsOf(target);
    const width = Math.max(...kinds.map((kind) => kind.length)) + 2;
    const lines = kinds.flatMap((kind) => {
      return wrap(playsText(target, kind), WIDTH - width - 2).map((line, i) => {
        return `  ${(i === 0 ? kind : '').padEnd(width)}${line}`;
      });
    });
    return [target, ...lines].join('\n');
  }).join('\n\n');
}

function playsText(target: FaultTarget, kind: FaultKind): string {
  const { plays, share, factor } = factsOf(target, kind);
  const usual = [
    ...(factor === undefined ? [] : [`factor ${Number(factor.toPrecision(2))}`]),
    ...(share === undefined ? [] : [`share ${percentText(share, 0)}`]),
  ];
  return usual.length === 0 ? plays : `${plays} (${usual.join(', ')})`;
}

const listCommand: CommandModule<object, FaultsOptions> = {
  command: 'faults',
  describe: 'Show what can be made to fail, and what fails now',
  builder: (yargs) => withUrl(yargs).epilogue(JSON_EPILOGUE),
  handler: async (options) => {
    const faults = await ask(options);
    if (options.json) printJson({ faults });
    else printText(`${faultsText()}\n\n${inForce(faults)}`);
  },
};

const setCommand: CommandModule<object, SetOptions> = {
  command: 'fault <target> <kind>',
  describe: 'Make something fail until it is cleared',
  builder: (yargs) =>
    withUrl(yargs)
      .positional('target', { type: 'string', demandOption: true, describe: `What fails: ${TARGETS.join(', ')}` })
      .positional('kind', { type: 'string', demandOption: true, describe: 'How it fails; see below' })
      .option('share', { type: 'string', requiresArg: true, describe: 'Share of the calls that it hits: 3% or 0.03' })
      .option('factor', {
        type: 'number',
        requiresArg: true,
        describe: 'How much of it, where the list names a factor',
      })
      .option('lasts', { type: 'string', requiresArg: true, describe: 'Clear it after this span of the clock: 10m' })
      .option('name', { type: 'string', requiresArg: true, describe: 'Only the endpoint, or instance, of this name' })
      .option('shape', { type: 'string', requiresArg: true, describe: 'With rejects: only calls of this shape' })
      .example('npx upshift simulate fault endpoint errors --share 3%', '3 % of the calls of each endpoint get 500')
      .example('npx upshift simulate fault router slow --factor 2 --lasts 10m', 'a slow serverless, for ten minutes')
      .epilogue(`${faultsText()}\n\n${JSON_EPILOGUE}`),
  handler: async (options) => {
    const { target, kind, share, factor, lasts, name, shape } = options;
    const fault = parseFault({
      target,
      kind,
      factor,
      name,
      shape,
      ...(share === undefined ? {} : { share: readShare(share) }),
      ...(lasts === undefined ? {} : { lastsMs: readLasts(lasts) }),
    });
    show(await ask(options, fault), options);
  },
};

const clearCommand: CommandModule<object, ClearOptions> = {
  command: 'clear [target] [kind]',
  describe: 'End faults: all, those of a target, or one',
  builder: (yargs) =>
    withUrl(yargs)
      .positional('target', { type: 'string', describe: `Only the faults of: ${TARGETS.join(', ')}` })
      .positional('kind', { type: 'string', describe: 'Only this fault' })
      .example('npx upshift simulate clear', 'all is well again')
      .epilogue(JSON_EPILOGUE),
  handler: async (options) => {
    const { target, kind } = options;
    if (target !== undefined) {
      const known = TARGETS.find((one) => one === target);
      // The first kind stands in, so that a wrong target is refused with the list of targets.
      parseFault({ target, kind: kind ?? (known === undefined ? '' : kindsOf(known)[0]) });
    }
    show(await ask(options, { clear: true, target, kind }), options);
  },
};

/** Adds the commands that make a running simulation fail. */
export function withFaults<T>(yargs: Argv<T>): Argv<T> {
  return yargs.command(listCommand).command(setCommand).command(clearCommand);
}

function withUrl(yargs: Argv): Argv<FaultsOptions> {
  return withGlobals(yargs)
    .hide('db')
    .option('url', {
      type: 'string',
      requiresArg: true,
      describe: `URL of the simulation; without it, that of UPSHIFT_ROUTER_URL, else ${USUAL_URL}`,
    });
}

function readShare(text: string): number {
  const [, number, sign] = /^(\d+(?:\.\d+)?) ?(%?)$/.exec(text.trim()) ?? [];
  const share = Number(number) / (sign === '%' ? 100 : 1);
  if (share >= 0 && share <= 1) return share;
  throw new AppError('invalid', `--share "${text}" is not a share`, { hint: 'expected 0% to 100%, or 0 to 1' });
}

function readLasts(text: string): number {
  const ms = parseSpan(text);
  if (ms !== null && ms > 0) return ms;
  throw new AppError('invalid', `--lasts "${text}" is not a span of time`, {
    hint: 'expected a span such as 30s or 10m',
  });
}

/** The control URL of the simulation. A real router is never asked: only this machine may be one. */
function controlUrl({ url }: FaultsOptions): string {
  const given =
    url ?? (process.env['UPSHIFT_ROUTER_URL'] === undefined ? USUAL_URL : readEnvironment(process.env).routerUrl);
  const parsed = URL.parse(given);
  if (parsed === null || !isLoopbackHost(parsed.hostname)) {
    throw new AppError('invalid', `"${given}" is no simulation on this machine`, {
      hint: 'expected the URL that `npx upshift simulate` prints, such as http://127.0.0.1:8080',
    });
  }
  return `${parsed.origin}/control/faults`;
}

/** Sends the simulation a change, if there is one, and returns the faults that are then in force. Throws AppError. */
async function ask(options: FaultsOptions, change?: object): Promise<readonly Fault[]> {
  const url = controlUrl(options);
  const how = change === undefined ? {} : { method: 'POST', body: JSON.stringify(change) };
  const response = await fetch(url, { ...how, signal: AbortSignal.timeout(PATIENCE_MS) }).catch((cause: unknown) => {
    throw new AppError('unavailable', `no simulation answers at ${url}`, {
      hint: 'start one: npx upshift simulate; or name its URL with --url',
      cause,
    });
  });
  const body = (await response.json().catch(() => null)) as { faults?: readonly Fault[]; error?: string } | null;
  if (response.ok && Array.isArray(body?.faults)) return body.faults as readonly Fault[];
  const said = typeof body?.error === 'string' ? body.error : `status ${response.status}`;
  throw new AppError('invalid', `${url} did not take it: ${clean(said)}`);
}

function show(faults: readonly Fault[], { json }: FaultsOptions): void {
  if (json) printJson({ faults });
  else printText(inForce(faults));
}

function inForce(faults: readonly Fault[]): string {
  if (faults.length === 0) return 'nothing fails now';
  return ['in force now:', ...cleanAll(faults).map((fault) => `  ${faultText(fault)}`)].join('\n');
}

function faultText({ target, kind, share, factor, name, shape, endsAt }: Fault): string {
  return [
    `${target} ${kind}`,
    ...(share < 1 ? [`${Number((share * 100).toPrecision(3))} % of the calls`] : []),
    ...(factor === 1 ? [] : [`factor ${Number(factor.toPrecision(3))}`]),
    ...(name === undefined ? [] : [name]),
    ...(shape === undefined ? [] : [shape]),
    ...(endsAt === null ? [] : [`until ${new Date(endsAt).toISOString().slice(11, 19)}Z`]),
  ].join(', ');
}
