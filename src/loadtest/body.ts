/** The content of one call. */
export interface BodyWish {
  readonly model: string;
  /** Start of the prompt; it makes every prompt different. */
  readonly name: string;
  readonly promptTokens: number;
  readonly outputTokens: number;
  readonly isStreamed: boolean;
  /**
   * Send a short prompt and state its intended length in `metadata.prompt_tokens`. This is cheap, but only the
   * simulation understands it.
   */
  readonly isAbridged?: boolean;
}

const PROMPT = 'Look at the figures of the last hour and say which of the open tasks should be taken up first. ';
const CHARACTERS_PER_TOKEN = 4;
const ABRIDGED_CHARACTERS = 300;

/** The body of a chat call whose prompt has about the wanted number of tokens; four characters count as one token. */
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
