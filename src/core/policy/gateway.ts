import { z } from 'zod';
import { bytes } from './values.ts';

/** Who may call the gateway from a browser, and how large a call may be. */
export interface GatewayPolicy {
  /** Values of the `Origin` header that may call, beside those of pages on this machine. */
  readonly origins: readonly string[];
  /** The largest body that is read as a whole, in bytes. */
  readonly maxBody: number;
  /** What happens to a larger one. */
  readonly oversized: 'pass' | 'reject';
}

export const GATEWAY_DEFAULTS: GatewayPolicy = { origins: [], maxBody: 33_554_432, oversized: 'pass' };

/** A named page, a program's own scheme with a host or `*`, or what pages without an address send. */
const ORIGIN = /^(?:null|file:\/\/|https?:\/\/[^\s/?#*]+|(?!https?:|file:)[a-z][a-z0-9+.-]*:\/\/(?:\*|[^\s/?#*]+))$/;

const originSchema = z
  .string()
  .transform((text) => text.toLowerCase())
  .refine((text) => ORIGIN.test(text), {
    error:
      'expected an origin such as app://obsidian.md, https://my.page or vscode-webview://*, without a path; null or file:// for pages without an address',
  });

// The text of a larger body would not fit into one string of Node.
const LARGEST = 268_435_456;

/** The block `gateway` of a policy. */
export const gatewaySchema = z
  .strictObject({
    origins: z.array(originSchema).describe('list of origins'),
    maxBody: bytes(65_536, LARGEST),
    oversized: z.enum(['pass', 'reject']),
  })
  .partial();

const LOOPBACK_PAGE = /^https?:\/\/(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?$/i;

/**
 * Whether a page may call the gateway. `origin`: the `Origin` header, which only browsers send. Pages on this machine
 * may; a page of another site could use the daemon's token.
 */
export function mayCall({ origins }: Pick<GatewayPolicy, 'origins'>, origin: string): boolean {
  if (LOOPBACK_PAGE.test(origin)) return true;
  const plain = origin.toLowerCase();
  return origins.some((one) =>
    one.endsWith('://*') ? plain.length > one.length - 1 && plain.startsWith(one.slice(0, -1)) : plain === one,
  );
}
