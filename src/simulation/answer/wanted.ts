import type { Finish } from '../../core/form/form.ts';

/** `generation` is TGI's own form. */
export type AnswerKind = 'chat' | 'completion' | 'response' | 'message' | 'generation';

/** An answer as its model makes it, before it gets the form of an interface. */
export interface Wanted {
  readonly kind: AnswerKind;
  readonly id: string;
  /** The model's name in the answer. */
  readonly model: string;
  readonly promptTokens: number;
  /** Reasoning included. */
  readonly outputTokens: number;
  readonly reasoningTokens: number;
  readonly createdSeconds: number;
  readonly includeUsage: boolean;
  readonly finish: Extract<Finish, 'stop' | 'length' | 'tool_calls'>;
  /** The thoughts before the answer; empty if there are none. */
  readonly reasoning: string;
  /** The text of the answer; empty if it calls a tool. */
  readonly text: string;
  /** The tool that the answer calls; undefined: it is text. */
  readonly tool: ToolCall | undefined;
}

/** A call of a tool. */
export interface ToolCall {
  readonly name: string;
  /** JSON text, which may be cut off or wrong, as a model's may. */
  readonly args: string;
}

/** An answer in the pieces of a stream. */
export interface Pieces {
  readonly reasoning: readonly string[];
  /** Of the text, or of the tool's arguments. */
  readonly said: readonly string[];
}
