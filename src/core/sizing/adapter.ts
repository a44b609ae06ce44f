import { at, count } from '../json.ts';

/** A repository that holds only a PEFT adapter: what is trained on top of another model, its base. */
export interface Adapter {
  /** The repository of its base on the Hub. Null if its config names none. */
  readonly base: string | null;
  /** The largest rank of its matrices. */
  readonly rank: number;
  /** Bytes of its own files. Null if they are not known. */
  readonly bytes: number | null;
  /** Why an engine cannot load it beside its base, so that it must be merged. Null if vLLM can. */
  readonly mustMerge: string | null;
  /** Why the base's size is not known. Null if it is. */
  readonly baseProblem: string | null;
}

/** The values of vLLM's `--max-lora-rank` (`vllm/config/lora.py`). */
const RANKS = [8, 16, 32, 64, 128, 256, 320, 512];
/** Neither `./base` nor `../base`, which are paths. */
const REPOSITORY = /^\w[\w.-]*\/\w[\w.-]*$/;
const BASE_TAG = 'base_model:adapter:';

/**
 * Reads PEFT's `adapter_config.json`. Its base may be a path on the disk of who trained it; then it is what a tag of the
 * card names (`base_model:adapter:org/name`).
 */
export function readAdapter(config: unknown, bytes: number | null, tags: readonly string[] = []): Adapter {
  const tagged = tags.find((tag) => tag.startsWith(BASE_TAG))?.slice(BASE_TAG.length);
  const named = [at(config, 'base_model_name_or_path'), tagged];
  const base = named.find((name): name is string => typeof name === 'string' && REPOSITORY.test(name)) ?? null;
  const ranks = [count(at(config, 'r')), ...Object.values(patternOf(config)).map((rank) => count(rank))];
  const rank = Math.max(0, ...ranks.filter((one) => one !== null));
  const baseProblem = base === null ? 'neither its adapter_config.json nor its card names its base on the Hub' : null;
  return { base, rank, bytes, mustMerge: whyMerge(config, rank), baseProblem };
}

function patternOf(config: unknown): object {
  const pattern = at(config, 'rank_pattern');
  return typeof pattern === 'object' && pattern !== null ? pattern : {};
}

/** What vLLM refuses when it loads an adapter (`vllm/lora/peft_helper.py`). */
function whyMerge(config: unknown, rank: number): string | null {
  const type = at(config, 'peft_type');
  const saved = at(config, 'modules_to_save');
  const bias = at(config, 'bias') ?? 'none';
  if (type !== 'LORA')
    return `engines load LoRA only, and it is ${typeof type === 'string' ? type : 'of no known type'}`;
  if (at(config, 'use_dora') === true) return 'vLLM does not load DoRA';
  if (Array.isArray(saved) && saved.length > 0) return 'vLLM does not load modules_to_save';
  if (bias !== 'none') return 'vLLM does not load biases';
  if (rank > (RANKS.at(-1) ?? 0)) return `its rank ${rank} is above the ${RANKS.at(-1)} of vLLM`;
  return null;
}

/** The `--max-lora-rank` under which vLLM loads an adapter. */
export function loadedRank(rank: number): number {
  return RANKS.find((one) => one >= rank) ?? rank;
}
