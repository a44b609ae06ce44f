import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { AppError } from '../../src/core/errors.ts';
import { azureConversation, busyConversation, loadTrace, readTrace, scaleLoad } from '../../src/simulation/trace.ts';
import { DEFAULT_LIMITS } from '../../src/simulation/limits.ts';
import { checkDemand } from './demand.ts';

const RECORDED = new URL('../../../shared/data/azure_llm_2023_conv.csv.gz', import.meta.url).pathname;

test('the trace has the recorded number of calls, in order, and the same seed gives the same trace', () => {
  const trace = azureConversation(2, 1);
  assert.equal(trace.length, 2 * 19_366);
  assert.ok(trace.every((arrival, index) => index === 0 || arrival.atMs >= (trace[index - 1]?.atMs ?? 0)));
  assert.deepEqual(azureConversation(2, 1), trace);
  assert.notDeepEqual(azureConversation(2, 2), trace);
  const inMinute29 = trace.filter(({ atMs }) => atMs >= 28 * 60_000 && atMs < 29 * 60_000);
  assert.equal(inMinute29.length, 476);
});

test('tokens follow the recorded quantiles', () => {
  const trace = azureConversation(1, 1);
  const median = (values: number[]) => values.sort((left, right) => left - right)[Math.floor(values.length / 2)] ?? 0;
  assert.ok(Math.abs(median(trace.map((each) => each.promptTokens)) - 1020) < 30);
  assert.ok(Math.abs(median(trace.map((each) => each.outputTokens)) - 129) < 10);
  assert.ok(trace.every((each) => each.outputTokens >= 7 && each.outputTokens <= 1000));
});

test('at the full trace the default limit refuses enough calls for five minutes and more, whenever the windows begin', () => {
  for (const seed of [1, 20231116]) {
    const trace = azureConversation(2, seed);
    for (let offsetMs = 0; offsetMs < 300_000; offsetMs += 20_000) {
      const { longestS } = checkDemand(trace, DEFAULT_LIMITS.routerCalls, offsetMs);
      assert.ok(longestS > 600, `${longestS} s at an offset of ${offsetMs} ms`);
    }
    const first = checkDemand(azureConversation(1, seed), DEFAULT_LIMITS.routerCalls, 5_000);
    assert.ok(first.fromS > 26 * 60 && first.fromS < 29 * 60, `begins after ${first.fromS} s`);
  }
});

test('the busy quarter of an hour is beyond the usual limit all the time, also where it begins again', () => {
  for (const seed of [1, 20231116]) {
    const trace = busyConversation(3, seed);
    assert.equal(trace.length, 3 * 6_541);
    assert.ok(trace.every(({ atMs }, i) => i === 0 || atMs >= (trace[i - 1]?.atMs ?? 0)));
    const { longestS, fromS } = checkDemand(trace, DEFAULT_LIMITS.routerCalls, 5_000);
    assert.ok(longestS > 2 * 900 && fromS < 420, `${longestS} s from ${fromS} s`);
    assert.equal(checkDemand(scaleLoad(trace, 0.5), DEFAULT_LIMITS.routerCalls, 0).refused, 0);
  }
});

test('at half the trace the router refuses nothing', () => {
  const half = scaleLoad(azureConversation(2, 1), 0.5);
  assert.equal(half.length, 19_366);
  assert.deepEqual(checkDemand(half, DEFAULT_LIMITS.routerCalls, 0), { longestS: 0, fromS: 0, refused: 0 });
  assert.throws(() => scaleLoad(half, 5), /share is 5; allowed: above 0 up to 1/);
});

test('a trace file is read plain or gzipped, in any order, and missing token counts are filled in', () => {
  const text = 't_ms,session,prompt_tokens,output_tokens\n2500,u1,10,20\r\n500,,,\n\n';
  const expected = [
    { atMs: 0, promptTokens: 1020, outputTokens: 129 },
    { atMs: 2000, promptTokens: 10, outputTokens: 20 },
  ];
  assert.deepEqual(readTrace(text, 'a.csv'), expected);
  assert.deepEqual(readTrace(gzipSync(text), 'a.csv.gz'), expected);
});

test('a wrong trace file is refused with line, column, value and what is allowed', async () => {
  const cases: [string | Uint8Array, RegExp][] = [
    ['time,tokens\n1,2\n', /a\.csv, line 1: the header "time,tokens" names no t_ms/],
    ['t_ms\n', /a\.csv has a header but no calls/],
    ['t_ms,prompt_tokens\n1,2\nx,2\n', /a\.csv, line 3, column t_ms: "x" is not a time; allowed/],
    ['t_ms,prompt_tokens\n1,-2\n', /line 2, column prompt_tokens: "-2" is not a count of tokens; allowed/],
    ['t_ms,output_tokens\n1,1.5\n', /line 2, column output_tokens: "1\.5"/],
    ['t_ms,output_tokens\n1\n', /line 2: 1 cells; the header names 2 columns/],
    ['t_ms\n0\n9999999999999\n', /t_ms spans 115741 days; allowed: up to 31/],
    [Uint8Array.of(0x1f, 0x8b, 1, 2), /broken gzip/],
  ];
  for (const [source, message] of cases) {
    assert.throws(
      () => readTrace(source, 'a.csv'),
      (error) => error instanceof AppError && error.code === 'invalid' && message.test(error.message),
      String(message),
    );
  }
  await assert.rejects(loadTrace('/no/such.csv'), /trace \/no\/such\.csv cannot be read/);
});

test(
  'the recorded trace itself is read',
  { skip: existsSync(RECORDED) ? false : 'the recording is not here' },
  async () => {
    const trace = await loadTrace(RECORDED);
    assert.equal(trace.length, 19_366);
    assert.ok(checkDemand(trace, DEFAULT_LIMITS.routerCalls, 5_000).longestS > 600);
  },
);
