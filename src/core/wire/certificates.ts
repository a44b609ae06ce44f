const CODES: ReadonlySet<string> = new Set([
  'CERT_HAS_EXPIRED',
  'CERT_NOT_YET_VALID',
  'CERT_SIGNATURE_FAILURE',
  'CERT_UNTRUSTED',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
]);
const DATED: ReadonlySet<string> = new Set(['CERT_HAS_EXPIRED', 'CERT_NOT_YET_VALID']);

/** What to do about an error's code if a certificate is the reason; null if it is not. */
export function certificateRemedy(code: string): string | null {
  if (!CODES.has(code)) return null;
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return 'its certificate is for another host: check the URL and the proxy';
  if (DATED.has(code)) return 'its certificate is not valid at this time: check the clock of this machine';
  return 'its certificate is not trusted: set NODE_EXTRA_CA_CERTS to a file with the one of your company or proxy, then start again';
}
