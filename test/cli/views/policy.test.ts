import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createPaint } from '../../../src/cli/terminal/print.ts';
import { renderPolicy } from '../../../src/cli/views/policy.ts';
import { parsePolicy } from '../../../src/core/policy/parse.ts';

/** What `policy check` shows of a policy. */
function shown(value: unknown, width = 80): string {
  const parsed = parsePolicy(value);
  assert.ok(parsed.ok, JSON.stringify(parsed));
  const { policy } = parsed;
  return renderPolicy({ path: 'my.yaml', hash: '0123456789', policy }, { width, paint: createPaint(false) });
}

const EVERYTHING = {
  defaults: {
    criteria: {
      slo: { p95: '20s' },
      predictability: { ratio: 5 },
      cost: { cheaperBy: '20%' },
      require: [['slo'], ['cost']],
    },
    back: { calls: 200, refused: '2%', slo: { p95: '30s', availability: '99%' } },
    budget: { perHour: 5, perDay: 20, perRollout: 60 },
    care: { batch: { most: 32 }, providers: ['novita'] },
    scaling: { adjust: 'ask', from: 1, to: 4, sleep: { after: '30m' } },
    shadow: { exclude: ['planner'] },
  },
  routes: [
    {
      model: 'org/first',
      endpoint: {
        namespace: 'acme',
        regions: ['aws/us-east-1', 'aws/us-west-2', 'gcp/us-east4'],
        deny: ['nvidia-t4'],
        maxReplica: 4,
      },
    },
    { model: 'org/second', back: 'off', criteria: { require: 'any' } },
  ],
  sweep: { deleteAfter: 'none', idle: 'none' },
};

describe('what a policy comes to', () => {
  it('has every block that a policy may have', () => {
    const text = shown(EVERYTHING);
    const claims = [
      / {2}criteria +> 2 000 calls, > 50 agents, > 5\.0 % refused or delayed\n {4}slo missed +p95 > 20 s\n/,
      / {4}required +slo, or cost\n/,
      / {2}back +traffic < 80 % of break-even, else < 200 calls in 5 min; for\n +24\.0 h\n/,
      / {4}slo missed +p95 > 30 s or not failed < 99\.00 %; for 30 min\n/,
      / {4}only if +serverless would refuse at most 2\.0 %\n/,
      / {2}care +5 retries .*\n(?: {4}.*\n)* {4}providers +novita\n {4}batch +up to 32 texts that come within 5 ms\n/,
      / {2}scaling +ask: 1 to 4 replicas, once in 6\.0 h at most, .*\n {4}sleep +after 30 min .* > 10 calls in 5 min\n/,
      / {2}budget +\$5\.00 an hour, \$20\.00 a day, \$60\.00 a rollout\n {4}warns, asks +at 80 %, at 90 % of it\n/,
      / {2}endpoint +aws\/us-east-1, else aws\/us-west-2, else gcp\/us-east4, for\n +acme\n/,
      / {4}not +nvidia-t4\n {4}engine +chosen for the model\n {4}at most +any price\n/,
      /none of\s+planner\n/,
      /\nsweep {2}of .*\n {2}after rollouts +pause, never deleted\n {2}unknown ones +report\n {2}idle ones +never reported\n/,
    ];
    for (const claim of claims) assert.match(text, claim);
  });

  it('keeps within the columns there are', () => {
    for (const width of [40, 80, 120]) {
      for (const line of shown(EVERYTHING, width).split('\n').slice(2)) {
        if (!line.includes('org/')) assert.ok(line.length <= width, `${line.length} of ${width}: ${line}`);
      }
    }
  });

  it('tells of further routes only what differs, below the setting it is a part of', () => {
    const [, second = ''] = shown(EVERYTHING).split('\n\norg/second');
    assert.equal(
      second.split('\n\n')[0],
      [
        '  as org/first, but:',
        '  criteria         > 2 000 calls, > 50 agents, > 5.0 % refused or delayed',
        '    required       any of them',
        '  back             off: only if the endpoint fails',
        '  endpoint         none: the route is only watched',
      ].join('\n'),
    );
  });

  it('says so where a later route leaves out what the first one asks for', () => {
    const slo = { criteria: { slo: { p95: '20s' } } };
    const text = shown({ routes: [{ model: 'org/first', ...slo }] });
    assert.match(text, /any other model {2}as org\/first, but:\n {2}criteria .*\n {4}slo missed +not set\n/);
  });

  it('ends with what to do next: watch, or plan the endpoint that it may make', () => {
    assert.match(
      shown({}),
      /\nnext {2}npx upshift start --policy my\.yaml: it only watches, because no route has\n {6}an endpoint block$/,
    );
    assert.match(shown(EVERYTHING), /\nnext {2}npx upshift plan --policy my\.yaml: /);
  });
});
