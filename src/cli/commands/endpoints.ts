import { createInterface } from 'node:readline/promises';
import type { CommandModule } from 'yargs';
import { AppError, errorCode, errorMessage } from '../../core/errors.ts';
import { SWEEP_DEFAULTS } from '../../core/policy/sweep.ts';
import type { StatusReport } from '../../core/status.ts';
import { readEnvironment } from '../../files/environment.ts';
import { loadPolicy } from '../../files/policy.ts';
import { useProxies } from '../../huggingface/proxy.ts';
import { createHubClient } from '../../huggingface/hub/hub.ts';
import { createEndpointsClient } from '../../huggingface/management/endpoints.ts';
import type { EndpointsClient } from '../../huggingface/management/endpoints.ts';
import { isOurs } from '../../huggingface/management/status.ts';
import type { EndpointStatus } from '../../huggingface/management/status.ts';
import { readStatus } from '../../ledger/journal/status.ts';
import { openForReading } from '../../ledger/open.ts';
import { describe } from '../endpoints/our-endpoints.ts';
import type { OurEndpoint, SweepContext } from '../endpoints/our-endpoints.ts';
import { sweepAll } from '../endpoints/sweep.ts';
import { EXIT } from '../exit.ts';
import { withGlobals } from '../input/options.ts';
import type { GlobalOptions } from '../input/options.ts';
import { commandSuffix, openClock, timeOf } from '../session.ts';
import { cleanAll, painter, printJson, printText, warn, widthOf } from '../terminal/print.ts';
import { renderEndpoints } from '../views/endpoints.ts';

interface EndpointsCommandOptions extends GlobalOptions {
  readonly sweep: boolean | undefined;
  readonly pause: string | undefined;
  readonly delete: string | undefined;
  readonly namespace: string | undefined;
  readonly policy: string | undefined;
  readonly yes: boolean;
}

export const endpointsCommand: CommandModule<object, EndpointsCommandOptions> = {
  command: 'endpoints',
  describe: 'List the endpoints that upshift created, with state and price; works without the daemon',
  builder: (yargs) =>
    withGlobals(yargs)
      .option('sweep', {
        type: 'boolean',
        describe: 'Pause or delete endpoints that no rollout uses, as the policy says. Asks before it deletes',
      })
      .option('pause', {
        type: 'string',
        requiresArg: true,
        describe: 'Pause this endpoint. It then costs nothing and can be resumed',
      })
      .option('delete', { type: 'string', requiresArg: true, describe: 'Delete this endpoint for good' })
      .option('namespace', {
        type: 'string',
        requiresArg: true,
        describe: 'Only this user or organization; without it, all that the token belongs to',
      })
      .option('policy', {
        type: 'string',
        requiresArg: true,
        describe: 'Only namespaces in which this policy file creates endpoints',
      })
      .option('yes', { type: 'boolean', default: false, alias: 'y', describe: 'Delete without asking' })
      .conflicts('pause', 'delete')
      .conflicts('sweep', ['pause', 'delete'])
      .conflicts('namespace', 'policy')
      .example('npx upshift endpoints', 'which endpoints exist, what they cost, and which rollout uses them')
      .example('npx upshift endpoints --sweep', 'pause and delete unused ones as the sweep block of the policy says')
      .example('npx upshift endpoints --pause up-llama-3-1-8b-k3v9q2ab', 'stop the bill of one endpoint')
      .epilogue(
        'This command needs HF_TOKEN with the scope inference.endpoints.write. It never\n' +
          'touches endpoints without the tag managed-by:upshift. The ledger (--db) says\n' +
          'which rollout uses an endpoint. A sweep leaves endpoints of a running rollout\n' +
          'alone. Without a ledger it does nothing. A running daemon sweeps every five\n' +
          'minutes and records it.\n' +
          'Exit status: 0 ok, 1 the API cannot be reached, 2 no such endpoint or no token,\n' +
          '4 refused: not created by upshift, or not confirmed.\n' +
          '--json: one line for each endpoint {"namespace","name","state","url",\n' +
          '"model","instance","replicas","pricePerHourMicros","rollout","createdAt","message",\n' +
          '"finding","action","detail"}. With --sweep, one line for each swept endpoint\n' +
          '{"namespace","name","finding","action","detail","result","message"}. With\n' +
          '--pause and --delete, one object {"namespace","name","state"}.',
      ),
  handler: async (options) => {
    const { endpointsUrl, hubUrl, token, proxies } = readEnvironment(process.env);
    useProxies(proxies);
    if (token === null) {
      throw new AppError('unauthorized', 'HF_TOKEN is not set', {
        hint: 'set it to a token with the scope inference.endpoints.write, from https://huggingface.co/settings/tokens',
      });
    }
    const client = createEndpointsClient({ baseUrl: endpointsUrl, token });
    const namespaces = await chooseNamespaces(options, { hubUrl, token });
    const name = options.pause ?? options.delete;
    if (name === undefined) {
      const found = await listAll(client, namespaces);
      const context = await sweepContext(client, options);
      if (options.sweep !== true) return list({ found, namespaces }, context, options);
      const confirmed = async (question: string) => options.yes || (await confirm(question, options.json));
      const again = `npx upshift endpoints --sweep --yes${suffixOf(options)}`;
      return sweepAll(found, context, { json: options.json, again, confirm: confirmed });
    }
    const { namespace, status } = await find(client, namespaces, name);
    if (options.pause !== undefined) await pauseOne(client, namespace, status, options);
    else await deleteOne(client, namespace, status, options);
  },
};

