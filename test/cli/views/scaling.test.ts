import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { renderStatus } from '../../../src/cli/views/status.ts';
import type { RolloutStatus } from '../../../src/core/status.ts';
import { concurrencyOf } from '../../support/concurrency.ts';
import { makeReport, makeRollout, makeRoute, NOON } from '../reports.ts';
import { NO_REPLICAS } from '../../support/samples.ts';

const MINUTE = 60_000;
const SCALING = { minReplica: 2, maxReplica: 4, scaleToZeroTimeout: null, measure: { pendingRequests: 8 } };
const RUNNING = {
  at: NOON,
  state: 'running' as const,
  url: 'http://up',
  isHealthy: true,
  badReadings: 0,
  isOurs: true,
};

/** The lines of the page from `endpoint` on. */
function shown(over: Partial<RolloutStatus>): string {
  const endpoint = { ...RUNNING, message: null, readyReplica: 2, targetReplica: 3, scaling: null };
  const rollout = makeRollout({ step: 6, weight: 1, verdict: null, figures: null, endpoint, ...over });
  const detail = 'the endpoint serves all eligible calls';
  const decision = { action: 'wait' as const, reason: 'promoted' as const, detail, at: NOON };
  const page = renderStatus(makeReport([makeRoute({ phase: 'promoted', decision, rollout })]), {
    width: 80,
    color: false,
    isRunning: true,
    now: NOON,
  });
  const lines = page.split('\n');
  assert.ok(
    lines.every((line) => line.length <= 80),
    page,
  );
  const from = lines.findIndex((line) => line.startsWith(' endpoint'));
  return lines
    .slice(
      from,
      lines.findIndex((line) => line.startsWith(' demand')),
    )
    .join('\n');
}

describe('the page of status shows of replicas', () => {
  it('how many are ready, their bounds, their concurrency and what one was seen to carry', () => {
    assert.equal(
      shown({ scaling: SCALING, concurrency: concurrencyOf() }),
      [
        ' endpoint  up-llama-3-1-8b-k3v9q2ab  running, healthy',
        '           $4.00/h, at most $1.00 so far',
        '           aws us-east-1 nvidia-a10g x1',
        ' replicas  2 of 3 ready; 2 to 4 replicas, another at 8 pending calls each',
        ' at once   10 calls at once on the endpoint (14 at p95), 10 in all; a replica',
        '           has carried 10, which is its limit',
      ].join('\n'),
    );
  });

  it('nothing that is not known', () => {
    assert.doesNotMatch(
      shown({ endpoint: { ...RUNNING, message: null, ...NO_REPLICAS } }),
      /replicas|concurrency|detour/,
    );
  });

  it('that a limit is not known yet', () => {
    const concurrency = concurrencyOf({ capacity: { carried: 12.34, isLimit: false } });
    assert.match(
      shown({ concurrency }).replaceAll(/\s+/g, ' '),
      /a replica has carried 12; its limit is not known yet/,
    );
    const unknown = shown({ concurrency: concurrencyOf({ capacity: null }) }).replaceAll(/\s+/g, ' ');
    assert.match(unknown, /too few to say what a replica can carry$/);
  });

  const since = NOON - 8 * MINUTE;
  const detours: readonly (readonly [string, NonNullable<RolloutStatus['detour']>, RegExp])[] = [
    [
      'is changed',
      { why: 'rescale', since, scaling: SCALING, bridgedBefore: 0 },
      /while the endpoint is changed to 2 to 4/,
    ],
    [
      'sleeps',
      { why: 'sleep', since, bridgedBefore: 0 },
      /since 11:52:00Z, 8 min: serverless serves while the endpoint sleeps/,
    ],
    [
      'wakes up',
      { why: 'sleep', since, bridgedBefore: 0, wokenAt: NOON - MINUTE },
      /while the endpoint wakes up, for 60 s now/,
    ],
  ];
  for (const [what, detour, expected] of detours) {
    it(`where the traffic is while the endpoint ${what}`, () => {
      assert.match(shown({ weight: 0, detour }).replaceAll(/\s+/g, ' '), expected);
    });
  }
});
