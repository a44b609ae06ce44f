import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { causeMeaning, CAUSES } from '../../../src/core/cause.ts';
import { causeOf } from '../../../src/core/decide/cause-of.ts';
import { decide } from '../../../src/core/decide/decide.ts';
import { REASONS } from '../../../src/core/decide/decision.ts';
import type { EndpointSeen, Observation } from '../../../src/core/decide/observation.ts';
import { UpstreamFaults } from '../../../src/core/decide/upstream-faults.ts';
import { faultsText, FAULT_KINDS } from '../../../src/core/fault-kind.ts';
import type { Verdict } from '../../../src/core/judge/verdict.ts';
import { METRICS } from '../../../src/core/policy/judge.ts';
import type { Rollout } from '../../../src/core/rollout/rollout.ts';
import {
  atStep,
  observation,
  rolloutAfter,
  START,
  TO_WARM,
  NO_REPLICAS,
  verdictOn,
  WARM,
} from '../../support/samples.ts';

const MINUTE = 60_000;

const endpoint = (state: EndpointSeen['state'], changes: Partial<EndpointSeen> = {}): EndpointSeen => ({
  at: START,
  state,
  url: null,
  isHealthy: false,
  badReadings: 0,
  isOurs: true,
  message: null,
  ...NO_REPLICAS,
  ...changes,
});

const PREPARING: readonly Rollout[] = [
  rolloutAfter(...TO_WARM.slice(0, 3), { type: 'endpoint_made', state: 'pending' }),
  rolloutAfter(...TO_WARM.slice(0, 4)),
];

/** The endpoint runs, and its health route has said this since START. */
const saying = (status: number | null, said: string, changes: Partial<EndpointSeen> = {}) =>
  endpoint('running', { url: WARM.url, isHealthy: false, health: { status, said, since: START }, ...changes });

const after = (ms: number, seen: EndpointSeen): Observation =>
  observation({ now: START + ms, endpoint: { ...seen, at: START + ms } });

describe('causes', () => {
  it('are each the cause of some reason, and say in sentences what they mean and what answers them', () => {
    const failed = METRICS.map((cause) => causeOf('verdict_fail', verdictOn(2, { status: 'fail', cause })));
    const used = new Set([...REASONS.map((reason) => causeOf(reason, null)), ...failed]);
    assert.deepEqual(
      CAUSES.filter((cause) => !used.has(cause)),
      [],
    );
    for (const cause of CAUSES) {
      const { means, answer } = causeMeaning(cause);
      for (const text of [means, answer ?? means]) assert.match(text, /^[A-Z].*\.$/);
    }
  });

  it('of a failed verdict are those of the metric that failed', () => {
    const of = (cause: Partial<Verdict>) => causeOf('verdict_fail', verdictOn(2, { status: 'fail', ...cause }));
    assert.deepEqual(
      [of({ cause: 'faults' }), of({ cause: 'perToken' }), of({ cause: 'empty' }), of({ cause: null })],
      ['faults', 'speed', 'quality', 'quality'],
    );
  });

  it('stand in the decision and in the rollout that ends by it', () => {
    const decided = decide(atStep(2), observation({ canaryFaultsInRow: 5 }));
    assert.equal(decided.cause, 'faults');
    const [event] = decided.events;
    assert.equal(event?.type === 'draining' && event.cause, 'faults');
  });
});

describe('faults in a row, in words', () => {
  it('are those that happened, with the last time', () => {
    const row = new UpstreamFaults();
    for (let i = 0; i < 26; i++) row.fault('connect_failed', 'a', { code: 'ECONNREFUSED', atMs: START + i });
    const last = `${new Date(START).toISOString().slice(11, 19)}Z`;
    const seen = observation({ canaryFaultsInRow: row.count, ...(row.row && { canaryFaultRow: row.row }) });
    assert.equal(decide(atStep(2), seen).detail, `the endpoint refused the connection 26 times in a row, last ${last}`);
    row.fault('first_byte_timeout', 'a', { atMs: START });
    assert.equal(
      faultsText('the endpoint', row.count, row.row ?? undefined),
      `the endpoint failed 27 times in a row, last ${last}: 26 times it refused the connection, once it began no answer in time`,
    );
  });

  it('are as many as are counted, whatever happens', () => {
    const outcomes = fc.constantFrom('connect_failed', 'server_error', 'rejected_by_endpoint', 'ok');
    const law = fc.property(fc.array(fc.record({ outcome: outcomes, agent: fc.nat(4), atMs: fc.nat(99) })), (all) => {
      const row = new UpstreamFaults();
      let since: number[] = [];
      for (const { outcome, agent, atMs } of all) {
        if (outcome === 'ok') row.reset();
        else row.fault(outcome, `${agent}`, { atMs });
        since = outcome === 'ok' ? [] : [...since, atMs];
        const sum = Object.values(row.row?.kinds ?? {}).reduce((a, b) => a + b, 0);
        assert.equal(sum, row.count);
        if (row.row !== null) assert.equal(row.row.lastAt, Math.max(...since));
      }
    });
    fc.assert(law);
  });

  it('have words for every kind', () => {
    for (const kind of FAULT_KINDS) {
      const text = faultsText('the endpoint', 7, { kinds: { [kind]: 7 }, lastAt: START });
      assert.match(text, /^the endpoint .+ 7 times in a row, last \d\d:\d\d:\d\dZ$/);
    }
  });
});

describe('an endpoint that denies the token', () => {
  const denied = saying(403, 'Forbidden: missing permissions: inference.endpoints.infer.write');

  it('is said at once, and left after five minutes', () => {
    for (const rollout of PREPARING) {
      const early = decide(rollout, after(5 * MINUTE - 1, denied));
      assert.equal(early.events.length, 0);
      const late = decide(rollout, after(5 * MINUTE, denied));
      assert.deepEqual([late.action, late.reason, late.cause], ['fail', 'endpoint_forbidden', 'token_scope']);
      assert.match(late.detail, /answers 403: .*inference\.endpoints\.infer\.write/);
    }
    const [provisioning] = PREPARING;
    const early = decide(provisioning as Rollout, after(MINUTE, denied));
    assert.deepEqual([early.action, early.cause], ['wait', 'token_scope']);
    assert.match(early.detail, /inference\.endpoints\.infer\.write/);
  });

  it('is not one that only has no answer yet, or another error', () => {
    const [provisioning] = PREPARING;
    for (const seen of [saying(null, 'its name does not resolve (ENOTFOUND)'), saying(503, 'loading')]) {
      const decided = decide(provisioning as Rollout, after(20 * MINUTE, seen));
      assert.deepEqual([decided.action, decided.reason], ['wait', 'endpoint_starting']);
      assert.match(
        decided.detail,
        /its health route (?:gives no answer: its name does not resolve|answers 503: loading)/,
      );
    }
  });
});

describe('a timeout of the preparation', () => {
  it('says the last state of the endpoint and what was said of it', () => {
    const stuck = endpoint('initializing', { message: 'Endpoint is initializing', readyReplica: 0, targetReplica: 1 });
    const [provisioning] = PREPARING;
    const { reason, detail, cause } = decide(provisioning as Rollout, after(31 * MINUTE, stuck));
    assert.deepEqual([reason, cause], ['provision_timeout', 'overdue']);
    assert.match(detail, /is initializing \(Endpoint is initializing\), 0 of 1 replicas ready/);
    const unresolved = saying(null, 'its name does not resolve (ENOTFOUND)');
    assert.match(decide(provisioning as Rollout, after(31 * MINUTE, unresolved)).detail, /its name does not resolve/);
  });
});
