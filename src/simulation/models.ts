/** What a model does, in the Hub's words. */
type ModelTask =
  'text-generation' | 'feature-extraction' | 'text-classification' | 'automatic-speech-recognition' | 'text-to-image';

/** A model as the simulated Hub and router know it. */
export interface SimulatedModel {
  /** `org/name`. */
  readonly id: string;
  readonly task: ModelTask;
  /** Completes text and knows no chat: providers list it for another task than their other language models. */
  readonly isBase?: true;
  readonly parameters: number;
  /**
   * `gated`: everyone sees the card, only those let in may use it (this token is not); `granted`: gated, and this token
   * is let in; `closed`: even the card is refused with 403; `private`: exists for nobody but its owner.
   */
  readonly access: 'open' | 'granted' | 'gated' | 'closed' | 'private';
  /** Who serves it behind the router, the fastest first; empty where nobody does. */
  readonly providers: readonly string[];
  /** What a provider calls it, where that is not its id. */
  readonly providerIds?: Readonly<Record<string, string>>;
  /** Dollars per million tokens, as the router's list shows them. */
  readonly pricing: { readonly input: number; readonly output: number };
  readonly dimensions?: number;
}

/** What the simulation knows unless it is told otherwise. */
export const DEFAULT_MODELS: readonly SimulatedModel[] = [
  {
    id: 'meta-llama/Llama-3.1-8B-Instruct',
    task: 'text-generation',
    parameters: 8_030_261_248,
    access: 'open',
    providers: ['groq', 'novita', 'nscale'],
    pricing: { input: 0.05, output: 0.08 },
  },
  {
    id: 'sentence-transformers/all-MiniLM-L6-v2',
    task: 'feature-extraction',
    parameters: 22_713_728,
    access: 'open',
    providers: ['hf-inference'],
    pricing: { input: 0.01, output: 0 },
    dimensions: 384,
  },
  {
    id: 'google/gemma-2-2b-it',
    task: 'text-generation',
    parameters: 2_614_341_888,
    access: 'granted',
    providers: ['nebius'],
    pricing: { input: 0.02, output: 0.06 },
  },
  {
    id: 'meta-llama/Llama-3.3-70B-Instruct',
    task: 'text-generation',
    parameters: 70_553_706_496,
    access: 'gated',
    providers: ['together', 'groq'],
    pricing: { input: 0.59, output: 0.79 },
  },
  {
    id: 'acme/closed-model',
    task: 'text-generation',
    parameters: 7_000_000_000,
    access: 'closed',
    providers: [],
    pricing: { input: 0.1, output: 0.1 },
  },
  {
    id: 'distilbert/distilbert-base-uncased-finetuned-sst-2-english',
    task: 'text-classification',
    parameters: 66_955_010,
    access: 'open',
    providers: ['hf-inference'],
    pricing: { input: 0.01, output: 0 },
  },
  {
    id: 'openai/whisper-large-v3',
    task: 'automatic-speech-recognition',
    parameters: 1_543_490_560,
    access: 'open',
    providers: ['hf-inference', 'together'],
    pricing: { input: 0.01, output: 0 },
  },
  {
    id: 'black-forest-labs/FLUX.1-schnell',
    task: 'text-to-image',
    parameters: 11_901_408_320,
    access: 'open',
    providers: ['hf-inference', 'together', 'fal-ai'],
    providerIds: { 'fal-ai': 'fal-ai/flux/schnell' },
    pricing: { input: 0.01, output: 0 },
  },
  {
    id: 'mistralai/Mistral-7B-v0.3',
    task: 'text-generation',
    isBase: true,
    parameters: 7_248_023_552,
    access: 'open',
    providers: ['together'],
    pricing: { input: 0.05, output: 0.05 },
  },
];

/** A router model name without its `:fastest`, `:cheapest`, `:preferred` or `:provider`. */
export function splitModelName(name: string): { id: string; suffix: string | undefined } {
  const colon = name.lastIndexOf(':');
  if (colon < 0) return { id: name, suffix: undefined };
  return { id: name.slice(0, colon), suffix: name.slice(colon + 1) };
}
