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

/** How the Hub is asked. */
export interface HubAccess {
  readonly hubUrl: string;
  readonly fetch: typeof fetch;
  readonly accessToken?: string;
}

interface WeightFile {
  readonly path: string;
  readonly bytes: number;
}

/** Files that are no JSON, or no safetensors, or come from a server that does not tell how long they are. */
const MALFORMED = [SyntaxError, SafetensorParseError, InvalidApiResponseFormatError];
const LARGEST_CONFIG_BYTES = 4 * 1_048_576;

/**
 * What the Hub knows of a model that tells how large it is. From `GET /api/models/{model}` come task and parameters by dtype;
 * its `config` holds neither layers nor heads, so `config.json` is read; where it counts no parameters, the headers of the
 * safetensors are; and where a count alone is no size (quantised weights, GGUF, no safetensors), the files' sizes are.
 * What a token is not let in to, or what is not there, stays unknown. Rejects as `@huggingface/hub` does.
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

/** A list that the library promises, and some answers lack. */
function listed(tags: readonly string[] | undefined): readonly string[] {
  return tags ?? [];
}

/** The answer; undefined where what was asked for is not there, is not for us, or is not what it says it is. */
async function orNothing<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof HubApiError) {
      if ([401, 403, 404].includes(error.statusCode)) return undefined;
      throw error;
    }
    // The library throws a plain Error where a repository has weights of other names than it looks for.
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

/** The weights that an engine would load: repositories hold them twice at times, whole and in shards, or in older formats. */
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
 * The file that llama.cpp would take by itself (`--hf-repo` without a quantisation): Q4_K_M, else the first; with all its
 * parts, the first part in front. Projectors for pictures are none.
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
