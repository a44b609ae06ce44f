import { callShape } from '../core/route.ts';
import type { CallFeature, CallShape } from '../core/route.ts';
import { LONGEST_MODEL } from '../core/wire/bypass.ts';
import { baseModel } from '../core/wire/destination.ts';
import type { Destination } from '../core/wire/destination.ts';
import type { Body } from './outgoing.ts';

/** The model and shape of a call, as the gateway reads them. */
export interface Question {
  readonly model: string | null;
  readonly shape: CallShape;
}

const MEDIA = /"(?:image_url|video_url|input_audio)"/;

/** Reads a call's model and shape from its path and body. A body that is not a JSON object gives neither. */
export function readQuestion({ kind, model }: Destination, headers: Headers, body: Body | null): Question {
  const isEncoded = (headers.get('content-encoding') ?? 'identity') !== 'identity';
  const text = kind === 'models' || isEncoded ? null : textOf(body);
  const asked = text === null ? null : parseObject(text);
  if (asked === null) return { model: nameOf(model), shape: kind };
  const named = typeof asked['model'] === 'string' ? baseModel(asked['model']) : null;
  if (kind === 'native') return { model: nameOf(model ?? named), shape: kind };
  const features = new Set<CallFeature>();
  const { stream, tools, response_format: format } = asked;
  if (stream === true) features.add('stream');
  if (Array.isArray(tools) ? tools.length > 0 : tools !== undefined && tools !== null) features.add('tools');
  if (format !== undefined && format !== null) features.add('structured');
  if (MEDIA.test(text ?? '')) features.add('media');
  return { model: nameOf(named), shape: callShape(kind, features) };
}

function textOf(body: Body | null): string | null {
  if (typeof body === 'string') return body;
  if (body instanceof ArrayBuffer) return Buffer.from(body).toString();
  return ArrayBuffer.isView(body) ? Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString() : null;
}

function parseObject(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text.replace(/^\uFEFF/, ''));
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null;
  } catch {
    return null;
  }
}

/** A model's name in the form that a report allows. */
function nameOf(model: string | null): string | null {
  if (model === null || model === '' || model.length > LONGEST_MODEL) return null;
  return /[\x00-\x1f\x7f]/.test(model) || !model.isWellFormed() ? null : model;
}
