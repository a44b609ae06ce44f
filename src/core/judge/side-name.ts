import type { UpstreamKind } from '../route.ts';

/** The name of a kind of upstream in a sentence. */
export function sideName(kind: UpstreamKind): string {
  return kind === 'dedicated' ? 'the endpoint' : 'serverless';
}
