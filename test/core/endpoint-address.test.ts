import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isEndpointUrl, shownUrl } from '../../src/core/endpoint-address.ts';

const HOST = 'abcdefgh12345678.us-east-1.aws.endpoints.huggingface.cloud';
const OWN = ['models.example.com', 'gpu.example.net:8443'];

describe('where calls to an endpoint may go', () => {
  const cases: readonly (readonly [url: string, isAllowed: boolean])[] = [
    [`https://${HOST}`, true],
    [`https://${HOST}/`, true],
    [`https://${HOST}:443`, true],
    [`https://${HOST.toUpperCase()}`, true],
    [`HTTPS://${HOST}`, true],
    [`http://${HOST}`, false],
    [`ftp://${HOST}`, false],
    [`https://${HOST}:8443`, false],
    [`https://${HOST}.`, false],
    [`https://${HOST}.example.com`, false],
    ['https://evil-endpoints.huggingface.cloud', false],
    ['https://evil-endpoints.huggingface.cloud.example.com', false],
    ['https://evilendpoints.huggingface.cloud', false],
    ['https://huggingface.cloud', false],
    ['https://endpoints.huggingface.co', false],
    ['https://example.com/.endpoints.huggingface.cloud', false],
    ['https://example.com?.endpoints.huggingface.cloud', false],
    ['https://example.com#.endpoints.huggingface.cloud', false],
    ['https://example.com\\.endpoints.huggingface.cloud', false],
    [`https://example.com\\@${HOST}`, false],
    [`https://user@${HOST}`, false],
    [`https://user:word@${HOST}`, false],
    [`https://${HOST}@example.com`, false],
    ['https://x.endpoints.huggingface.cl\u043Eud', false],
    ['https://x.endpoints.huggingface.xn--clud-4of', false],
    ['https://x.endpoints\u3002huggingface\u3002cloud', true],
    ['https://models.example.com', true],
    ['https://a.models.example.com/v1', true],
    ['https://mymodels.example.com', false],
    ['https://models.example.com:8443', false],
    ['https://gpu.example.net:8443', true],
    ['https://a.gpu.example.net:8443', true],
    ['https://gpu.example.net', false],
    ['http://127.0.0.1:19102', false],
    ['https://127.0.0.1:19102', false],
    ['http://2130706433', false],
    ['http://[::1]:80', false],
    ['https://localhost', false],
    ['https://169.254.169.254', false],
    ['nonsense', false],
    ['', false],
  ];
  for (const [url, isAllowed] of cases) {
    it(`${isAllowed ? 'are' : 'are not'} sent to ${JSON.stringify(url)}`, () => {
      assert.equal(isEndpointUrl(url, OWN, false), isAllowed);
    });
  }

  const local: readonly (readonly [url: string, isAllowed: boolean])[] = [
    ['http://127.0.0.1:19102/writer', true],
    ['http://localhost:1', true],
    ['https://[::1]:1', true],
    ['http://2130706433', true],
    ['ftp://127.0.0.1', false],
    ['http://user@127.0.0.1', false],
    ['http://localhost.', false],
    ['http://127.0.0.1.example.com', false],
    ['http://0.0.0.0', false],
    ['http://example.com', false],
    [`http://${HOST}`, false],
    [`https://${HOST}`, true],
  ];
  for (const [url, isAllowed] of local) {
    it(`beside a management API on this machine ${isAllowed ? 'are' : 'are not'} sent to ${url}`, () => {
      assert.equal(isEndpointUrl(url, OWN, true), isAllowed);
    });
  }

  it('are not allowed to this machine by a domain of the policy', () => {
    assert.equal(isEndpointUrl('https://127.0.0.1', ['127.0.0.1', 'localhost'], false), false);
  });

  it('are named without a user name, a password or what a terminal would carry out', () => {
    assert.equal(shownUrl('https://ann:secret@example.com/x?y#z'), 'https://example.com/x');
    assert.equal(shownUrl('no url \u001b[31m'), 'no?url??[31m');
    assert.equal(shownUrl(`https://example.com/${'a'.repeat(900)}`).length, 200);
  });
});
