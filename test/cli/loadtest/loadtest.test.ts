import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { renderLive, sparkline } from '../../../src/cli/loadtest/live.ts';
import { POLICY_DEFAULTS } from '../../../src/core/policy/defaults.ts';
import type { Arrival } from '../../../src/core/trace.ts';
import { planLoad, PRESETS, readTarget, swarmTrace } from '../../../src/cli/loadtest/plan.ts';
import type { LoadWords, PresetName } from '../../../src/cli/loadtest/plan.ts';
import { createClock } from '../../../src/files/clock.ts';
import { Tally } from '../../../src/loadtest/tally.ts';
import type { Asked } from '../../loadtest/rig.ts';
import { GOOD, serve } from '../../loadtest/rig.ts';
import { startDaemon } from '../../support/processes.ts';
import { openStage } from '../../support/stage.ts';
import { spawnUpshift, temporaryFolder, upshift } from '../rig.ts';

const good = ({ response }: Asked) => response.end(GOOD);
const OFF = 'http://127.0.0.1:1';

interface Told {
  readonly calls: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly requests: number;
  readonly endedBy: string;
  readonly firstTokenMs: { readonly p50: number } | null;
  readonly windows: readonly { readonly calls: number }[];
}

/** The one line of --json. */
function read(out: string): Told {
  assert.match(out, /^\{[^\n]*\}\n$/);
  return JSON.parse(out) as Told;
}

