import type { BYPASS_ENDS } from '../core/wire/bypass.ts';

export type End = (typeof BYPASS_ENDS)[number];

/** The last event of a stream: a client that has read it may disconnect without an error. */
const LAST_EVENT = /\[DONE\]|message_stop|response\.completed/;
const TAIL_BYTES = 4_096;

/**
 * An answer that reports its end once: when its body is read, breaks off, or is cancelled; the first of these counts. A
 * body that nobody reads reports nothing. An answer without a body, or with an error status, reports at once.
 */
export function watched(answer: Response, signal: AbortSignal | undefined, onEnd: (end: End) => void): Response {
  const { body, status, statusText, headers, url, redirected } = answer;
  if (body === null || status >= 400) {
    onEnd('complete');
    return answer;
  }
  const reader = body.getReader();
  let last: Uint8Array = new Uint8Array();
  const left = () => onEnd(LAST_EVENT.test(Buffer.from(last).toString('latin1')) ? 'complete' : 'left');
  // A caller that aborts may never read the body again.
  signal?.addEventListener('abort', left, { once: true });
  const ended = (end: End) => {
    signal?.removeEventListener('abort', left);
    onEnd(end);
  };
  const passed = new ReadableStream({
    type: 'bytes',
    async pull(controller) {
      try {
        const { done, value } = await reader.read();
        if (!done) {
          // Enqueued bytes change owner, so a copy of their end is checked.
          last = value.slice(-TAIL_BYTES);
          controller.enqueue(value);
          return;
        }
        ended('complete');
        controller.close();
        controller.byobRequest?.respond(0);
      } catch (error) {
        if (signal?.aborted !== true) ended('broken');
        controller.error(error);
      }
    },
    cancel(reason) {
      signal?.removeEventListener('abort', left);
      left();
      return reader.cancel(reason);
    },
  });
  const made = new Response(passed, { status, statusText, headers });
  return Object.defineProperties(made, { url: { value: url }, redirected: { value: redirected } });
}
