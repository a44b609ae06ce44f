/** `generation` is TGI's own form. */
export type AnswerKind = 'chat' | 'completion' | 'response' | 'message' | 'generation';

/** What a call asks for, as its body states it. */
export interface Wanted {
  readonly kind: AnswerKind;
  readonly id: string;
  /** The model's name in the answer. */
  readonly model: string;
  readonly promptTokens: number;
  readonly outputTokens: number;
  readonly createdSeconds: number;
  readonly includeUsage: boolean;
  /** The exact text of the answer if the call needs one (JSON); otherwise filler of about the right length. */
  readonly text: string | undefined;
  /** The tool that the answer calls; undefined: it is text. */
  readonly tool: ToolCall | undefined;
}

/** A call of a tool, in the form of OpenAI's chat. */
export interface ToolCall {
  readonly name: string;
  /** JSON text. */
  readonly args: string;
}
