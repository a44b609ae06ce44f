import {
  downloadFile,
  HubApiError,
  InvalidApiResponseFormatError,
  listFiles,
  modelInfo,
  parseSafetensorsMetadata,
  SafetensorParseError,
} from '@huggingface/hub';
import { readArchitecture } from '../../core/sizing/architecture.ts';
import { readQuantization } from '../../core/sizing/facts.ts';
import type { ModelFacts } from '../../core/sizing/facts.ts';

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
 * sizes are used. Facts that the token may not read, or that do not exist, stay unknown. Rejects as `@huggingface/hub`
 * does.
 */
export async function readFacts(model: string, access: HubAccess): Promise<ModelFacts> {
  const info = await modelInfo({
    name: model,
    ...access,
    additionalFields: ['safetensors', 'config', 'library_name', 'tags', 'filePaths'],
  });
  const paths = info.filePaths;
  const config = (await orNothing(() => readConfig(model, access))) ?? info.config;
  const quantization = readQuantization(config);
  const hasSafetensors = paths.some((path) => path.endsWith('.safetensors'));
  const isGguf =
    !hasSafetensors && (paths.some((path) => path.endsWith('.gguf')) || listed(info.tags).includes('gguf'));
  const counted = info.safetensors?.parameters ?? null;
  const parameters =
    counted ??
    (hasSafetensors ? ((await orNothing(() => countParameters(model, info.library_name, access))) ?? null) : null);
  const needsFiles = isGguf || quantization !== null || parameters === null;
  const files = needsFiles ? ((await orNothing(() => listWeights(model, access))) ?? []) : [];
  const chosen = isGguf ? chooseGguf(files) : chooseWeights(files);
  return {
    model,
    task: info.task ?? null,
    parameters,
    fileBytes: chosen.length === 0 ? null : chosen.reduce((sum, { bytes }) => sum + bytes, 0),
    quantization,
    architecture: readArchitecture(config),
    gguf: isGguf && chosen[0] !== undefined ? { path: chosen[0].path } : null,
  };
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

async function readConfig(model: string, access: HubAccess): Promise<unknown> {
  const blob = await downloadFile({ repo: model, path: 'config.json', ...access });
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

async function listWeights(model: string, access: HubAccess): Promise<WeightFile[]> {
  const files: WeightFile[] = [];
  for await (const { type, path, size } of listFiles({ repo: model, ...access })) {
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
 * its parts, the first part in front. Projectors for pictures do not count.
 */
function chooseGguf(files: readonly WeightFile[]): readonly WeightFile[] {
  const all = files
    .filter(({ path }) => path.endsWith('.gguf') && !/mmproj/i.test(path))
    .toSorted((a, b) => a.path.localeCompare(b.path, 'en'));
  const first = all.find(({ path }) => /q4_k_m/i.test(path)) ?? all[0];
  if (first === undefined) return [];
  const part = /^(.*)-\d{5}-of-\d{5}\.gguf$/.exec(first.path);
  return part === null ? [first] : all.filter(({ path }) => path.startsWith(`${part[1]}-`));
}
