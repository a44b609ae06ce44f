export type AnswerKind = 'chat' | 'completion' | 'response' | 'message';

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
}
