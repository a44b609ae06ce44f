import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { AppError } from '../../src/core/errors.ts';
import { POLICY_DEFAULTS } from '../../src/core/policy/defaults.ts';
import { SWEEP_DEFAULTS } from '../../src/core/policy/sweep.ts';
import { loadPolicy, parsePolicyText } from '../../src/files/policy.ts';

const POLICIES = join(import.meta.dirname, '..', '..', 'policies');

function refusal(text: string): string[] {
  try {
    parsePolicyText(text, 'my.yaml');
  } catch (error) {
    assert.ok(error instanceof AppError && error.code === 'invalid', String(error));
    assert.ok(error.hint);
    return error.message.split('\n');
  }
  return assert.fail(`accepted: ${text}`);
}

describe('the policies that come with upshift', () => {
  it('all load', async () => {
    const names = await readdir(POLICIES);
    assert.deepEqual(names.sort(), [
      'default.yaml',
      'demo.yaml',
      'hands-off.yaml',
      'swarm-1-10.yaml',
      'swarm-10-50.yaml',
      'swarm-200-up.yaml',
      'swarm-50-200.yaml',
    ]);
    for (const name of names) await loadPolicy(join(POLICIES, name));
  });

  it('default.yaml has the same values as the built-in defaults', async () => {
    const { policy } = await loadPolicy(join(POLICIES, 'default.yaml'));
    assert.deepEqual(policy.watched, { ...POLICY_DEFAULTS, model: '*', endpoint: null });
    assert.deepEqual(policy.routes, []);
    assert.deepEqual(policy.sweep, SWEEP_DEFAULTS);
  });

  it("default.yaml's example is valid without its # signs", async () => {
    const text = await readFile(join(POLICIES, 'default.yaml'), 'utf8');
    const [head = '', example = ''] = text.split(/^(?=routes:$)/m);
    const { policy } = parsePolicyText(head + example.replaceAll(/^#/gm, ''), 'default.yaml');
    assert.equal(policy.routes[0]?.criteria.agents, 20);
    assert.equal(policy.routes[0]?.endpoint?.maxPricePerHour, 1);
    const defaults = { minReplica: 1, engine: 'vLLM', image: 'vllm/vllm-openai:v0.23.0', regions: ['aws/us-east-1'] };
    assert.partialDeepStrictEqual(policy.routes[0]?.endpoint, defaults);
  });

  it('hands-off.yaml needs no approval and states what may be spent', async () => {
    const { policy } = await loadPolicy(join(POLICIES, 'hands-off.yaml'));
    assert.equal(policy.watched.approval, 'automatic');
    assert.ok(policy.routes.every(({ endpoint }) => (endpoint?.maxPricePerHour ?? 0) > 0));
  });

  it('demo.yaml is the defaults with an endpoint of the simulation, wider margins and shorter stages', async () => {
    const { policy } = await loadPolicy(join(POLICIES, 'demo.yaml'));
    const [route] = policy.routes;
    assert.ok(route);
    const { judge, shadow, holdBack } = route;
    const same = { ...POLICY_DEFAULTS, judge, shadow, holdBack };
    assert.deepEqual({ ...route, model: '', endpoint: null }, { ...same, model: '', endpoint: null });
    assert.deepEqual(judge.errorRates, POLICY_DEFAULTS.judge.errorRates);
    assert.equal(route.endpoint?.namespace, 'acme');
  });
});

describe('a loaded policy', () => {
  it('has its text, the hash of the text, and the same resolved form as an equal policy', () => {
    const text = 'routes:\n  - model: a/b\n    affinity: agent\n    steps: [10%, 1]\n';
    const loaded = parsePolicyText(text, 'my.yaml');
    assert.equal(loaded.text, text);
    assert.equal(loaded.hash, createHash('sha256').update(text).digest('hex'));
    assert.deepEqual(JSON.parse(loaded.parsed), loaded.policy);
    const other = parsePolicyText('# same\nroutes:\n  - {steps: [0.1, 1.0], affinity: agent, model: a/b}\n', 'my.yaml');
    assert.equal(other.parsed, loaded.parsed);
    assert.notEqual(other.hash, loaded.hash);
  });

  it('may use anchors', () => {
    const { policy } = parsePolicyText(
      'defaults: {criteria: &mine {calls: 9}}\nroutes: [{model: a/b, criteria: *mine}]\n',
      'my.yaml',
    );
    assert.equal(policy.routes[0]?.criteria.calls, 9);
  });
});

describe('a wrong file is refused with its line, column and path', () => {
  const bomb = `a: &a [${'x,'.repeat(20)}]\nb: &b [${'*a,'.repeat(20)}]\nc: [${'*b,'.repeat(20)}]\n`;
  const rows: [string, string, RegExp][] = [
    ['an empty file', '', /^my\.yaml:1:1: the policy is empty/],
    ['only comments', '# nothing\n---\n', /^my\.yaml:1:1: the policy is empty/],
    ['a list', '- a\n', /^my\.yaml:1:1: found a list; expected the keys defaults and routes$/],
    ['a word', 'hello', /^my\.yaml:1:1: found a single value/],
    ['YAML that ends too early', 'routes: [a', /^my\.yaml:1:11: not valid YAML: /],
    ['a tab', 'defaults:\n\tapproval: manual\n', /^my\.yaml:2:1: not valid YAML: /],
    ['a key that stands twice', 'defaults: {}\ndefaults: {}\n', /^my\.yaml:2:1: this key stands here twice/],
    ['a key twice in a block', 'defaults:\n  steps: [1]\n  steps: [1]\n', /^my\.yaml:3:3: this key stands here twice/],
    ['two documents', 'routes: []\n---\nroutes: []\n', /^my\.yaml:2:1: a second document/],
    ['a tag', 'defaults: !!js/function x\n', /^my\.yaml:1:11: not valid YAML: /],
    ['aliases that explode', bomb, /^my\.yaml:1:1: aliases \(\*name\) repeat too much$/],
    ['an alias of nothing', 'defaults: *a\n', /^my\.yaml:1:1: an alias \(\*name\) has no anchor/],
    ['an alias of itself', 'defaults: &a\n  criteria: *a\n', /^my\.yaml:/],
    ['a key that is a list', '? [a]\n: 1\n', /^my\.yaml:1:3: a key must be plain text$/],
    [
      '__proto__',
      '__proto__: {}\n',
      /^my\.yaml:1:1: __proto__: unknown key; allowed here: defaults, routes, sweep, gateway$/,
    ],
    [
      'a key that is misspelt',
      'defaults:\n  limits:\n    bakes: 5m\n',
      /^my\.yaml:3:5: defaults\.limits\.bakes: unknown/,
    ],
    [
      'a value',
      'routes:\n- model: a/b\n  criteria:\n    refused: 5\n',
      /^my\.yaml:4:14: routes\[0\]\.criteria\.refused: exp/,
    ],
    ['a step', 'defaults:\n  steps: [50%, 25%, 100%]\n', /^my\.yaml:2:16: defaults\.steps\[1\]: steps must rise/],
    [
      'what is missing',
      'routes:\n  - model: a/b\n    endpoint:\n      vendor: aws\n',
      /^my\.yaml:3:5: .*missing: namespace/,
    ],
    [
      'a time zone of the defaults that does not exist, once',
      'defaults:\n  windows: [{days: [mon], from: "09:00", to: "16:00", zone: Europe/Berlim}]\nroutes: [{model: a/b}]\n',
      /^my\.yaml:2:61: defaults\.windows\[0\]\.zone: no such time zone: "Europe\/Berlim"; expected a name such as [^\n]*$/,
    ],
    [
      'a time zone of a route that does not exist',
      'routes:\n- model: a/b\n  windows:\n  - {days: [mon], from: "09:00", to: "16:00", zone: Mars}\n',
      /^my\.yaml:4:53: routes\[0\]\.windows\[0\]\.zone: no such time zone: "Mars"/,
    ],
    [
      'a value by alias',
      'defaults: {criteria: &c {calls: -1}}\nroutes: [{model: a/b, criteria: *c}]',
      /^my\.yaml:1:33: /,
    ],
  ];
  for (const [title, text, expected] of rows) {
    it(title, () => {
      assert.match(refusal(text)[0] ?? '', expected);
    });
  }

  it('all issues are listed, one per line, from top to bottom', () => {
    const found = refusal('routes:\n  - model: a b\n    affinity: none\ndefaults:\n  steps: [2]\n  aproval: manual\n');
    assert.deepEqual(
      found.map((line) => line.split(' ')[0]),
      ['my.yaml:2:12:', 'my.yaml:3:15:', 'my.yaml:5:11:', 'my.yaml:6:3:'],
    );
  });
});

describe('a policy file', () => {
  let folder = '';
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'upshift-policy-'));
  });
  after(() => rm(folder, { recursive: true }));

  const refused = async (name: string, expected: RegExp) => {
    await assert.rejects(loadPolicy(join(folder, name)), (error) => {
      assert.ok(error instanceof AppError && error.code === 'invalid', String(error));
      assert.match(error.message, expected);
      return true;
    });
  };

  it('is refused with the reason if it cannot be read', async () => {
    await writeFile(join(folder, 'latin.yaml'), Buffer.from([0x23, 0xe4, 0xf6]));
    await writeFile(join(folder, 'large.yaml'), '#'.repeat(1_048_577));
    await refused('none.yaml', /none\.yaml: there is no such file/);
    await refused('.', /it is a folder/);
    await refused('latin.yaml', /not UTF-8/);
    await refused('large.yaml', /1048577 bytes/);
  });

  it('gives what is known as long as the file says the same', async () => {
    const path = join(folder, 'known.yaml');
    await writeFile(path, 'routes: []\n');
    const known = await loadPolicy(path);
    assert.equal(await loadPolicy(path, known), known);
    await writeFile(path, 'routes: [{ model: org/new }]\n');
    const next = await loadPolicy(path, known);
    assert.equal(next.policy.routes[0]?.model, 'org/new');
    await writeFile(path, 'routes: 5\n');
    await assert.rejects(loadPolicy(path, next), AppError);
  });
});
