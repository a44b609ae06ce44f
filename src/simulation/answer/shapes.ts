import type { AnswerKind } from './wanted.ts';

const SHAPES: readonly [suffix: string, shape: AnswerKind | 'embedding'][] = [
  ['/chat/completions', 'chat'],
  ['/completions', 'completion'],
  ['/embeddings', 'embedding'],
  ['/responses', 'response'],
  ['/messages', 'message'],
  ['/generate', 'generation'],
  ['/generate_stream', 'generation'],
];

export function shapeOf(path: string): AnswerKind | 'embedding' | 'task' | undefined {
  return SHAPES.find(([suffix]) => path.endsWith(suffix))?.[1];
}

/** Whether an answer is wanted as a stream. TGI's own stream has a path of its own. */
export function isStreamed(path: string, body: Readonly<Record<string, unknown>>): boolean {
  return body['stream'] === true || path.endsWith('/generate_stream');
}
