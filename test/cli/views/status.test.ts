import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import type { ViewOptions } from '../../../src/cli/views/page.ts';
import { renderStatus } from '../../../src/cli/views/status.ts';
import type { MetricVerdict } from '../../../src/core/judge/verdict.ts';
import type { StatusReport } from '../../../src/core/status.ts';
import { ENDPOINT_POLICY, NO_REPLICAS, PROMPTS_APART, verdictOn } from '../../support/samples.ts';
import { HOLDING, makeLane, makeReport, makeRollout, makeRoute, NOON } from '../reports.ts';
import { namedInstance } from '../../support/named-instance.ts';

const OPTIONS: ViewOptions = { width: 80, color: false, isRunning: true, now: NOON + 800 };

const WITHOUT_TRAFFIC = { step: 0, weight: 0, assignedShare: null, servedShare: null, figures: null, verdict: null };
const STARTING = {
  ...NO_REPLICAS,
  at: NOON,
  state: 'initializing' as const,
  url: null,
  isHealthy: false,
  badReadings: 0,
  isOurs: true,
  message: null,
};
const ASKED =
  'step 3 of 5: 50 % to the endpoint; errors 0.10 % against 0.10 % (limit 0.60 %); p95 2900 ms against 3400 ms (limit 4080 ms)';
const TERMS = { monthMicros: 2_880_000_000, serverlessMonthMicros: 4_100_000_000, likelyMs: 9_000_000 };

const LAST = {
  id: 'k3v9q2ab',
  phase: 'aborted' as const,
  at: NOON - 3_600_000,
  reason: 'consecutive_faults: the endpoint refused the connection 5 times in a row, last 11:00:00Z',
  hint: null,
  cause: 'faults' as const,
};

/** Compares a page with what is written below the test, without the line break that the literal begins with. */
function shows(report: StatusReport, page: string, changes: Partial<ViewOptions> = {}): void {
  assert.equal(renderStatus(report, { ...OPTIONS, ...changes }), page.slice(1));
}

