import { createInterface } from 'node:readline/promises';
import type { CommandModule } from 'yargs';
import { priceText } from '../../core/decision.ts';
import { AppError, errorCode } from '../../core/errors.ts';
import { readEnvironment } from '../../files/environment.ts';
import { loadPolicy } from '../../files/policy.ts';
import type { EndpointsClient, EndpointStatus } from '../../huggingface/endpoints.ts';
import { createEndpointsClient, isOurs } from '../../huggingface/endpoints.ts';
import { createHubClient } from '../../huggingface/hub.ts';
import { EXIT } from '../exit.ts';
import { countText, dateText } from '../format.ts';
import { cleanAll, cut, painter, printJson, printText, table, warn, widthOf, wrap } from '../print.ts';
import type { GlobalOptions } from '../session.ts';
import { withGlobals } from '../session.ts';

interface EndpointsCommandOptions extends GlobalOptions {
  readonly pause: string | undefined;
  readonly delete: string | undefined;
  readonly namespace: string | undefined;
  readonly policy: string | undefined;
  readonly yes: boolean;
}

/** One of our endpoints, as the command tells of it. Money in micro-dollars, times in epoch ms. */
interface OurEndpoint {
  readonly namespace: string;
  readonly name: string;
  readonly state: string;
  readonly model: string;
  readonly instance: string;
  readonly replicas: number;
  /** For the replicas that it has now; null where the price is not known. */
  readonly pricePerHourMicros: number | null;
  readonly rollout: string | null;
  readonly createdAt: number | null;
  readonly message: string | null;
}

export const endpointsCommand: CommandModule<object, EndpointsCommandOptions> = {
  command: 'endpoints',
  describe: 'The endpoints that upshift made, their state and price; works without the daemon',
  builder: (yargs) =>
    withGlobals(yargs)
      .hide('db')
      .option('pause', {
        type: 'string',
        requiresArg: true,
        describe: 'Pause this one: it costs nothing and can come back',
      })
      .option('delete', { type: 'string', requiresArg: true, describe: 'Delete this one for good' })
      .option('namespace', {
        type: 'string',
        requiresArg: true,
        describe: 'User or organisation; all of the token by default',
      })
      .option('policy', { type: 'string', requiresArg: true, describe: 'Look where this policy makes endpoints' })
      .option('yes', { type: 'boolean', default: false, alias: 'y', describe: 'Delete without asking' })
      .conflicts('pause', 'delete')
      .conflicts('namespace', 'policy')
      .example('npx upshift endpoints', 'what is there, and what it costs')
      .example('npx upshift endpoints --pause up-llama-3-1-8b-k3v9q2ab', 'stop its bill')
      .epilogue(
        'Needs HF_TOKEN with the scope inference.endpoints.write. Endpoints without the tag managed-by:upshift are left alone.\n' +
          'Exit: 0 ok, 1 the API is out of reach, 2 no such endpoint or no token, 4 refused: not ours, or not confirmed.\n' +
          '--json: one line for each {"namespace","name","state","model","instance","replicas","pricePerHourMicros","rollout",\n' +
          '"createdAt","message"}; with --pause and --delete one object {"namespace","name","state"}.',
      ),
  handler: async (options) => {
    const { endpointsUrl, hubUrl, token } = readEnvironment(process.env);
    if (token === null) {
      throw new AppError('unauthorized', 'HF_TOKEN is not set', {
        hint: 'set it to a token with the scope inference.endpoints.write, from https://huggingface.co/settings/tokens',
      });
    }
    const client = createEndpointsClient({ baseUrl: endpointsUrl, token });
    const namespaces = await chooseNamespaces(options, { hubUrl, token });
    const name = options.pause ?? options.delete;
    if (name === undefined) return list(client, namespaces, options);
    const { namespace, status } = await find(client, namespaces, name);
    if (options.pause !== undefined) await pauseOne(client, namespace, status, options);
    else await deleteOne(client, namespace, status, options);
  },
};

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

/** All endpoints of the namespaces. An organisation that the token may not look into is told of and passed over. */
async function listAll(
  client: EndpointsClient,
  { names, isNamed }: Namespaces,
): Promise<{ namespace: string; status: EndpointStatus }[]> {
  const found: { namespace: string; status: EndpointStatus }[] = [];
  for (const [i, namespace] of names.entries()) {
    try {
      for (const status of await client.list(namespace)) found.push({ namespace, status });
    } catch (error) {
      const isForbidden = errorCode(error) === 'unauthorized' || errorCode(error) === 'not_found';
      if (isNamed || i === 0 || !isForbidden) throw error;
      warn(`${namespace} cannot be looked into with this token`);
    }
  }
  return found;
}

