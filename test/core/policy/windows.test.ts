import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parsePolicy } from '../../../src/core/policy/parse.ts';
import { windowsText } from '../../../src/core/policy/windows.ts';

const WORK = { days: ['mon', 'tue', 'wed', 'thu'], from: '09:00', to: '16:00', zone: 'Europe/Berlin' };

function parse(windows: unknown, ofRoute?: unknown) {
  const route = { model: 'a/b', ...(ofRoute !== undefined && { windows: ofRoute }) };
  return parsePolicy({ defaults: { windows }, routes: [route] });
}

function issues(change: object): string {
  const result = parse([{ ...WORK, ...change }]);
  assert.ok(!result.ok);
  return result.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('\n');
}

describe('the list `windows` of a policy', () => {
  it('gives minutes of the day, and a route may have its own or none', () => {
    const own = [{ ...WORK, days: ['fri'], from: '22:00', to: '04:00' }];
    const result = parse([WORK], own);
    assert.ok(result.ok);
    assert.deepEqual(result.policy.watched.windows, [{ ...WORK, from: 540, to: 960 }]);
    assert.deepEqual(result.policy.routes[0]?.windows, [{ ...own[0], from: 1_320, to: 240 }]);
    const open = parse([WORK], []);
    assert.ok(open.ok);
    assert.deepEqual(open.policy.routes[0]?.windows, []);
    const midnight = parse([{ ...WORK, from: '00:00', to: '24:00' }]);
    assert.ok(midnight.ok);
    assert.equal(midnight.policy.watched.windows[0]?.to, 1_440);
  });

  it('is refused with what is allowed', () => {
    assert.match(issues({ days: ['monday'] }), /windows\.0\.days\.0: expected mon or tue or .* or sun, got "monday"/);
    assert.match(issues({ days: [] }), /windows\.0\.days: expected it not to be empty/);
    assert.match(issues({ days: ['mon', 'mon'] }), /windows\.0\.days: expected each day once/);
    assert.match(issues({ from: '9:00' }), /windows\.0\.from: expected a time such as 09:00, got "9:00"/);
    assert.match(issues({ from: 540 }), /windows\.0\.from: expected a time such as 09:00, got 540/);
    assert.match(issues({ from: '24:00' }), /windows\.0\.from: expected a time such as 09:00/);
    assert.match(issues({ to: '24:01' }), /windows\.0\.to: expected a time such as 16:00, at most 24:00/);
    assert.match(
      issues({ to: '09:00' }),
      /windows\.0\.to: expected another time than from; a whole day is from 00:00 to/,
    );
    assert.match(issues({ zone: '+02:00' }), /windows\.0\.zone: expected a time zone such as Europe\/Berlin/);
    assert.match(issues({ zone: undefined }), /windows\.0\.zone: missing: zone is required/);
    assert.match(issues({ until: '16:00' }), /windows\.0\.until: unknown key; allowed here: days, from, to, zone/);
  });

  it('reads as people write it', () => {
    const text = (...days: string[]) => {
      const result = parse([{ ...WORK, days }]);
      assert.ok(result.ok);
      return windowsText(result.policy.watched.windows);
    };
    assert.equal(text('mon', 'tue', 'wed', 'thu'), 'mon-thu 09:00-16:00 Europe/Berlin');
    assert.equal(text('sun', 'mon', 'tue', 'thu'), 'mon,tue,thu,sun 09:00-16:00 Europe/Berlin');
    assert.equal(windowsText([]), 'always open');
  });
});
