import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { RoutePolicy } from '../../../src/core/policy/policy.ts';
import { parsePolicy } from '../../../src/core/policy/parse.ts';
import { SCALING_DEFAULTS } from '../../../src/core/policy/scaling.ts';
import { ENDPOINT_POLICY } from '../../support/samples.ts';

function parse(defaults: object, scaling: object | undefined, endpoint: object = {}) {
  const route = { model: 'acme/writer', endpoint: { ...ENDPOINT_POLICY, ...endpoint }, ...(scaling && { scaling }) };
  return parsePolicy({ defaults: { scaling: defaults }, routes: [route] });
}

function read(defaults: object, scaling?: object, endpoint?: object): RoutePolicy['scaling'] | undefined {
  const parsed = parse(defaults, scaling, endpoint);
  assert.ok(parsed.ok, JSON.stringify(parsed));
  return parsed.policy.routes[0]?.scaling;
}

describe('the scaling of a policy', () => {
  it('is off if the policy leaves it out', () => {
    assert.deepEqual(read({}), SCALING_DEFAULTS);
    assert.equal(SCALING_DEFAULTS.adjust, 'off');
    assert.equal(SCALING_DEFAULTS.sleep, null);
  });

  it('comes from the route, else from the defaults', () => {
    const read1 = read({ adjust: 'ask', every: '2h', sleep: { after: '1h' } }, { every: '1h', to: 3 });
    const sleep = { after: 3_600_000, calls: 10 };
    assert.deepEqual(read1, { ...SCALING_DEFAULTS, adjust: 'ask', every: 3_600_000, to: 3, sleep });
    assert.equal(read({ sleep: { after: '1h' } }, { sleep: null })?.sleep, null);
    assert.deepEqual(read({}, { sleep: { after: '30m', calls: 0 } })?.sleep, { after: 1_800_000, calls: 0 });
  });

  const refused: readonly (readonly [string, object, object, RegExp])[] = [
    ['a maximum below the minimum', { from: 3, to: 2 }, {}, /expected at least as many as the 3 that always run/],
    ['a minimum above the maximum of the endpoint', { from: 3 }, { maxReplica: 2 }, /from.*expected at least as many/],
    [
      'automatic scaling to more replicas at any price',
      { adjust: 'automatic', to: 4 },
      { maxPricePerHour: undefined },
      /set endpoint\.maxPricePerHour/,
    ],
    ['a change every minute', { every: '1m' }, {}, /expected at least 10m/],
    ['a sleep without a span', { sleep: { calls: 3 } }, {}, /expected \{after: 30m\}/],
    ['an unknown key', { sleeps: '30m' }, {}, /sleeps/],
  ];
  for (const [what, scaling, endpoint, expected] of refused) {
    it(`is refused if it has ${what}`, () => {
      const parsed = parse({}, scaling, endpoint);
      assert.ok(!parsed.ok);
      assert.match(parsed.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('\n'), expected);
    });
  }
});
