/** A caller's own credentials; Anthropic's clients send a Hugging Face token as `x-api-key`. */
export function ownCredentials(authorization: string | undefined, apiKey: string | undefined): string | undefined {
  return authorization ?? (apiKey !== undefined && apiKey.startsWith('hf_') ? `Bearer ${apiKey}` : undefined);
}

/**
 * The credentials of a call to serverless: the caller's own. If the caller sends none, or the placeholder `Bearer
 * upshift`, they are those of `token`. Null if there is no token either.
 */
export function serverlessAuthorization(sent: string | undefined, token: string | null): string | null {
  if (sent !== undefined && sent !== '' && !/^bearer\s*(?:upshift)?\s*$/i.test(sent)) return sent;
  return token === null ? null : `Bearer ${token}`;
}
