import { shapeOf } from '../answer/shapes.ts';
import { takesBody } from '../answer/tasks.ts';
import type { AnswerKind } from '../answer/wanted.ts';
import { splitModelName } from '../hub/models.ts';
import type { SimulatedModel } from '../hub/models.ts';
import { modelInForm, nativeShapeOf } from './native.ts';
import type { NativeShape } from './native.ts';

export type Shape = AnswerKind | 'embedding' | 'task' | NativeShape;

/** The facts in the path of a call to the router. */
export interface Target {
  readonly shape: Shape;
  readonly provider: string | undefined;
  /** From the path of a task route. */
  readonly modelId: string | undefined;
  readonly pipeline: string | undefined;
}

/** The model that a call names; `model` is undefined if it is unknown. */
export interface Named {
  readonly asked: string;
  /** The part after the colon: a provider or a policy such as `fastest`. */
  readonly suffix: string | undefined;
  readonly model: SimulatedModel | undefined;
}

/** Reads `/v1/...`, `/{provider}/...` and `/hf-inference/models/{org}/{name}[/...]`; undefined for any other path. */
export function readTarget(path: string): Target | undefined {
  const named = /^\/hf-inference\/models\/([^/]+\/[^/]+)(\/.*)?$/.exec(path);
  if (named) {
    const rest = named[2] ?? '';
    const pipeline = /^\/pipeline\/([\w-]+)$/.exec(rest)?.[1];
    const shape = rest === '' || pipeline !== undefined ? 'task' : shapeOf(rest);
    return shape && { shape, provider: 'hf-inference', modelId: named[1], pipeline };
  }
  const shape = nativeShapeOf(path) ?? shapeOf(path);
  const first = path.split('/')[1];
  return shape && { shape, provider: first === 'v1' ? undefined : first, modelId: undefined, pipeline: undefined };
}

/** Finds the model by the path, by the form or by the body. */
export function findModel(
  models: ReadonlyMap<string, SimulatedModel>,
  { shape, modelId }: Target,
  call: { readonly path: string; readonly raw: Buffer; readonly body: Record<string, unknown> },
): Named {
  if (shape === 'queue') {
    // fal.ai calls name the model in the path, by fal.ai's own id.
    const id = call.path.slice(1).split('/').slice(1).join('/');
    const model = [...models.values()].find(({ providerIds }) => providerIds?.['fal-ai'] === id);
    return { asked: id, suffix: undefined, model };
  }
  const named = shape === 'transcript' ? modelInForm(call.raw) : call.body['model'];
  const asked = modelId ?? (typeof named === 'string' ? named : '');
  const { id, suffix } = splitModelName(asked);
  return { asked, suffix, model: models.get(id) };
}

/** Whether a body that is not a JSON object is allowed: a form, or a body that the model's task accepts. */
export function takesBytes(shape: Shape, raw: Buffer, model: SimulatedModel | undefined): boolean {
  return shape === 'transcript' || (shape === 'task' && (!model || takesBody(model, raw)));
}

/** Whether the answer to a shape is text, written token by token. */
export function isWritten(shape: Shape): shape is AnswerKind {
  return (
    shape === 'generation' || shape === 'chat' || shape === 'completion' || shape === 'response' || shape === 'message'
  );
}
