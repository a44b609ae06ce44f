import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { renderStatus } from '../../../src/cli/views/status.ts';
import { CLOSED } from '../../../src/core/care/breaker.ts';
import type { LaneKey, LaneStatus } from '../../../src/core/care/lane-status.ts';
import { NOON, makeReport, makeRoute } from '../reports.ts';

const MODEL = 'meta-llama/Llama-3.1-8B-Instruct';
const OPTIONS = { width: 80, color: false, now: NOON, isRunning: true } as const;

function lane(over: Partial<LaneStatus & LaneKey> = {}): LaneKey & LaneStatus {
  return {
    model: MODEL,
    provider: '',
    limit: null,
    isBlocked: false,
    isOut: false,
    faultsInRow: 0,
    inFlight: 3,
    inFlightLimit: null,
    waiting: 0,
    waitingAgents: 0,
    breaker: CLOSED,
    retryShare: 0,
    noCreditsAt: null,
    counts: { sent: 1_000, refusedByUpstream: 0, refusedHere: 0, held: 0, noCredits: 0 },
    providers: [],
    ...over,
  };
}

function shown(...lanes: (LaneKey & LaneStatus)[]): string {
  return renderStatus(makeReport([makeRoute({ model: MODEL })], { lanes }), OPTIONS);
}

describe('how serverless is cared for', () => {
  it('is not worth a line where nothing was refused, held or failed', () => {
    assert.equal(shown(lane()), shown());
  });

  it('is told in a line: limit, queue, refusals, retries', () => {
    const counts = { sent: 4_000, refusedByUpstream: 40, refusedHere: 12, held: 900, noCredits: 0 };
    const text = shown(
      lane({ limit: 2_000, isBlocked: true, waiting: 17, waitingAgents: 9, retryShare: 0.013, counts }),
    );
    assert.match(text, / care {2,}limit about 2 000 in 5 min, used up, 17 calls of 9 agents waiting,\n +1\.0 %/);
    assert.match(text, /12 refused by the gateway, 1\.3 % retried/);
    assert.ok(text.split('\n').every((line) => line.length <= 80));
  });

  it('says when the breaker is open, until when and why', () => {
    const open = { state: 'open', since: NOON, until: NOON + 42_000, cause: 'connect_failed', agents: null } as const;
    assert.match(
      shown(lane({ breaker: open })),
      /serverless fails \(connect failed\): calls are refused, next attempt in 42 s/,
    );
    assert.match(
      shown(lane({ breaker: { ...open, agents: 2 } })),
      /serverless fails for 2 agents \(connect failed\): their calls are refused/,
    );
  });

  it('tells 402 apart, for some minutes', () => {
    const counts = { sent: 10, refusedByUpstream: 0, refusedHere: 0, held: 0, noCredits: 3 };
    assert.match(shown(lane({ noCreditsAt: NOON - 60_000, counts })), /no credits left \(402\): 3 calls refused/);
    assert.doesNotMatch(shown(lane({ noCreditsAt: NOON - 3_600_000, counts })), /402/);
  });
});
