/**
 * Tokens by which engines and models mark turns and calls of tools, and which no client should see in a text. Sources: the
 * tool parsers of vLLM (hermes, mistral, llama3_json, pythonic, deepseek_v3, kimi_k2, glm45, qwen3_coder, minimax, granite,
 * jamba, internlm, seed_oss) and of SGLang, and the chat templates of these models. Names in `<|...|>` and `<｜...｜>` are one
 * form for many models: ChatML, Llama 3, Phi, Harmony, Kimi, GLM, DeepSeek.
 */
const NAMES: readonly string[] = [
  '</?tool_calls?>',
  '</?tool_response>',
  '<function=[\\w.-]{1,64}>',
  '</?arg_(?:key|value)>',
  '</?(?:minimax|seed|longcat):?_?tool_calls?>',
  '</?(?:start|end)_of_turn>',
  '<\\|[a-z][a-z0-9_]{1,40}\\|>',
  '<｜[^｜<>\\s]{1,40}｜>?',
  '\\[/?(?:INST|TOOL_CALLS|TOOL_RESULTS|AVAILABLE_TOOLS|TOOL_CONTENT)\\]',
];
const LEAK = new RegExp(NAMES.join('|'), 'gi');
/** Further ones are not looked at. */
const MOST = 8;

/**
 * Whether a text holds tokens of a chat template. One that the request names too is none, because then the two talk about
 * it: `isNamed` tells that. A model that explains chat templates unasked is taken for one that leaks.
 */
export function hasLeak(text: string, isNamed: (token: string) => boolean): boolean {
  if (!text.includes('<') && !text.includes('[')) return false;
  LEAK.lastIndex = 0;
  for (let n = 0; n < MOST; n++) {
    const found = LEAK.exec(text);
    if (found === null) return false;
    if (!isNamed(found[0])) return true;
  }
  return false;
}
