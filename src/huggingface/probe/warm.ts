import { AppError } from '../../core/errors.ts';
import type { CallShape } from '../../core/route.ts';
import { engineShapes } from '../../core/sizing/engine-shapes.ts';
import type { Engine } from '../../core/sizing/engine-shapes.ts';
import { proxyMeaning } from '../../core/wire/proxy-answers.ts';
import type { ProxyMeaning } from '../../core/wire/proxy-answers.ts';
import { CALL_HINT } from './probe.ts';
import type { ProbeResult } from './probe-shape.ts';

export interface WarmUpWish {
  readonly url: string;
  readonly token: string | null;
  /** The model's name on the Hub; calls use it if no `servedModel` is known. */
  readonly model: string;
  readonly servedModel: string | null;
  /** The shapes seen in traffic; if there are none, the engine's first shape is probed. */
  readonly shapes: readonly CallShape[];
  readonly engine: Engine;
  readonly signal?: AbortSignal;
}

export interface WarmUp {
  /** The shapes that the endpoint has answered correctly: base kinds, and kinds with one feature. */
  readonly shown: readonly CallShape[];
  readonly failed: readonly { readonly shape: CallShape; readonly why: string }[];
  /** How many calls succeeded. */
  readonly calls: number;
}

const FEWEST_CALLS = 3;
/** Statuses of an endpoint that is starting or full. */
const PASSING = new Set([429, 502, 503, 504]);

/**
 * Makes an endpoint ready: probes the shapes that cover the traffic (each kind, and each kind with each feature alone),
 * then repeats until three calls in all have succeeded. Throws AppError `unavailable` if a kind alone gets no answer
 * (starting, full, paused, unreachable), or if three calls do not succeed; the caller may try again. Throws
 * `unauthorized` if the token may not call the endpoint. `failed` lists the shapes that are refused or answered wrongly.
 */
export async function warmUp(wish: WarmUpWish): Promise<WarmUp> {
  const { url, token, engine, signal } = wish;
  const model = wish.servedModel ?? wish.model;
  const { probed, left } = plan(wish.shapes, engine);
  // Its library has 150 modules, and a daemon rarely warms up an endpoint.
  const { probeShape } = await import('./probe-shape.ts');
  const shown: CallShape[] = [];
  const failed = left.map((shape) => ({ shape, why: `not probed on ${engine}: stays on serverless` }));
  let calls = 0;
  for (const shape of probed) {
    const [kind = shape] = shape.split('+');
    if (kind !== shape && !shown.includes(kind)) {
      failed.push({ shape, why: `not probed, since ${kind} by itself failed` });
      continue;
    }
    let result = await probeShape(url, token, model, shape, signal);
    if (isPassing(result)) result = await probeShape(url, token, model, shape, signal);
    if (result.ok) {
      shown.push(shape);
      calls++;
      continue;
    }
    if (meaningOf(result) === 'forbidden') throw forbidden(shape, result);
    if (isPassing(result) && kind === shape) throw notReady(shape, result);
    failed.push({ shape, why: result.error ?? 'unknown' });
  }
  for (let i = 0; calls < FEWEST_CALLS && shown.length > 0; i++) {
    const shape = shown[i % shown.length] as CallShape;
    const result = await probeShape(url, token, model, shape, signal);
    // An endpoint that answered a moment ago and does not answer now is not ready for traffic.
    if (!result.ok) throw notReady(shape, result);
    calls++;
  }
  return { shown, failed, calls };
}

function plan(shapes: readonly CallShape[], engine: Engine) {
  const known = engineShapes(engine);
  const wanted = new Set<CallShape>();
  for (const shape of shapes.length === 0 ? known.slice(0, 1) : shapes) {
    const [kind = shape, ...features] = shape.split('+');
    wanted.add(kind);
    for (const feature of features) wanted.add(`${kind}+${feature}`);
  }
  return {
    probed: known.filter((shape) => wanted.has(shape)),
    left: [...wanted].filter((shape) => !known.includes(shape)),
  };
}

/** Whether a result proves nothing about the shape, because the endpoint was not there to answer. */
function isPassing(result: ProbeResult): boolean {
  const { ok, status } = result;
  return !ok && (status === null || PASSING.has(status) || meaningOf(result) === 'paused');
}

function meaningOf({ status, error }: ProbeResult): ProxyMeaning | null {
  return status === null || error === null ? null : proxyMeaning(status, error);
}

function forbidden(shape: CallShape, { status, error }: ProbeResult): AppError {
  return new AppError('unauthorized', `the endpoint refuses a call of ${shape} (${status}): ${error}`, {
    hint: CALL_HINT,
  });
}

function notReady(shape: CallShape, { status, error }: ProbeResult): AppError {
  const answered = status === null ? '' : ` (${status})`;
  return new AppError('unavailable', `the endpoint does not answer ${shape} yet${answered}: ${error ?? 'unknown'}`, {
    hint: 'upshift warms it up again; see its log in the Endpoints console',
  });
}
