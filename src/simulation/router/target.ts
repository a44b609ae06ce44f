import { shapeOf } from '../answer/shapes.ts';
import { takesBody } from '../answer/tasks.ts';
import type { AnswerKind } from '../answer/wanted.ts';
import { splitModelName } from '../hub/models.ts';
import type { SimulatedModel } from '../hub/models.ts';
import { modelInForm, nativeShapeOf } from './native.ts';
import type { NativeShape } from './native.ts';

export type Shape = AnswerKind | 'embedding' | 'task' | NativeShape;

/** What the path of a call to the router says. */
export interface Target {
  readonly shape: Shape;
  readonly provider: string | undefined;
  /** From the path of a task route. */
  readonly modelId: string | undefined;
  readonly pipeline: string | undefined;
}

/** The model that a call names; `model` is undefined if nobody knows it. */
export interface Named {
  readonly asked: string;
  /** What follows the colon: a provider or a policy such as `fastest`. */
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
    // fal.ai names the model, by its own id, in the path.
    const id = call.path.slice(1).split('/').slice(1).join('/');
    const model = [...models.values()].find(({ providerIds }) => providerIds?.['fal-ai'] === id);
    return { asked: id, suffix: undefined, model };
  }
  const named = shape === 'transcript' ? modelInForm(call.raw) : call.body['model'];
  const asked = modelId ?? (typeof named === 'string' ? named : '');
  const { id, suffix } = splitModelName(asked);
  return { asked, suffix, model: models.get(id) };
}

/** Whether a body that is no JSON object will do: a form, or what the model's task takes. */
export function takesBytes(shape: Shape, raw: Buffer, model: SimulatedModel | undefined): boolean {
  return shape === 'transcript' || (shape === 'task' && (!model || takesBody(model, raw)));
}

/** Whether a shape is answered with text that is written token by token. */
export function isWritten(shape: Shape): shape is AnswerKind {
  return shape === 'chat' || shape === 'completion' || shape === 'response' || shape === 'message';
}