interface Found {
  readonly namespace: string;
  readonly status: EndpointStatus;
}

interface Namespaces {
  readonly names: readonly string[];
  /** Whether they were named, so that one that cannot be read is an error. */
  readonly isNamed: boolean;
}

async function chooseNamespaces(
  { namespace, policy }: EndpointsCommandOptions,
  hub: { readonly hubUrl: string; readonly token: string },
): Promise<Namespaces> {
  if (namespace !== undefined) return { names: [namespace], isNamed: true };
  if (policy !== undefined) {
    const { routes } = (await loadPolicy(policy)).policy;
    const names = new Set(routes.flatMap(({ endpoint }) => (endpoint === null ? [] : [endpoint.namespace])));
    if (names.size === 0)
      throw new AppError('invalid', `no route of ${policy} has an endpoint block`, { hint: 'use --namespace' });
    return { names: [...names], isNamed: true };
  }
  const { name, orgs } = await createHubClient(hub).whoAmI();
  return { names: [name, ...orgs.map((org) => org.name)], isNamed: false };
}

/** All endpoints of the namespaces. Warns of an organization that the token may not list, and skips it. */
async function listAll(client: EndpointsClient, { names, isNamed }: Namespaces): Promise<Found[]> {
  const found: Found[] = [];
  for (const [i, namespace] of names.entries()) {
    try {
      for (const status of await client.list(namespace)) found.push({ namespace, status });
    } catch (error) {
      const isForbidden = errorCode(error) === 'unauthorized' || errorCode(error) === 'not_found';
      if (isNamed || i === 0 || !isForbidden) throw error;
      warn(`this token cannot list the endpoints of ${namespace}`);
    }
  }
  return found;
}

async function list(
  { found, namespaces }: { readonly found: readonly Found[]; readonly namespaces: Namespaces },
  context: SweepContext,
  options: EndpointsCommandOptions,
): Promise<void> {
  const ours: OurEndpoint[] = [];
  for (const { namespace, status } of found.filter((each) => isOurs(each.status))) {
    ours.push((await describe(namespace, status, context)).endpoint);
  }
  if (options.json) return ours.forEach((endpoint) => printJson(endpoint));
  const page = {
    namespaces: namespaces.names,
    others: found.length - ours.length,
    width: widthOf(process.stdout),
    paint: painter(process.stdout),
    commandSuffix: suffixOf(options),
  };
  printText(renderEndpoints(cleanAll(ours), page));
}

