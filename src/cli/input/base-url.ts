import { AppError } from '../../core/errors.ts';

/**
 * A base URL as OpenAI's clients take it, with `/v1` at its end and no slash. Throws AppError `invalid` for what is none, and
 * for one that holds a password, a query or a fragment.
 */
export function readBaseUrl(text: string): URL {
  const hint = 'expected a base URL such as http://127.0.0.1:8787 or https://host/v1';
  const url = URL.parse(text);
  if (url === null) throw new AppError('invalid', `"${text}" is not a URL`, { hint });
  // The value is not repeated here, because it holds a password.
  if (url.username !== '' || url.password !== '') {
    throw new AppError('invalid', 'the base URL must not hold a user name or password', { hint });
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new AppError('invalid', `"${text}" is neither http nor https`, { hint });
  }
  if (url.search !== '' || url.hash !== '') {
    throw new AppError('invalid', `"${text}" has a query or fragment; a base URL has neither`, { hint });
  }
  const path = url.pathname.replace(/\/+$/, '');
  url.pathname = `${path}${path.endsWith('/v1') ? '' : '/v1'}`;
  return url;
}
