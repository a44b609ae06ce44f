import type { AnswerKind } from './wanted.ts';

const SHAPES: readonly [suffix: string, shape: AnswerKind | 'embedding'][] = [
  ['/chat/completions', 'chat'],
  ['/completions', 'completion'],
  ['/embeddings', 'embedding'],
  ['/responses', 'response'],
  ['/messages', 'message'],
];

export function shapeOf(path: string): AnswerKind | 'embedding' | 'task' | undefined {
  return SHAPES.find(([suffix]) => path.endsWith(suffix))?.[1];
}