describe('upshift loadtest', { concurrency: 3 }, () => {
  it('drives a swarm through the gateway, and the ledger has every call of it', async (t) => {
    const stage = await openStage(t, { limits: { routerCalls: 1_000 } });
    const daemon = await startDaemon(t, stage);
    const args = ['loadtest', daemon.gateway, '--concurrency', '5', '--max-calls', '40', '--duration', '2h'];
    const page = join(temporaryFolder(t), 'page.html');
    const { UPSHIFT_TIME_SCALE = '', UPSHIFT_TIME_START = '', ...urls } = stage.env;
    const env = {
      UPSHIFT_TIME_SCALE,
      UPSHIFT_TIME_START,
      UPSHIFT_ROUTER_URL: urls['UPSHIFT_ROUTER_URL'] ?? '',
      UPSHIFT_ENDPOINTS_URL: urls['UPSHIFT_ENDPOINTS_URL'] ?? '',
      HF_ENDPOINT: urls['HF_ENDPOINT'] ?? '',
    };
    const { code, out, err } = await upshift([...args, '--stream', '--json', '--html', page], env);
    assert.equal(code, 0, err);
    const report = read(out);
    assert.deepEqual([report.calls, report.succeeded, report.failed, report.endedBy], [40, 40, 0, 'calls']);
    assert.ok((report.firstTokenMs?.p50 ?? 0) > 0);
    const count = 'SELECT count(*) AS calls, count(DISTINCT agent) AS agents FROM call_log';
    assert.deepEqual(
      { ...stage.read((db) => db.prepare(count).get() as object) },
      { calls: report.requests, agents: 5 },
    );
    const html = readFileSync(page, 'utf8');
    assert.equal(html.match(/<svg /g)?.length, 4);
    assert.doesNotMatch(html, /<script|<link|<img|src=|href=|url\(|@import/);
  });

  it('plays a trace, and prints a report for people', async (t) => {
    const trace = join(temporaryFolder(t), 'calls.csv');
    writeFileSync(trace, 't_ms,prompt_tokens,output_tokens\n0,10,5\n20,,\n40,10,5\n');
    await using server = await serve(good);
    const { code, out } = await upshift(['loadtest', server.url, '--trace', trace, '--agents', '2']);
    assert.equal(code, 0);
    assert.match(out, /^the load test played its trace to the end after \d+ ms: 3 calls of a trace by 2\nagents\n/);
    assert.match(out, /\ncalls +3, .* 3 succeeded\nfailed +none\nretries +none\n/);
    assert.ok(out.split('\n').every((line) => line.length <= 80));
  });

  it('ends by Ctrl-C with the report so far and 130', async () => {
    let count = 0;
    await using server = await serve((asked) => {
      // Half-way through a call: it may end.
      if ((count += 1) === 5) child.kill('SIGINT');
      good(asked);
    });
    const { child, ended } = spawnUpshift([
      'loadtest',
      server.url,
      '--preset',
      'spike',
      '--concurrency',
      '1',
      '--json',
    ]);
    const { code, out } = await ended;
    assert.equal(code, 130);
    const report = read(out);
    assert.deepEqual([report.endedBy, report.calls, report.succeeded], ['stopped', count, count]);
  });

  it('ends at once by a second Ctrl-C, and leaves no half page', async (t) => {
    const page = join(temporaryFolder(t), 'page.html');
    let wish: NodeJS.Timeout | undefined;
    let begun = 0;
    await using server = await serve(() => {
      if (wish !== undefined) return;
      begun = performance.now();
      wish = setInterval(() => child.kill('SIGINT'), 100);
    });
    const args = ['loadtest', server.url, '--concurrency', '1', '--html', page];
    const { child, ended } = spawnUpshift(args);
    const [code] = (await once(child, 'exit')) as [number];
    clearInterval(wish);
    assert.deepEqual([code, (await ended).out, existsSync(page)], [130, '', false]);
    assert.ok(performance.now() - begun < 5_000);
  });

  it('says so where no call succeeded: exit 6', async () => {
    await using server = await serve(({ response }) => response.writeHead(500).end('{"error":"broken"}'));
    const { code, err, out } = await upshift(['loadtest', server.url, '--concurrency', '2', '--max-calls', '3']);
    assert.equal(code, 6);
    assert.match(err, /warning: no call succeeded: status 500: broken/);
    assert.match(out, /failed +100\.0 %: 5xx 3 \(100\.0 %\)/);
  });

  it('sends HF_TOKEN only where it is told to', async () => {
    const seen: unknown[] = [];
    await using server = await serve((asked) => {
      seen.push(asked.request.headers.authorization);
      good(asked);
    });
    const args = ['loadtest', server.url, '--concurrency', '1', '--max-calls', '1'];
    await upshift(args, { HF_TOKEN: 'hf_secret' });
    const sent = await upshift([...args, '--send-token'], { HF_TOKEN: 'hf_secret' });
    assert.deepEqual(seen, [undefined, 'Bearer hf_secret']);
    assert.doesNotMatch(sent.out + sent.err, /hf_secret/);
  });

  it('refuses what cannot be, before anything is sent', async (t) => {
    const there = join(temporaryFolder(t), 'page.html');
    writeFileSync(there, 'mine');
    const cases: [string, RegExp, number?][] = [
      ['', /an argument is missing/],
      [OFF, /no load test is specified/],
      [`${OFF} --concurrency 1 --send-token`, /needs HF_TOKEN, which is not set/],
      [`${OFF} --preset high --swarm`, /--swarm and --preset cannot be used together/],
      [`${OFF} --swarm --trace none.csv`, /--(?:swarm|trace) and --(?:swarm|trace) cannot be used together/],
      [`${OFF} --swarm --duration soon`, /--duration "soon" is not a span of time/],
      [`${OFF} --preset high --trace none.csv`, /--trace and --preset cannot be used together/],
      [`${OFF} --concurrency 1 --html ${there}`, /already exists/, 4],
    ];
    await Promise.all(
      cases.map(async ([words, message, status = 2]) => {
        const { code, out, err } = await upshift(['loadtest', ...words.split(' ').filter(Boolean)]);
        assert.deepEqual([code, out], [status, ''], words);
        assert.match(err, message);
      }),
    );
    assert.equal(readFileSync(there, 'utf8'), 'mine');
  });
});

const WORDS: LoadWords = {
  preset: undefined,
  concurrency: undefined,
  duration: undefined,
  ramp: undefined,
  agents: undefined,
  model: 'a/model',
  stream: true,
  mix: 'plain',
  maxCalls: 1_000,
  maxTokens: undefined,
  timeout: '2m',
  retries: 0,
  window: '5m',
  seed: 1,
};

function planOf(words: Partial<LoadWords>, trace: readonly Arrival[] | null = null) {
  const url = new URL('http://127.0.0.1:8787/v1/chat/completions');
  const clock = createClock({ scale: 1, start: 0 });
  return planLoad({ ...WORDS, ...words }, { url, token: undefined, trace, clock });
}

describe('a plan', () => {
  it('has the five scenarios, of which each part can be said anew', () => {
    const minutes = Object.keys(PRESETS).map((name) => {
      const { concurrency, durationMs } = planOf({ preset: name as PresetName });
      return [name, concurrency, durationMs / 60_000];
    });
    assert.deepEqual(minutes, [
      ['baseline', 5, 5],
      ['medium', 25, 10],
      ['high', 50, 15],
      ['spike', 100, 5],
      ['sustained', 25, 60],
    ]);
    const { concurrency, durationMs, rampMs, agents } = planOf({ preset: 'high', duration: '30s' });
    assert.deepEqual([concurrency, durationMs, rampMs, agents], [50, 30_000, 15_000, 50]);
  });

  it('has the traffic of the demo for as long as wanted, beyond the criteria of the policies all the time', () => {
    const { calls, agents } = POLICY_DEFAULTS.criteria;
    for (const [duration, minutes] of [
      [undefined, 120],
      ['5m', 5],
      ['20m', 20],
    ] as const) {
      const trace = swarmTrace({ duration, seed: 1 });
      const plan = planOf({ duration }, trace);
      assert.ok(plan.agents > (agents ?? 0));
      const lastMs = Math.min(plan.durationMs, trace.at(-1)?.atMs ?? 0);
      assert.ok(Math.abs(lastMs - minutes * 60_000) < 65_000, `${lastMs} ms`);
      const inFive = trace.filter(({ atMs }) => atMs >= lastMs - 300_000 && atMs < lastMs).length;
      assert.ok(inFive > (calls ?? 0), `${inFive} calls`);
    }
  });

  it('refuses what is out of range, naming the option', () => {
    const cases: [Partial<LoadWords>, RegExp][] = [
      [{}, /no load test is specified/],
      [{ concurrency: 0 }, /--concurrency 0 is out of range/],
      [{ concurrency: 1, duration: '5' }, /--duration "5" is not a span of time/],
      [{ concurrency: 1, duration: '25h' }, /--duration 25h is out of range/],
      [{ preset: 'baseline', ramp: '6m' }, /--ramp 6m is out of range/],
      [{ preset: 'sustained', window: '1s' }, /more than 300 windows/],
      [{ preset: 'high', maxCalls: 0 }, /--max-calls 0/],
      [{ preset: 'high', retries: 1.5 }, /--retries 1\.5/],
    ];
    for (const [words, message] of cases) assert.throws(() => planOf(words), message);
  });
});

describe('a target', () => {
  const usual = { sendsToken: false, scale: 1 };

  it('is the chat path of the base URL, with or without its /v1', () => {
    for (const base of ['https://host.invalid/v1/', 'https://host.invalid', 'https://host.invalid//']) {
      assert.equal(readTarget(base, usual).href, 'https://host.invalid/v1/chat/completions');
    }
  });

  it('is refused where it is no plain URL, or where the token or a fast clock has no business', () => {
    const cases: [string, RegExp, Partial<typeof usual>?][] = [
      ['nonsense', /"nonsense" is not a URL/],
      ['ftp://127.0.0.1', /neither http nor https/],
      ['http://127.0.0.1/?key=1', /has a query/],
      ['http://me:secret@127.0.0.1', /must not hold a user name or password$/],
      ['http://host.invalid', /to host\.invalid unencrypted/, { sendsToken: true }],
      ['http://127.0.0.1.host.invalid', /to 127\.0\.0\.1\.host\.invalid unencrypted/, { sendsToken: true }],
      ['https://host.invalid', /is not this machine/, { scale: 60 }],
    ];
    for (const [text, message, more] of cases) {
      assert.throws(() => readTarget(text, { ...usual, ...more }), { message });
    }
    assert.equal(readTarget('http://[::1]:80', { sendsToken: true, scale: 60 }).protocol, 'http:');
    assert.equal(readTarget('https://host.invalid', { sendsToken: true, scale: 1 }).protocol, 'https:');
  });
});

describe('the live page', () => {
  it('fits 80 columns whatever the figures are', () => {
    const tally = new Tally(600_000, 300_000);
    for (const kind of ['ok', 'refused', 'server', 'connection', 'timeout', 'other'] as const) {
      for (let n = 0; n < 100_000; n++) {
        const ended = { kind, status: 200, failure: undefined, durationMs: 123_456, firstByteMs: 1 };
        tally.begin(n);
        tally.endCall(
          { ...ended, firstTokenMs: 99_999, retryAfterMs: undefined, attempts: 1 },
          { dueMs: n, sentMs: n },
        );
      }
    }
    const progress = { passedMs: 300_000, total: tally.total(), inFlight: 10_000 };
    const options = { rates: Array.from({ length: 60 }, (_, i) => i), width: 80, color: false };
    const [page, last] = ([null, 'stopped'] as const).map((ending) => {
      const text = renderLive({ ...progress, ending }, planOf({ preset: 'high' }), options);
      assert.ok(
        text.split('\n').every((line) => line.length <= 80),
        text,
      );
      return text;
    }) as [string, string];
    assert.match(last, /10 000 in flight have 5 s to end, Ctrl-C cuts them now/);
    assert.match(page, /░ +33 % +5 min of 15 min/);
    assert.match(page, /failed +83\.3 %/);
  });

  it('draws the largest number highest, and nothing from nothing', () => {
    assert.equal(sparkline([0, 4, 8]), '▁▅█');
    assert.equal(sparkline([0, 0]), '▁▁');
    assert.equal(sparkline([]), '');
  });
});
