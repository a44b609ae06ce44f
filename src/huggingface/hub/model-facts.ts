import {
  downloadFile,
  HubApiError,
  InvalidApiResponseFormatError,
  listFiles,
  modelInfo,
  parseSafetensorsMetadata,
  SafetensorParseError,
} from '@huggingface/hub';
import { at } from '../../core/json.ts';
import { readAdapter } from '../../core/sizing/adapter.ts';
import { readArchitecture } from '../../core/sizing/architecture.ts';
import { readQuantization } from '../../core/sizing/facts.ts';
import type { ModelAccess, ModelFacts } from '../../core/sizing/facts.ts';

/** How to reach the Hub. */
export interface HubAccess {
  readonly hubUrl: string;
  readonly fetch: typeof fetch;
  readonly accessToken?: string;
}

interface WeightFile {
  readonly path: string;
  readonly bytes: number;
}

/** Errors for files that are not JSON or not safetensors, or whose server does not state their length. */
const MALFORMED = [SyntaxError, SafetensorParseError, InvalidApiResponseFormatError];
const LARGEST_CONFIG_BYTES = 4 * 1_048_576;

/**
 * The Hub's facts about the size of a model. `GET /api/models/{model}` gives the task and the parameters by dtype. Its
 * `config` has neither layers nor heads, so `config.json` is read. If it counts no parameters, the headers of the
 * safetensors files are read. If a count alone gives no size (quantised weights, GGUF, no safetensors), the files'
 * sizes are used. Facts that the token may not read, or that do not exist, stay unknown. An adapter has the facts of its
 * base. Rejects as `@huggingface/hub` does.
 */
export async function readFacts(model: string, access: HubAccess): Promise<ModelFacts> {
  const info = await modelInfo({
    name: model,
    ...access,
    additionalFields: ['safetensors', 'config', 'library_name', 'tags', 'filePaths'],
  });
  if (isAdapter(info.filePaths)) return readAdapterFacts(model, info, access);
  const paths = info.filePaths;
  const config = (await orNothing(() => readJson(model, 'config.json', access))) ?? info.config;
  const quantization = readQuantization(config);
  const hasSafetensors = paths.some((path) => path.endsWith('.safetensors'));
  const isGguf =
    !hasSafetensors && (paths.some((path) => path.endsWith('.gguf')) || listed(info.tags).includes('gguf'));
  const counted = info.safetensors?.parameters ?? null;
  const parameters =
    counted ??
    (hasSafetensors ? ((await orNothing(() => countParameters(model, info.library_name, access))) ?? null) : null);
  const needsFiles = isGguf || quantization !== null || parameters === null;
  const files = needsFiles ? ((await orNothing(() => listWeights(model, isGguf, access))) ?? []) : [];
  const chosen = isGguf ? chooseGguf(files) : chooseWeights(files);
  const own = readArchitecture(config);
  return {
    model,
    task: info.task ?? null,
    parameters,
    fileBytes: chosen.length === 0 ? null : chosen.reduce((sum, { bytes }) => sum + bytes, 0),
    quantization,
    architecture: own ?? (isGguf ? await architectureOfBase(listed(info.tags), access) : null),
    gguf: isGguf ? ggufOf(chosen, paths) : null,
    access: accessOf(model, info, config),
  };
}

type Card = Pick<Awaited<ReturnType<typeof modelInfo>>, 'gated' | 'private'> & {
  readonly task?: string;
  readonly tags?: readonly string[];
};

/** The Hub tags `custom_code` what has `auto_map` in its config, which a token may not be allowed to read. */
function accessOf(model: string, { gated, private: isPrivate, tags = [] }: Card, config: unknown): ModelAccess {
  const names = at(config, 'auto_map');
  const isNamed = typeof names === 'object' && names !== null && Object.keys(names).length > 0;
  const hasCode = isNamed || tags.includes('custom_code');
  const isGated = gated !== false && gated !== undefined;
  return { gated: isGated ? [model] : [], private: isPrivate ? [model] : [], shut: [], hasCode };
}

/** Whether a repository holds an adapter and no model of its own. */
function isAdapter(paths: readonly string[]): boolean {
  const isWhole = (path: string) => /^(?:model|pytorch_model|consolidated)\b.*\.(?:safetensors|bin)$/.test(path);
  return paths.includes('adapter_config.json') && !paths.some(isWhole);
}

