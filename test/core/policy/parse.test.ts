import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { parsePolicy } from '../../../src/core/policy/parse.ts';
import { POLICY_DEFAULTS } from '../../../src/core/policy/defaults.ts';
import { GATEWAY_DEFAULTS } from '../../../src/core/policy/gateway.ts';
import { SWEEP_DEFAULTS } from '../../../src/core/policy/sweep.ts';
import type { Policy } from '../../../src/core/policy/policy.ts';

const ENDPOINT = {
  namespace: 'acme',
  vendor: 'aws',
  region: 'us-east-1',
  instanceType: 'nvidia-l4',
  instanceSize: 'x1',
};

function parsed(value: unknown): Policy {
  const result = parsePolicy(value);
  assert.ok(result.ok, JSON.stringify(result));
  return result.policy;
}

function issues(value: unknown): string[] {
  const result = parsePolicy(value);
  assert.ok(!result.ok);
  return result.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
}

describe('a policy', () => {
  it('has the defaults for everything that it leaves out', () => {
    const watched = { ...POLICY_DEFAULTS, model: '*', endpoint: null };
    for (const value of [undefined, null, {}, { defaults: null, routes: null }]) {
      assert.deepEqual(parsed(value), { watched, routes: [], sweep: SWEEP_DEFAULTS, gateway: GATEWAY_DEFAULTS });
    }
  });

  it('lets a route override the defaults, and the defaults override the built-in values', () => {
    const { watched, routes } = parsed({
      defaults: {
        criteria: { calls: 10 },
        affinity: 'agent',
        timeouts: { connect: '1s', serverless: { total: '3h' } },
      },
      routes: [
        { model: 'a/b', criteria: { agents: 3 }, steps: ['50%', 1], limits: { bake: '90s' } },
        { model: 'c/d', timeouts: { serverless: { betweenChunks: '4m' } } },
      ],
    });
    assert.equal(watched.criteria.calls, 10);
    const timeouts = { ...POLICY_DEFAULTS.timeouts, connect: 1_000 };
    const { betweenChunks } = timeouts.serverless;
    assert.deepEqual(watched.timeouts, { ...timeouts, serverless: { betweenChunks, total: 10_800_000 } });
    const [first, second] = routes;
    assert.deepEqual(first?.criteria, { ...POLICY_DEFAULTS.criteria, calls: 10, agents: 3 });
    assert.deepEqual([first?.steps, first?.affinity, first?.limits.bake], [[0.5, 1], 'agent', 90_000]);
    const serverless = { betweenChunks: 240_000, total: 10_800_000 };
    assert.deepEqual(second, { ...watched, model: 'c/d', timeouts: { ...timeouts, serverless } });
  });

  it('accepts the optional criteria and sets of criteria, and lets a route add to an slo', () => {
    const { watched, routes } = parsed({
      defaults: {
        criteria: { slo: { availability: '99%' }, cost: { cheaperBy: '20%' }, require: [['slo'], ['cost', 'calls']] },
      },
      routes: [{ model: 'a/b', criteria: { slo: { p95: '20s' }, predictability: { ratio: 5 } } }],
    });
    const { slo, cost, require } = watched.criteria;
    assert.deepEqual([slo, cost, require], [{ availability: 0.99 }, { cheaperBy: 0.2 }, [['slo'], ['cost', 'calls']]]);
    assert.deepEqual(routes[0]?.criteria.slo, { availability: 0.99, p95: 20_000 });
    assert.deepEqual(routes[0]?.criteria.predictability, { ratio: 5 });
  });

  it('fills in what an endpoint leaves out', () => {
    const { routes } = parsed({ routes: [{ model: 'a/b', endpoint: ENDPOINT }] });
    assert.deepEqual(routes[0]?.endpoint, {
      ...ENDPOINT,
      regions: [],
      deny: [],
      minReplica: 1,
      maxReplica: 1,
      args: [],
      env: {},
    });
  });

  it('may leave the instance open, and names the regions and the denied choices', () => {
    const endpoint = {
      namespace: 'acme',
      regions: ['aws/us-east-1'],
      deny: ['gcp', 'aws/eu-west-1', 'nvidia-a100/x8'],
    };
    const { routes } = parsed({ routes: [{ model: 'a/b', endpoint }] });
    const given = routes[0]?.endpoint;
    assert.deepEqual([given?.vendor, given?.instanceType, given?.engine], [undefined, undefined, undefined]);
    assert.deepEqual([given?.regions, given?.deny], [endpoint.regions, endpoint.deny]);
  });

  it('accepts provider names as written after a model, and refuses router choices', () => {
    const care = (providers: unknown) => ({ defaults: { care: { providers } } });
    assert.deepEqual(parsed(care(['groq', 'fal-ai'])).watched.care.providers, ['groq', 'fal-ai']);
    assert.match(issues(care(['fastest'])).join(), /^defaults\.care\.providers\.0: expected a provider, but this is/);
    assert.match(issues(care([':groq'])).join(), /^defaults\.care\.providers\.0: expected a provider such as groq/);
    assert.match(issues(care('groq')).join(), /^defaults\.care\.providers: expected a list/);
  });

  it('reads a number and a percentage as the same share', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 100 }), (percent) => {
        const read = (refused: unknown) => parsed({ defaults: { criteria: { refused } } }).watched.criteria.refused;
        assert.equal(read(`${percent}%`), read(percent / 100));
      }),
    );
  });

  it('is parsed without an exception for any value', () => {
    fc.assert(fc.property(fc.anything(), (value) => void parsePolicy(value)));
    const near = fc.record({ defaults: fc.anything(), routes: fc.anything() }, { requiredKeys: [] });
    fc.assert(fc.property(near, (value) => void parsePolicy(value)));
  });
});

