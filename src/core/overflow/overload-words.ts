import { errorText, jsonOrText } from '../wire/error-text.ts';

/** What an engine or the proxy before it says if it takes no more calls now. */
interface OverloadWords {
  /** Who says it. */
  readonly who: string;
  /** Matches the error text from its first character, because an engine may quote a request further on. */
  readonly says: RegExp;
}

/**
 * The words of a 503 that stand for an overload. A 429 needs none, and neither does a 503 with Retry-After. Words alone
 * never decide: see `EndpointLoad`.
 */
const OVERLOADED: readonly OverloadWords[] = [
  // Its options `--max-num-queued-reqs` and `--max-num-queued-tokens` refuse with 503.
  { who: 'vLLM', says: /^(?:the )?(?:request |engine |server )?queue (?:is full|overflow)/i },
  { who: 'vLLM', says: /^too many (?:queued |in-flight |pending )?(?:requests|prompt tokens)/i },
  // `--max-queued-requests`: its scheduler refuses with 503.
  { who: 'SGLang', says: /^the request queue is full/i },
  { who: 'SGLang', says: /^the request is aborted by a higher priority request/i },
  // Its tools/server: `unavailable_error` while every slot is taken.
  { who: 'llama.cpp', says: /^(?:no slots? available|all slots are (?:busy|taken)|slot unavailable)/i },
  // Their routers use 429. Behind a proxy that knows only 503 the text is the same.
  { who: 'TGI, TEI', says: /^(?:model|service) is overloaded/i },
  // The router of a custom container of Inference Endpoints.
  { who: 'Inference Endpoints', says: /^queue (?:is )?full/i },
  // Envoy's circuit breaker and its overload manager; NGINX's `limit_conn` gives no text of its own.
  { who: 'Envoy', says: /^(?:envoy overloaded|upstream connect error .{0,80}overflow)/i },
  // What other servers say, in the words of RFC 9110, 15.6.4.
  {
    who: 'others',
    says: /^(?:the )?(?:server|engine|system) (?:is )?(?:currently |temporarily )?(?:overloaded|busy|at capacity)/i,
  },
];

/** Whether the body of a 503 says that there is no room for the call now. */
export function saysOverloaded(body: string): boolean {
  const said = errorText(jsonOrText(body))?.trimStart();
  return said !== undefined && OVERLOADED.some(({ says }) => says.test(said));
}