/** The facts of an adapter's base, with the adapter. What the Hub does not show of the base stays unknown. */
async function readAdapterFacts(model: string, card: Card, access: HubAccess): Promise<ModelFacts> {
  const files = (await orNothing(() => listWeights(model, false, access))) ?? [];
  const own = files.filter(({ path }) => path.startsWith('adapter_model.'));
  const bytes = own.length === 0 ? null : own.reduce((sum, each) => sum + each.bytes, 0);
  const config = await orNothing(() => readJson(model, 'adapter_config.json', access));
  const adapter = readAdapter(config, bytes, card.tags);
  const { base } = adapter;
  const found = base === null ? undefined : await orNothing(() => readFacts(base, access));
  const of = accessOf(model, card, undefined);
  if (found === undefined) {
    const baseProblem = adapter.baseProblem ?? `the Hub shows HF_TOKEN no model ${base}, which is its base`;
    const task = card.task ?? null;
    const unknown = { parameters: null, fileBytes: null, quantization: null, architecture: null, gguf: null };
    return { model, task, ...unknown, adapter: { ...adapter, baseProblem }, access: of };
  }
  const problem = found.adapter === undefined ? adapter.baseProblem : `its base ${base} is an adapter, too`;
  const both = (key: 'gated' | 'private') => [...of[key], ...(found.access?.[key] ?? [])];
  return {
    ...found,
    model,
    task: card.task ?? found.task,
    adapter: { ...adapter, baseProblem: problem },
    access: { ...of, gated: both('gated'), private: both('private'), hasCode: found.access?.hasCode === true },
  };
}

/** The architecture of the model from which a GGUF was made, if its card names one: most such repositories have no config. */
async function architectureOfBase(tags: readonly string[], access: HubAccess): Promise<ModelFacts['architecture']> {
  const mark = 'base_model:quantized:';
  const base = tags.find((tag) => tag.startsWith(mark))?.slice(mark.length);
  return base === undefined ? null : readArchitecture(await orNothing(() => readJson(base, 'config.json', access)));
}

/** If the files cannot be listed, the card still names them. */
function ggufOf(chosen: readonly WeightFile[], paths: readonly string[]): ModelFacts['gguf'] {
  const [first] = chosen.length > 0 ? chosen : chooseGguf(paths.map((path) => ({ path, bytes: 0 })));
  return first === undefined ? null : { path: first.path };
}

/** A list that the library's types promise, but that some answers lack. */
function listed(tags: readonly string[] | undefined): readonly string[] {
  return tags ?? [];
}

/**
 * The answer; undefined if the file does not exist, the token may not read it, or its content is not of the expected
 * form.
 */
async function orNothing<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof HubApiError) {
      if ([401, 403, 404].includes(error.statusCode)) return undefined;
      throw error;
    }
    // The library throws a plain Error if a repository's weight files have unexpected names.
    const isElsewhere = error instanceof Error && error.message.includes('does not seem to contain safetensors');
    if (isElsewhere || MALFORMED.some((kind) => error instanceof kind)) return undefined;
    throw error;
  }
}

async function readJson(model: string, path: string, access: HubAccess): Promise<unknown> {
  const blob = await downloadFile({ repo: model, path, ...access });
  if (blob === null || blob.size > LARGEST_CONFIG_BYTES) return undefined;
  return JSON.parse(await blob.text()) as unknown;
}

async function countParameters(
  model: string,
  library: string | undefined,
  access: HubAccess,
): Promise<Record<string, number>> {
  const hint = library === undefined ? {} : { library };
  const found = await parseSafetensorsMetadata({ repo: model, computeParametersCount: true, ...hint, ...access });
  return Object.fromEntries(Object.entries(found.parameterCount).filter(([, count]) => count > 0));
}

/** `recursive`: also those in folders. Large GGUF repositories have a folder for each quantisation. */
async function listWeights(model: string, recursive: boolean, access: HubAccess): Promise<WeightFile[]> {
  const files: WeightFile[] = [];
  for await (const { type, path, size } of listFiles({ repo: model, recursive, ...access })) {
    if (type === 'file' && /\.(?:safetensors|gguf|bin|pt|pth)$/.test(path)) files.push({ path, bytes: size });
  }
  return files;
}

/** The weights that an engine loads. Some repositories hold them twice: whole and in shards, or in older formats. */
function chooseWeights(files: readonly WeightFile[]): readonly WeightFile[] {
  const tensors = files.filter(({ path }) => path.endsWith('.safetensors'));
  const shards = tensors.filter(({ path }) => /^model-\d+-of-\d+\.safetensors$/.test(path));
  if (shards.length > 0) return shards;
  const whole = tensors.filter(({ path }) => path === 'model.safetensors');
  if (whole.length > 0) return whole;
  if (tensors.length > 0) return tensors;
  return files.filter(({ path }) => /^pytorch_model.*\.bin$/.test(path));
}

/**
 * The file that llama.cpp loads by default (`--hf-repo` without a quantisation): Q4_K_M, otherwise the first; with all
 * its parts, the first part in front. Projectors for pictures and matrices of
 * importance do not count.
 */
function chooseGguf(files: readonly WeightFile[]): readonly WeightFile[] {
  const all = files
    .filter(({ path }) => path.endsWith('.gguf') && !/mmproj|imatrix/i.test(path))
    .toSorted((a, b) => a.path.localeCompare(b.path, 'en'));
  const first = all.find(({ path }) => /q4_k_m/i.test(path)) ?? all[0];
  if (first === undefined) return [];
  const part = /^(.*)-\d{5}-of-\d{5}\.gguf$/.exec(first.path);
  return part === null ? [first] : all.filter(({ path }) => path.startsWith(`${part[1]}-`));
}
