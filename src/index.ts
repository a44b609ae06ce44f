import { createUpshiftFetch } from './client/fetch.ts';
import type { UpshiftFetch } from './client/fetch.ts';
export { createUpshiftFetch } from './client/fetch.ts';
export type { UpshiftFetch } from './client/fetch.ts';
export type { UpshiftFetchOptions } from './client/settings.ts';

/**
 * A `fetch` for clients of Hugging Face's inference, as the environment says: through the gateway at
 * `UPSHIFT_GATEWAY_URL`, as the agent `UPSHIFT_AGENT_ID`. While the gateway is away, calls go straight to Hugging Face,
 * and how they ended is reported later. Other URLs are fetched as they are.
 */
export const upshiftFetch: UpshiftFetch = createUpshiftFetch();