/** The options that a further command needs to use the same ledger and policy. */
function suffixOf({ db, policy }: EndpointsCommandOptions): string {
  return [commandSuffix(db), policy === undefined ? undefined : `--policy ${policy}`]
    .filter((part) => part !== undefined)
    .map((part) => ` ${part}`)
    .join('');
}

/** The policy of the sweep: the named file, or the one that the daemon of this ledger last read. */
async function sweepContext(client: EndpointsClient, options: EndpointsCommandOptions): Promise<SweepContext> {
  const report = readReport(options.db);
  const clock = openClock();
  const path = options.policy ?? report?.policy.path;
  const now = () => Math.floor(timeOf(clock, report));
  const context = { client, dbPath: options.db, policy: SWEEP_DEFAULTS, now, leftOut: new Set<string>() };
  if (path === undefined) return context;
  try {
    return { ...context, policy: (await loadPolicy(path)).policy.sweep };
  } catch (error) {
    if (options.policy !== undefined || options.sweep === true) throw error;
    warn(`${errorMessage(error)}; the default policy says what a sweep would do`);
    return context;
  }
}

function readReport(dbPath: string): StatusReport | null {
  try {
    const db = openForReading(dbPath);
    try {
      return readStatus(db)?.report ?? null;
    } finally {
      db.close();
    }
  } catch {
    // The ledger is opened again for its rollouts: an error is reported there.
    return null;
  }
}

/** One endpoint by its name. Throws AppError `not_found`, or `conflict` if upshift did not create it. */
async function find(client: EndpointsClient, namespaces: Namespaces, name: string): Promise<Found> {
  const found = (await listAll(client, namespaces)).find(({ status }) => status.name === name);
  if (found === undefined) {
    throw new AppError('not_found', `there is no endpoint "${name}" in ${namespaces.names.join(', ')}`, {
      hint: 'see them: npx upshift endpoints',
    });
  }
  if (!isOurs(found.status)) {
    throw new AppError('conflict', `upshift did not create ${found.namespace}/${name} and does not touch it`, {
      hint: 'manage it at https://endpoints.huggingface.co',
    });
  }
  return found;
}

async function pauseOne(
  client: EndpointsClient,
  namespace: string,
  { name }: EndpointStatus,
  { json }: GlobalOptions,
): Promise<void> {
  const { state } = await client.pause(namespace, name);
  if (json) printJson({ namespace, name, state });
  else printText(`${namespace}/${name} is ${state}; if a daemon still uses it, its traffic rolls back`);
}

async function deleteOne(
  client: EndpointsClient,
  namespace: string,
  { name, state }: EndpointStatus,
  { json, yes }: EndpointsCommandOptions,
): Promise<void> {
  if (!yes && !(await confirm(`Delete ${namespace}/${name}, which is ${state}, for good? [y/N] `, json))) {
    throw new AppError('conflict', `${namespace}/${name} was not deleted`, { hint: 'confirm it, or use --yes' });
  }
  await client.delete(namespace, name);
  if (json) printJson({ namespace, name, state: 'deleted' });
  else printText(`${namespace}/${name} is deleted`);
}

/** Asks on the terminal. Without a terminal the answer is no. */
async function confirm(question: string, json: boolean): Promise<boolean> {
  if (!process.stdin.isTTY || json) return false;
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  // Ctrl-C ends the program instead of answering.
  lines.once('SIGINT', () => process.exit(EXIT.interrupted));
  const closed = new AbortController();
  lines.once('close', () => closed.abort());
  try {
    return /^y(es)?$/i.test((await lines.question(question, { signal: closed.signal })).trim());
  } catch {
    return false;
  } finally {
    lines.close();
  }
}