describe('the page of status shows', () => {
  it('a watched route with its criteria', () => {
    shows(
      makeReport([makeRoute()]),
      `
upshift 0.1.0  running  pid 4711, up 42 min  12:00:00Z
policy policies/default.yaml 5f3a9c1e   account acme
gateway :8787   41 210 calls, 12 in flight   ledger ok

─ meta-llama/Llama-3.1-8B-Instruct ─────────────────────────────────── WATCHING
 now       criteria not met: 1810 calls, 64 agents, 2.1 % refused or delayed in
           5 min
 criteria  calls    1 810 / 2 000  ██████████░░
           agents      64 / 50     ████████████ met
           refused  2.1 % / 5.0 %  █████░░░░░░░
           held       0 s / 5 min  ░░░░░░░░░░░░
           needed: above these limits in 5 min, all of them
           refused or delayed 2.1 %, not above the 5.0 % at which moving is
           proposed
`,
    );
  });

  it('how many calls an endpoint could not get, and the three most frequent reasons', () => {
    const ineligibleBecause = { shape: 1, media: 1_200, too_long: 30, provider: 200, unchangeable: 2 };
    const gateway = {
      inFlight: 1,
      calls: 9_000,
      ineligible: 1_433,
      ineligibleBecause,
      withoutToken: 0,
      throughOutage: 0,
      localTrouble: null,
    };
    const [, , first, second] = renderStatus(makeReport([], { gateway }), OPTIONS).split('\n');
    assert.equal(first, 'gateway :8787   9 000 calls, 1 in flight');
    assert.equal(second, '1 433 ineligible (1 200 media, 200 provider, 30 too long)   ledger ok');
  });

  it('what is proposed, since when, and the command to type', () => {
    shows(
      makeReport([
        makeRoute({
          ...HOLDING,
          phase: 'proposed',
          decision: {
            action: 'wait',
            reason: 'awaiting_approval',
            detail: 'create aws us-east-1 nvidia-l4 x1 at $4.00/h',
            at: NOON,
          },
          rollout: makeRollout({
            ...WITHOUT_TRAFFIC,
            startedAt: null,
            endpoint: null,
            ask: { id: 1, step: 0, at: NOON },
          }),
        }),
      ]),
      `
upshift 0.1.0  running  pid 4711, up 42 min  12:00:00Z
policy policies/default.yaml 5f3a9c1e   account acme
gateway :8787   41 210 calls, 12 in flight   ledger ok

─ meta-llama/Llama-3.1-8B-Instruct ───────────────── PROPOSED  rollout k3v9q2ab

 [ endpoint asked ]-[ 10 ]-[ 25 ]-[ 50 ]-[ 75 ]-[ 100 ]-[ promoted ]
 now       awaiting approval: create aws us-east-1 nvidia-l4 x1 at $4.00/h
 type      npx upshift approve k3v9q2ab --step 0
           npx upshift reject k3v9q2ab   ends the rollout
 open      since 11:40:00Z, 20 min
 endpoint  up-llama-3-1-8b-k3v9q2ab does not exist yet; it would cost $4.00/h
           on aws us-east-1 nvidia-a10g x1: named by the policy
 criteria  calls    2 113 / 2 000  ████████████ met
           agents      64 / 50     ████████████ met
           refused  7.9 % / 5.0 %  ████████████ met
           held     6 min / 5 min  ████████████ since 11:54:00Z
           needed: above these limits in 5 min, all of them
           refused or delayed 7.9 %, above the 5.0 % at which moving is proposed
`,
    );
  });

  it('the instance that was chosen, and why', () => {
    const instance = namedInstance(ENDPOINT_POLICY, 1);
    assert.ok(instance);
    const reason = 'the cheapest of 11 that fit, 17.7 GB of 21.6 GB usable';
    const page = (phase: 'proposed' | 'stepping') =>
      renderStatus(
        makeReport([makeRoute({ phase, rollout: makeRollout({ instance: { ...instance, reason } }) })]),
        OPTIONS,
      );
    assert.match(
      page('proposed'),
      /it would cost \$4\.00\/h\n +on aws us-east-1 nvidia-a10g x1: the cheapest of 11 that\s+fit/,
    );
    assert.match(page('stepping'), /^ +aws us-east-1 nvidia-a10g x1$/m);
  });

  it('an endpoint that is starting', () => {
    shows(
      makeReport([
        makeRoute({
          ...HOLDING,
          phase: 'provisioning',
          decision: { action: 'wait', reason: 'endpoint_starting', detail: 'up-llama is initializing', at: NOON },
          rollout: makeRollout({ ...WITHOUT_TRAFFIC, endpoint: STARTING }),
        }),
      ]),
      `
upshift 0.1.0  running  pid 4711, up 42 min  12:00:00Z
policy policies/default.yaml 5f3a9c1e   account acme
gateway :8787   41 210 calls, 12 in flight   ledger ok

─ meta-llama/Llama-3.1-8B-Instruct ───────────── PROVISIONING  rollout k3v9q2ab

 [ endpoint starting ]-[ 10 ]-[ 25 ]-[ 50 ]-[ 75 ]-[ 100 ]-[ promoted ]
 now       endpoint starting: up-llama is initializing
 endpoint  up-llama-3-1-8b-k3v9q2ab  initializing  $4.00/h, at most $1.00 so far
           aws us-east-1 nvidia-a10g x1
 demand    calls 2 113 / 2 000, agents 64 / 50, refused 7.9 % / 5.0 % in 5 min
`,
    );
  });

  it('both roles side by side, the verdict, and what is asked', () => {
    shows(
      makeReport([
        makeRoute({
          ...HOLDING,
          phase: 'stepping',
          decision: { action: 'wait', reason: 'awaiting_approval', detail: ASKED, at: NOON },
          rollout: makeRollout({ ask: { id: 3, step: 3, at: NOON - 240_000, verdict: 'pass', terms: TERMS } }),
          notes: ['the policy file has changed; this rollout keeps 5f3a9c1e, as proposed'],
        }),
      ]),
      `
upshift 0.1.0  running  pid 4711, up 42 min  12:00:00Z
policy policies/default.yaml 5f3a9c1e   account acme
gateway :8787   41 210 calls, 12 in flight   ledger ok

─ meta-llama/Llama-3.1-8B-Instruct ───────────────── STEPPING  rollout k3v9q2ab

 [ 10 ok ]-[ 25 now ]-[ 50 ]-[ 75 ]-[ 100 ]-[ promoted ]
 share     set 25 %   assigned 24.7 %   served 24.1 %   since 11:54:00Z
 now       awaiting approval: step 3 of 5: 50 % to the endpoint
 type      npx upshift approve k3v9q2ab --step 3 --db other.db
           npx upshift reject k3v9q2ab --db other.db   ends the rollout
 open      since 11:56:00Z, 4 min
 if yes    the endpoint costs at most $2,880 a month, all calls on serverless
           about $4,100: the endpoint saves about $1,220; the steps that are
           left take about 2.5 h

             calls  decided     errors  429s    p50    p95   first token
 serverless  8 640    8 612  9  0.10 %   512  1.9 s  3.4 s  410 / 900 ms
 endpoint    2 834    2 830  3  0.11 %     0  1.6 s  2.9 s   0.3 / 1.2 s

 step 2/5  time   6 min / 5 min  ████████████ ok
           calls  3 106 / 200    ████████████ ok
 verdict   PASS  errors 0.10 % against 0.10 % (limit 0.60 %); p95 2900 ms
           against 3400 ms (limit 4080 ms)
 endpoint  up-llama-3-1-8b-k3v9q2ab  running, healthy
           $4.00/h, at most $1.00 so far
           aws us-east-1 nvidia-a10g x1
 demand    calls 2 113 / 2 000, agents 64 / 50, refused 7.9 % / 5.0 % in 5 min
 ! the policy file has changed; this rollout keeps 5f3a9c1e, as proposed
`,
      { commandSuffix: '--db other.db' },
    );
  });

  it('a promoted route', () => {
    shows(
      makeReport([
        makeRoute({
          phase: 'promoted',
          decision: { action: 'wait', reason: 'promoted', detail: 'the endpoint serves all eligible calls', at: NOON },
          rollout: makeRollout({ step: 6, weight: 1, assignedShare: 1, servedShare: 0.998, verdict: null }),
        }),
      ]),
      `
upshift 0.1.0  running  pid 4711, up 42 min  12:00:00Z
policy policies/default.yaml 5f3a9c1e   account acme
gateway :8787   41 210 calls, 12 in flight   ledger ok

─ meta-llama/Llama-3.1-8B-Instruct ───────────────── PROMOTED  rollout k3v9q2ab

 [ 10 ok ]-[ 25 ok ]-[ 50 ok ]-[ 75 ok ]-[ 100 ok ]-[ promoted ]
 share     set 100 %   assigned 100.0 %   served 99.8 %   since 11:54:00Z
 now       promoted: the endpoint serves all eligible calls

             calls  decided     errors  429s    p50    p95   first token
 serverless  8 640    8 612  9  0.10 %   512  1.9 s  3.4 s  410 / 900 ms
 endpoint    2 834    2 830  3  0.11 %     0  1.6 s  2.9 s   0.3 / 1.2 s

 endpoint  up-llama-3-1-8b-k3v9q2ab  running, healthy
           $4.00/h, at most $1.00 so far
           aws us-east-1 nvidia-a10g x1
 demand    calls 1 810 / 2 000, agents 64 / 50, refused 2.1 % / 5.0 % in 5 min
`,
    );
  });

  it('a rollout that goes back, and other routes in short', () => {
    shows(
      makeReport([
        makeRoute({
          phase: 'draining',
          decision: {
            action: 'pause_endpoint',
            reason: 'traffic_first',
            detail: 'pauses up-llama: no traffic is left',
            at: NOON,
          },
          rollout: makeRollout({ ...WITHOUT_TRAFFIC }),
        }),
        ...['org/a', 'org/b', 'org/c'].map((model) => makeRoute({ model })),
      ]),
      `
upshift 0.1.0  running  pid 4711, up 42 min  12:00:00Z
policy policies/default.yaml 5f3a9c1e   account acme
gateway :8787   41 210 calls, 12 in flight   ledger ok

─ meta-llama/Llama-3.1-8B-Instruct ───────────────── DRAINING  rollout k3v9q2ab

 [ back now ]-[ 10 ]-[ 25 ]-[ 50 ]-[ 75 ]-[ 100 ]-[ promoted ]
 now       traffic first: pauses up-llama: no traffic is left
 endpoint  up-llama-3-1-8b-k3v9q2ab  running, healthy
           $4.00/h, at most $1.00 so far
           aws us-east-1 nvidia-a10g x1
 demand    calls 1 810 / 2 000, agents 64 / 50, refused 2.1 % / 5.0 % in 5 min

─ org/a ────────────────────────────────────────────────────────────── WATCHING
 now       criteria not met: 1810 calls, 64 agents, 2.1 % refused or delayed in
           5 min
 criteria  calls    1 810 / 2 000  ██████████░░
           agents      64 / 50     ████████████ met
           refused  2.1 % / 5.0 %  █████░░░░░░░
           held       0 s / 5 min  ░░░░░░░░░░░░
           needed: above these limits in 5 min, all of them
           refused or delayed 2.1 %, not above the 5.0 % at which moving is
           proposed

org/b  watching  1 810 calls, 64 agents, 2.1 % refused or delayed
org/c  watching  1 810 calls, 64 agents, 2.1 % refused or delayed
`,
    );
  });

  it('that the endpoint takes the calls of a serverless that is out, and who wanted it', () => {
    for (const [by, who] of [
      ['policy', 'by itself, in the last step'],
      ['ann@desk', 'wanted by ann@desk'],
    ] as const) {
      const rollout = makeRollout({ through: { since: NOON - 60_000, by } });
      const page = renderStatus(makeReport([makeRoute({ phase: 'stepping', rollout })]), OPTIONS);
      const told = `outage serverless is out since 11:59:00Z: its calls go to the endpoint ${who}`;
      assert.ok(page.replaceAll(/\s+/g, ' ').includes(told), page);
    }
  });

  it('that no daemon runs, and how old the figures are', () => {
    shows(
      makeReport([makeRoute({ lastRollout: LAST })], {
        ledger: { pending: 0, lost: 3, isDegraded: false, fault: null },
        account: { state: 'refused', name: null },
      }),
      `
upshift 0.1.0  not running  figures of 12:00:00Z, 4 min old
policy policies/default.yaml 5f3a9c1e   account refused
gateway :8787   41 210 calls, 12 in flight   ledger lost 3
 ! the daemon is not running: npx upshift start
 ! the Hub refuses HF_TOKEN: upshift can propose nothing
 ! 3 calls could not be written to the ledger and are lost

─ meta-llama/Llama-3.1-8B-Instruct ─────────────────────────────────── WATCHING
 now       criteria not met: 1810 calls, 64 agents, 2.1 % refused or delayed in
           5 min
 criteria  calls    1 810 / 2 000  ██████████░░
           agents      64 / 50     ████████████ met
           refused  2.1 % / 5.0 %  █████░░░░░░░
           held       0 s / 5 min  ░░░░░░░░░░░░
           needed: above these limits in 5 min, all of them
           refused or delayed 2.1 %, not above the 5.0 % at which moving is
           proposed
 before    rollout k3v9q2ab aborted 64 min ago: consecutive_faults: the endpoint
           refused the connection 5 times in a row, last 11:00:00Z
 to do     Read the kinds of faults in upshift explain, and the logs of the
           endpoint; repair it before the next proposal.
`,
      { isRunning: false, now: NOON + 240_000 },
    );
  });

  it('a freeze, in a rollout that it keeps where it is', () => {
    const rollout = makeRollout({ pausedSince: NOON - 7_200_000, step: 5, weight: 1 });
    const frozen = { by: 'ann@desk', at: NOON - 7_200_000, reason: 'release week' };
    const text = renderStatus(makeReport([makeRoute({ ...HOLDING, rollout })], { frozen }), {
      width: 80,
      color: false,
      isRunning: true,
      now: NOON,
    });
    assert.ok(
      text.includes(`
 ! FROZEN since 10:00:00Z by ann@desk: "release week". Nothing is proposed,
   asked, approved or entered on any route; going back works. To end it: npx
   upshift thaw
`),
      text,
    );
    assert.ok(
      text.includes(`
 frozen    since 10:00:00Z, 2.0 h; no deadline runs
           its endpoint costs up to $4.00/h meanwhile; budgets and rollbacks
           still act
 type      npx upshift thaw
`),
      text,
    );
  });

  it('a narrow window', () => {
    shows(
      makeReport([
        makeRoute({
          ...HOLDING,
          phase: 'stepping',
          rollout: makeRollout({ isPaused: true, pausedSince: NOON - 7_200_000, step: 5, weight: 1 }),
        }),
      ]),
      `
upshift 0.1.0  running  pid 4711, up 42 min  12:00:00Z
policy policies/default.yaml 5f3a9c1e
account acme
gateway :8787   41 210 calls, 12 in flight
ledger ok

─ meta-llama/Llam… ── STEPPING, PAUSED  rollout k3v9q2ab

 [ 10 ok ]-[ 25 ok ]-[ 50 ok ]-[ 75 ok ]
   -[ 100 now ]-[ promoted ]
 share     set 100 %   assigned 24.7 %   served
           24.1 %   since 11:54:00Z
 now       criteria not met: 1810 calls, 64
           agents, 2.1 % refused or delayed in 5
           min
 paused    since 10:00:00Z, 2.0 h; no deadline
           runs
           its endpoint costs up to $4.00/h
           meanwhile; budgets and rollbacks still
           act
 type      npx upshift resume k3v9q2ab

             calls  decided     errors  429s    p50    p95
 serverless  8 640    8 612  9  0.10 %   512  1.9 s  3.4 s
 endpoint    2 834    2 830  3  0.11 %     0  1.6 s  2.9 s

 step 5/5  time   6 min / 5 min  ████████████ ok
           calls  3 106 / 200    ████████████ ok
 verdict   PASS  errors 0.10 % against 0.10 %
           (limit 0.60 %); p95 2900 ms against
           3400 ms (limit 4080 ms)
 endpoint  up-llama-3-1-8b-k3v9q2ab  running,
           healthy
           $4.00/h, at most $1.00 so far
           aws us-east-1 nvidia-a10g x1
 demand    calls 2 113 / 2 000, agents 64 / 50,
           refused 7.9 % / 5.0 % in 5 min
`,
      { width: 50 },
    );
  });

  it('providers, where there are several or one refused anything', () => {
    const shown = (...providers: readonly (readonly [string, number, number, number])[]) => {
      const counts = providers.map(([provider, tried, refused, faults]) => ({ provider, tried, refused, faults }));
      const route = makeRoute();
      const lanes = [
        makeLane({ model: route.model, providers: counts.slice(0, 1) }),
        makeLane({ model: route.model, provider: 'novita', providers: counts.slice(1) }),
      ];
      const page = renderStatus(makeReport([route], { lanes }), OPTIONS);
      return page
        .slice(page.indexOf(' providers'))
        .split('\n')
        .filter((line) => page.includes(' providers') && line !== '');
    };
    assert.deepEqual(shown(['groq', 50, 0, 0]), []);
    assert.deepEqual(shown(['groq', 50, 1, 0]), [' providers groq 2.0 % of 50 attempts refused']);
    assert.deepEqual(shown(['', 1_500, 0, 0], ['novita', 9, 0, 2]), [
      ' providers not named 0.0 % of 1 500 attempts refused; novita 0.0 % of 9 attempts',
      '           refused, 2 faults',
    ]);
  });

  it('the figures of the form of answers, and what else is odd about them', () => {
    const odds = { passOdds: 0, passAt: 20, stepOdds: 1, stepAt: 1, failOdds: 1e6, failAt: 2_000 };
    const tools: MetricVerdict = {
      metric: 'tools',
      judge: 'act',
      status: 'open',
      few: { seen: 12, needed: 3_744 },
      stable: 0.01,
      canary: 0,
      effect: -0.01,
      low: -0.02,
      high: 0.02,
      margin: 0.02,
      ...odds,
    };
    const verdict = verdictOn(2, {
      summary: 'so it is',
      metrics: [tools, PROMPTS_APART],
      notes: ['characters per token 3.00 against 4.00: is the tokenizer another?'],
    });
    const route = makeRoute({ ...HOLDING, phase: 'stepping', rollout: makeRollout({ verdict }) });
    const page = renderStatus(makeReport([route]), OPTIONS);
    const from = page.indexOf(' verdict');
    assert.equal(
      page.slice(from, page.indexOf('\n endpoint ', from) + 1),
      `
 verdict   PASS  so it is
           .. tool calls  broken tool calls 0.00 % against 1.00 % (difference
                          -1.00 points, -2.00 points to +2.00 points); limit
                          +2.00 points; 12 calls asked for tools, about 3700 are
                          needed to tell
           !! prompts     the endpoint counts the tokens of 40 prompts
                          differently, by -3 to +120, 2 of them by the same
                          number; limit 8 tokens
           ?  characters per token 3.00 against 4.00: is the tokenizer another?
`.slice(1),
    );
  });

  it('no line that is wider than the window, from 60 columns up', () => {
    for (const width of [60, 72, 80, 100, 120]) {
      const route = makeRoute({ ...HOLDING, phase: 'stepping', rollout: makeRollout(), notes: ['a note '.repeat(40)] });
      const lines = renderStatus(makeReport([route]), { ...OPTIONS, width }).split('\n');
      const tooWide = lines.filter((line) => line.length > width);
      assert.deepEqual(tooWide, [], `at ${width} columns`);
    }
  });

  it('colours without moving anything', () => {
    const report = makeReport([makeRoute({ ...HOLDING, phase: 'stepping', rollout: makeRollout() })]);
    const colored = renderStatus(report, { ...OPTIONS, color: true });
    assert.notEqual(colored, stripVTControlCharacters(colored));
    assert.equal(stripVTControlCharacters(colored), renderStatus(report, OPTIONS));
  });

  it('no control characters that a model name or a message brought along', () => {
    const route = makeRoute({ model: 'org/\u001b[2Jx', notes: ['a\u0007b\nc'] });
    assert.doesNotMatch(renderStatus(makeReport([route]), OPTIONS), /[\u0000-\u0009\u000b-\u001f]/);
  });
});