async function list(client: EndpointsClient, namespaces: Namespaces, { json }: GlobalOptions): Promise<void> {
  const all = await listAll(client, namespaces);
  const ours: OurEndpoint[] = [];
  for (const { namespace, status } of all.filter((each) => isOurs(each.status))) {
    ours.push(await describe(client, namespace, status));
  }
  if (json) for (const endpoint of ours) printJson(endpoint);
  else printText(render(cleanAll(ours), all.length - ours.length, namespaces.names));
}

async function describe(client: EndpointsClient, namespace: string, status: EndpointStatus): Promise<OurEndpoint> {
  const { name, state, model, instance, createdAt, message, errorMessage } = status;
  const isOff = state === 'paused' || state === 'scaledToZero' || state === 'failed';
  const replicas = isOff ? 0 : Math.max(status.targetReplica, status.readyReplica);
  const price = replicas === 0 ? 0 : (await client.quote(namespace, instance)).pricePerHourMicros;
  return {
    namespace,
    name,
    state,
    model,
    instance: `${instance.vendor} ${instance.region} ${instance.instanceType} ${instance.instanceSize}`,
    replicas,
    pricePerHourMicros: price === null ? null : price * replicas,
    rollout: /-([a-z0-9]{8})$/.exec(name)?.[1] ?? null,
    createdAt,
    message: errorMessage ?? message,
  };
}

function render(ours: readonly OurEndpoint[], others: number, namespaces: readonly string[]): string {
  const paint = painter(process.stdout);
  const where = namespaces.join(', ');
  const foreign = others === 0 ? '' : `; ${countText(others, 'other')}, left alone`;
  if (ours.length === 0) return `no endpoint of upshift in ${where}${foreign}`;
  const width = widthOf(process.stdout);
  const columns = [
    { title: 'endpoint' },
    { title: 'state' },
    { title: 'price', side: 'right' as const },
    { title: 'rollout' },
    { title: 'made' },
  ];
  const rows = ours.map(({ name, state, pricePerHourMicros, rollout, createdAt }) => [
    paint.bold(name),
    state === 'failed' || state === 'updateFailed'
      ? paint.red(state)
      : state === 'running'
        ? paint.green(state)
        : state,
    pricePerHourMicros === null ? 'unknown' : priceText(pricePerHourMicros),
    rollout ?? '-',
    createdAt === null ? '-' : dateText(createdAt).slice(0, 16),
  ]);
  const [head = '', ...lines] = table(columns, rows, paint);
  const told = ours.flatMap(({ namespace, model, instance, replicas, message }, i) => [
    lines[i] ?? '',
    paint.dim(cut(`  ${namespace}: ${model} on ${instance}, ${countText(replicas, 'replica')}`, width)),
    ...(message === null ? [] : wrap(message, width - 2).map((line) => paint.dim(`  ${line}`))),
  ]);
  const total = ours.reduce((sum, { pricePerHourMicros }) => sum + (pricePerHourMicros ?? 0), 0);
  return [
    head,
    ...told,
    '',
    `${countText(ours.length, 'endpoint')} in ${where}, ${priceText(total)} together${foreign}`,
  ].join('\n');
}

/** One endpoint by its name. Throws AppError `not_found`, or `conflict` where upshift did not make it. */
async function find(
  client: EndpointsClient,
  namespaces: Namespaces,
  name: string,
): Promise<{ namespace: string; status: EndpointStatus }> {
  const found = (await listAll(client, namespaces)).find(({ status }) => status.name === name);
  if (found === undefined) {
    throw new AppError('not_found', `there is no endpoint "${name}" in ${namespaces.names.join(', ')}`, {
      hint: 'see them: npx upshift endpoints',
    });
  }
  if (!isOurs(found.status)) {
    throw new AppError('conflict', `upshift did not make ${found.namespace}/${name} and leaves it alone`, {
      hint: 'see to it at https://endpoints.huggingface.co',
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
  else printText(`${namespace}/${name} is ${state}; traffic of a daemon that still uses it goes back by itself`);
}

async function deleteOne(
  client: EndpointsClient,
  namespace: string,
  { name, state }: EndpointStatus,
  { json, yes }: EndpointsCommandOptions,
): Promise<void> {
  if (!yes && !(await confirm(`Delete ${namespace}/${name}, which is ${state}, for good? [y/N] `, json))) {
    throw new AppError('conflict', `${namespace}/${name} was not deleted`, { hint: 'confirm, or say --yes' });
  }
  await client.delete(namespace, name);
  if (json) printJson({ namespace, name, state: 'deleted' });
  else printText(`${namespace}/${name} is deleted`);
}

/** Asks on the terminal; no terminal is a no. */
async function confirm(question: string, json: boolean): Promise<boolean> {
  if (!process.stdin.isTTY || json) return false;
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  // Ctrl-C is no answer, but the end.
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
