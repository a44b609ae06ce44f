/** What one call asks for. */
export interface BodyWish {
  readonly model: string;
  /** Stands at the beginning of the prompt, so that no two prompts are the same. */
  readonly name: string;
  readonly promptTokens: number;
  readonly outputTokens: number;
  readonly isStreamed: boolean;
  /** A short prompt, and its true length in `metadata.prompt_tokens`: cheap, and only the simulation understands it. */
  readonly isAbridged?: boolean;
}

const PROMPT = 'Look at the figures of the last hour and say which of the open tasks should be taken up first. ';
const CHARACTERS_PER_TOKEN = 4;
const ABRIDGED_CHARACTERS = 300;

/** The body of a chat call, its prompt about as many tokens long as wished: four characters count as one. */
export function writeBody(wish: BodyWish): string {
  const { model, name, promptTokens, outputTokens, isStreamed, isAbridged = false } = wish;
  const whole = promptTokens * CHARACTERS_PER_TOKEN;
  const length = isAbridged ? Math.min(ABRIDGED_CHARACTERS, whole) : whole;
  const content = `${name}. ${PROMPT.repeat(Math.ceil(length / PROMPT.length)).slice(0, length)}`;
  return JSON.stringify({
    model,
    messages: [{ role: 'user', content }],
    max_tokens: outputTokens,
    ...(isStreamed ? { stream: true, stream_options: { include_usage: true } } : {}),
    ...(isAbridged ? { metadata: { prompt_tokens: String(promptTokens) } } : {}),
  });
}
