import { bearerToken, sendJson } from '../exchange.ts';
import type { Exchange } from '../exchange.ts';
import type { TokenOwner } from '../limits.ts';
import type { World } from '../world.ts';
import { answerBilling } from './billing.ts';
import { answerFile, namesOf, treeOf } from './files.ts';
import type { SimulatedModel } from './models.ts';

/** `/api/models/{model}` with the paths that may follow, and the paths of a model's files. */
const CARD = /^\/api\/models\/([^/]+\/[^/]+)(?:\/(auth-check|tree)(?:\/[^/]+)?|\/revision\/[^/]+)?$/;
const FILE = /^(?:\/([^/]+\/[^/]+)\/(resolve|raw)|\/api\/resolve-cache\/models\/([^/]+\/[^/]+))\/[^/]+\/(.+)$/;

/**
 * The routes of the Hub that upshift uses: `GET /api/whoami-v2`, `GET /api/models/{org}/{name}[/revision/{revision}]`
 * with `expand`, `GET /api/models/{org}/{name}/auth-check`, `GET /api/models/{org}/{name}/tree/{revision}`, files by
 * `/{org}/{name}/resolve/{revision}/{path}`, and the bill of an organization.
 */
export function answerHub(world: World, exchange: Exchange): void {
  const token = bearerToken(exchange.request);
  const owner = world.owner(token);
  if (token !== undefined && !owner) {
    return sendJson(exchange, 401, { error: 'Invalid credentials in Authorization header' });
  }
  if (exchange.path === '/api/whoami-v2') {
    if (!owner) return sendJson(exchange, 401, { error: 'Invalid username or password.' });
    return sendJson(exchange, 200, whoAmI(owner));
  }
  if (answerBilling(world, exchange, owner)) return;
  const file = FILE.exec(exchange.path);
  const asked = file ?? CARD.exec(exchange.path);
  if (!asked) return sendJson(exchange, 404, { error: 'Not Found' });
  const model = world.models.get(asked[1] ?? file?.[3] ?? '');
  if (!model || model.access === 'private') {
    // Without a token the Hub answers 401, because it does not reveal whether a repository exists.
    const status = owner ? 404 : 401;
    return sendJson(exchange, status, { error: 'Repository not found' }, { 'x-error-code': 'RepoNotFound' });
  }
  const route = file === null ? asked[2] : 'file';
  const isForMembers = route === 'auth-check' || route === 'file';
  const isShut = model.access === 'closed' || (isForMembers && model.access === 'gated');
  const needsToken = isForMembers && model.access !== 'open';
  if (isShut || (needsToken && !owner)) {
    const reason = `Access to model ${model.id} is restricted and you are not in the authorized list.`;
    const ask = `Visit https://huggingface.co/${model.id} to ask for access.`;
    return sendJson(exchange, owner ? 403 : 401, { error: `${reason} ${ask}` }, { 'x-error-code': 'GatedRepo' });
  }
  if (file !== null) return answerFile(exchange, model, { path: file[4] ?? '', isResolved: file[2] !== 'resolve' });
  if (route === 'auth-check') return sendJson(exchange, 200, {});
  if (route === 'tree') return sendJson(exchange, 200, treeOf(model, exchange.query.get('recursive') === 'true'));
  return sendJson(exchange, 200, modelCard(model, exchange.query.getAll('expand').concat(expandList(exchange))));
}

/** The python client writes `expand[]`. */
function expandList(exchange: Exchange): string[] {
  return exchange.query.getAll('expand[]');
}

function whoAmI(owner: TokenOwner): object {
  const common = { canPay: owner.canPay, avatarUrl: '', periodEnd: null };
  return {
    ...common,
    type: 'user',
    id: idOf(owner.name),
    name: owner.name,
    fullname: owner.name,
    email: `${owner.name}@example.com`,
    emailVerified: true,
    isPro: true,
    billingMode: 'prepaid',
    orgs: owner.orgs.map((name) => ({
      ...common,
      type: 'org',
      id: idOf(name),
      name,
      fullname: name,
      email: null,
      roleInOrg: 'admin',
    })),
    auth: {
      type: 'access_token',
      accessToken: { displayName: 'simulated', role: 'write', createdAt: '2026-01-01T00:00:00.000Z' },
    },
  };
}

function modelCard(model: SimulatedModel, expand: readonly string[]): object {
  const task = model.task === 'text-generation' && !model.isBase ? 'conversational' : model.task;
  const mapping = model.providers.map((provider) => [
    provider,
    { status: 'live', providerId: model.providerIds?.[provider] ?? model.id, task },
  ]);
  const card: Record<string, unknown> = {
    _id: idOf(model.id),
    id: model.id,
    modelId: model.id,
    author: model.id.split('/')[0],
    pipeline_tag: model.task,
    private: false,
    gated: model.access === 'open' ? false : 'manual',
    disabled: false,
    downloads: 1_000_000,
    likes: 1000,
    lastModified: '2026-06-01T00:00:00.000Z',
    createdAt: '2025-01-01T00:00:00.000Z',
    library_name: libraryOf(model),
    tags: [...tagsOf(model), ...(model.tags ?? [])],
    sha: revisionOf(model.id),
    siblings: namesOf(model).map((rfilename) => ({ rfilename })),
    ...(model.dtypes === null
      ? {}
      : { safetensors: { parameters: model.dtypes ?? { BF16: model.parameters }, total: model.parameters } }),
    ...shortConfig(model),
    inferenceProviderMapping: Object.fromEntries(mapping),
  };
  if (expand.length === 0) {
    const { safetensors, inferenceProviderMapping: _unasked, ...plain } = card;
    return { ...plain, safetensors };
  }
  return Object.fromEntries(['_id', 'id', ...expand].filter((key) => key in card).map((key) => [key, card[key]]));
}

function libraryOf({ task, adapter }: SimulatedModel): string {
  if (adapter !== undefined) return 'peft';
  return task === 'feature-extraction' ? 'sentence-transformers' : 'transformers';
}

/** The Hub tags what it sees in the files. */
function tagsOf(model: SimulatedModel): string[] {
  const { adapter = {}, config = {} } = model;
  const base = (adapter as { base_model_name_or_path?: string }).base_model_name_or_path;
  return [
    model.task,
    ...(namesOf(model).some((name) => name.endsWith('.gguf')) ? ['gguf'] : []),
    ...(base === undefined ? [] : ['peft', 'lora', `base_model:adapter:${base}`]),
    ...('auto_map' in config ? ['custom_code'] : []),
  ];
}

/** The part of a config that the Hub's API repeats: neither layers nor heads. */
function shortConfig({ config }: SimulatedModel): object {
  if (config === undefined) return {};
  const kept = ['architectures', 'model_type', 'quantization_config'];
  return { config: Object.fromEntries(Object.entries(config).filter(([key]) => kept.includes(key))) };
}

/** A stable id of 24 hex digits, in the form that the Hub uses. */
function idOf(name: string): string {
  return Buffer.from(name.padEnd(12, '.')).toString('hex').slice(0, 24);
}

/** A stable commit hash. */
export function revisionOf(repository: string): string {
  return Buffer.from(repository.padEnd(20, '-')).toString('hex').slice(0, 40);
}