describe('a wrong policy is refused, and the error says what was found and what is allowed', () => {
  const defaults = (value: unknown) => ({ defaults: value });
  const route = (value: object) => ({ routes: [{ model: 'a/b', ...value }] });
  const rows: [unknown, string | RegExp][] = [
    [{ default: {} }, 'default: unknown key; allowed here: defaults, routes, sweep, gateway'],
    [
      defaults({ timeouts: { serverless: { firstByte: '1s' } } }),
      'defaults.timeouts.serverless.firstByte: unknown key; allowed here: betweenChunks, total',
    ],
    [defaults({ criteria: { refusde: 1 } }), /^defaults\.criteria\.refusde: unknown key; allowed here: window, calls,/],
    [route({ enpoint: {} }), /^routes\.0\.enpoint: unknown key; allowed here: model, .*, endpoint$/],
    [route({ endpoint: { ...ENDPOINT, size: 1 } }), /^routes\.0\.endpoint\.size: unknown key; .*instanceSize/],
    [defaults({ criteria: { refused: 5 } }), /refused: expected a share from 0 to 1, written 0\.05 or "5%", got 5$/],
    [defaults({ criteria: { refused: '5' } }), /refused: expected a share .*, got "5"$/],
    [defaults({ criteria: { refused: null } }), /refused: expected a share .*, got nothing \(null\)$/],
    [
      defaults({ criteria: { window: 300 } }),
      'defaults.criteria.window: expected a span such as 30s, 5m or 6h, got 300',
    ],
    [defaults({ criteria: { window: '5 min' } }), /window: expected a span such as 30s, 5m or 6h, got "5 min"$/],
    [defaults({ criteria: { window: '10ms' } }), /window: expected at least 1s, got "10ms"$/],
    [defaults({ criteria: { calls: -1 } }), 'defaults.criteria.calls: expected at least 0, got -1'],
    [defaults({ criteria: { calls: 'many' } }), 'defaults.criteria.calls: expected a number, got "many"'],
    [defaults({ criteria: { calls: 1.5 } }), 'defaults.criteria.calls: expected a whole number, got 1.5'],
    [defaults({ criteria: { require: 'most' } }), /require: expected all, any, \{atLeast: n\} .*, got "most"$/],
    [defaults({ criteria: { require: { atLeast: 7 } } }), /atLeast: expected at most 6, got 7$/],
    [
      defaults({ criteria: { require: { atLeast: 4 } } }),
      'defaults.criteria.require.atLeast: expected at most 3, as only calls, agents, refused have a limit',
    ],
    [
      defaults({ criteria: { require: [['calls', 'speed']] } }),
      /require\.0\.1: expected one of calls, .*, cost, got "speed"$/,
    ],
    [defaults({ criteria: { require: [] } }), /require: expected it not to be empty, got \[\]$/],
    [
      defaults({ criteria: { slo: { p95: '20s' }, require: [['calls', 'slo'], ['cost']] } }),
      'defaults.criteria.require.1.0: cost has no limit: set criteria.cost too',
    ],
    [defaults({ criteria: { slo: {} } }), 'defaults.criteria.slo: expected p95, availability or both'],
    [
      defaults({ criteria: { slo: { p99: '2s' } } }),
      'defaults.criteria.slo.p99: unknown key; allowed here: p95, availability',
    ],
    [defaults({ criteria: { predictability: { ratio: 1 } } }), /ratio: expected more than 1, got 1$/],
    [defaults({ criteria: { cost: { cheaperBy: 20 } } }), /cheaperBy: expected a share .*, got 20$/],
    [defaults({ approvals: { step: 0 } }), 'defaults.approvals.step: expected at least 1, got 0'],
    [defaults({ approvals: { promote: 6 } }), 'defaults.approvals.promote: expected at most 5, got 6'],
    [
      defaults({ approvals: { abort: 2 } }),
      'defaults.approvals.abort: unknown key; allowed here: provision, step, promote, budget, scaling',
    ],
    [
      defaults({ approval: 'automatic', approvals: { step: 2 } }),
      'defaults.approvals.step: expected 1: this policy asks nobody about it',
    ],
    [defaults({ approval: true }), 'defaults.approval: expected manual or automatic, got true'],
    [defaults({ steps: ['50%', '20%', '100%'] }), 'defaults.steps.1: steps must rise: 0.2 does not exceed 0.5'],
    [defaults({ steps: [0.1, 0.1, 1] }), 'defaults.steps.1: steps must rise: 0.1 does not exceed 0.1'],
    [defaults({ steps: [0, 1] }), 'defaults.steps.0: steps must rise: 0 does not exceed 0'],
    [defaults({ steps: [0.5] }), 'defaults.steps: the last step must be 100%, got 0.5'],
    [defaults({ steps: [1] }), 'defaults.steps: the first step must be below 100%: later ones are compared with it'],
    [defaults({ criteria: { window: '2d' } }), 'defaults.criteria.window: expected at most 1d, got "2d"'],
    [
      defaults({ limits: { bake: '3h', stepWithin: '2h' } }),
      'defaults.limits.bake: expected at most limits.stepWithin: a step lasts at least limits.bake',
    ],
    [
      defaults({ limits: { bake: '1h', rolloutWithin: '2h' } }),
      'defaults.limits.rolloutWithin: expected more: 5 steps of limits.bake each take longer than this',
    ],
    [defaults({ steps: ['0.001%', 1] }), 'defaults.steps.0: expected at least 0.01%'],
    [
      { routes: [{ model: 'a/b', endpoint: { ...ENDPOINT, engine: 'tgi' } }] },
      'routes.0.endpoint.engine: tgi needs an image of its own: set endpoint.image',
    ],
    [
      { routes: [{ model: 'a/b', endpoint: { ...ENDPOINT, env: { KEY: 'hf_abcdefghijklmn' } } }] },
      'routes.0.endpoint.env.KEY: this looks like a secret; a policy is stored with every decision: keep secrets out of it',
    ],
    [defaults({ steps: [] }), 'defaults.steps: expected it not to be empty, got []'],
    [
      defaults({ judge: { speed: { margin: '-1%' } } }),
      'defaults.judge.speed.margin: expected a margin above 0, written 0.15 or "15%", got "-1%"',
    ],
    [defaults([]), 'defaults: expected a block of keys, got []'],
    [{ routes: {} }, 'routes: expected a list, got {}'],
    [{ routes: [{}] }, 'routes.0.model: missing: model is required'],
    [{ routes: [{ model: 'a/b:groq' }] }, /model: expected a model such as org\/name.*, got "a\/b:groq"$/],
    [{ routes: [{ model: 'a/b' }, { model: 'a/b' }] }, 'routes.1.model: a/b is listed twice'],
    [
      route({ endpoint: { ...ENDPOINT, namespace: undefined } }),
      /endpoint\.namespace: missing: namespace is required$/,
    ],
    [route({ endpoint: { ...ENDPOINT, regions: ['aws/us-east-1'] } }), /endpoint\.regions: set either region \(one\)/],
    [
      route({ endpoint: { namespace: 'acme', regions: ['us-east-1'] } }),
      /expected vendor\/region such as aws.*"us-east-1"$/,
    ],
    [route({ endpoint: { namespace: 'acme', deny: ['NVIDIA'] } }), /expected a vendor, a region or an instance type/],
    [route({ endpoint: { ...ENDPOINT, vendor: 'AWS' } }), /vendor: expected lower-case .*, got "AWS"$/],
    [
      route({ endpoint: { ...ENDPOINT, minReplica: 3, maxReplica: 2 } }),
      /maxReplica to be at least minReplica, got 2$/,
    ],
    [route({ endpoint: { ...ENDPOINT, engine: 'vllm' } }), /engine: expected vLLM or tei or .*, got "vllm"$/],
    [
      route({ approval: 'automatic', endpoint: ENDPOINT }),
      /endpoint: approval: automatic .*set endpoint\.maxPricePerHour/,
    ],
    [{ ...defaults({ approval: 'automatic' }), ...route({ endpoint: ENDPOINT }) }, /maxPricePerHour/],
    [defaults({ judge: { errorRates: { falseRollback: 0 } } }), /falseRollback: expected a share of at least 0.000001/],
    [[], ': expected a block of keys, got []'],
    ['routes', ': expected a block of keys, got "routes"'],
  ];
  for (const [value, expected] of rows) {
    it(JSON.stringify(value), () => {
      const found = issues(value);
      assert.equal(found.length, 1, found.join('\n'));
      if (typeof expected === 'string') assert.equal(found[0], expected);
      else assert.match(found[0] ?? '', expected);
    });
  }

  it('with all its errors at once, one for each unknown key', () => {
    assert.equal(issues({ a: 1, b: 2, defaults: { approval: 1, c: 3 } }).length, 4);
  });
});
