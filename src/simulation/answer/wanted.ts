export type AnswerKind = 'chat' | 'completion' | 'response' | 'message';

/** What a call asks for, read from its body. */
export interface Wanted {
  readonly kind: AnswerKind;
  readonly id: string;
  /** The name the answer carries. */
  readonly model: string;
  readonly promptTokens: number;
  readonly outputTokens: number;
  readonly createdSeconds: number;
  readonly includeUsage: boolean;
  /** Text of the answer where it must be a certain one (JSON); otherwise filler of about the right length. */
  readonly text: string | undefined;
}
