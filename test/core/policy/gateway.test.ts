import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { GATEWAY_DEFAULTS, mayCall } from '../../../src/core/policy/gateway.ts';
import { parsePolicy } from '../../../src/core/policy/parse.ts';

function gatewayOf(gateway: object) {
  const parsed = parsePolicy({ gateway });
  return parsed.ok ? parsed.policy.gateway : null;
}

function problemOf(gateway: object): string {
  const parsed = parsePolicy({ gateway });
  return parsed.ok ? '' : parsed.issues.map(({ message }) => message).join('\n');
}

describe('the gateway’s block of a policy', () => {
  it('may be left out, in whole or in part', () => {
    for (const value of [{}, { gateway: null }, { gateway: {} }]) {
      const parsed = parsePolicy(value);
      assert.deepEqual(parsed.ok && parsed.policy.gateway, GATEWAY_DEFAULTS);
    }
    assert.deepEqual(gatewayOf({ oversized: 'reject' }), { ...GATEWAY_DEFAULTS, oversized: 'reject' });
  });

  it('writes sizes with their unit, within bounds', () => {
    const table: [string, number | RegExp][] = [
      ['64KiB', 65_536],
      ['1 MiB', 1_048_576],
      ['256mib', 268_435_456],
      ['63KiB', /at least 64KiB/],
      ['257MiB', /at most 256MiB/],
      ['32MB', /expected a size such as 512KiB or 32MiB, got "32MB"/],
      ['1.5MiB', /expected a size/],
      ['', /expected a size/],
    ];
    for (const [maxBody, expected] of table) {
      if (typeof expected === 'number') assert.equal(gatewayOf({ maxBody })?.maxBody, expected, maxBody);
      else assert.match(problemOf({ maxBody }), expected, maxBody);
    }
    assert.match(problemOf({ maxBody: 1_000 }), /expected a size/);
  });

  it('names origins, and never all of the web', () => {
    const origins = ['app://obsidian.md', 'Tauri://localhost', 'https://my.page:8443', 'x-y.z://*', 'null', 'file://'];
    assert.deepEqual(
      gatewayOf({ origins })?.origins,
      origins.map((one) => one.toLowerCase()),
    );
    for (const wrong of [
      '*',
      'https://*',
      'http://*.example',
      'https://a.b/',
      'obsidian',
      'app://a/b',
      'a b://c',
      '',
    ]) {
      assert.match(problemOf({ origins: [wrong] }), /expected an origin/, wrong);
    }
  });
});

describe('mayCall', () => {
  const OWN = ['http://localhost:3000', 'https://127.0.0.1', 'http://[::1]:8787', 'HTTP://LOCALHOST'];
  const FOREIGN = [
    'https://evil.example',
    'http://localhost.evil.example',
    'http://127.0.0.1.evil.example',
    'null',
    'file://',
    'app://obsidian.md',
    'vscode-webview://abc',
    'chrome-extension://abcdef',
    '',
  ];

  it('lets pages on this machine call, and no other unless it is named', () => {
    for (const origin of OWN) assert.ok(mayCall({ origins: [] }, origin), origin);
    for (const origin of FOREIGN) assert.ok(!mayCall({ origins: [] }, origin), origin);
    for (const origin of FOREIGN.filter((one) => one !== '')) {
      const origins = [origin];
      assert.deepEqual(
        FOREIGN.filter((one) => mayCall({ origins }, one)),
        [origin],
      );
      assert.ok(mayCall({ origins }, origin.toUpperCase()));
      assert.ok(OWN.every((one) => mayCall({ origins }, one)));
    }
  });

  it('takes * for any host of a program’s own scheme', () => {
    const origins = ['vscode-webview://*'];
    assert.ok(mayCall({ origins }, 'vscode-webview://0abc'));
    for (const origin of ['vscode-webview://', 'vscode-webview', 'vscode-webviewx://a', 'https://vscode-webview://a']) {
      assert.ok(!mayCall({ origins }, origin), origin);
    }
  });
});
