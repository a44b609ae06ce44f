import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { Breaker, CLOSED } from '../../../src/core/care/breaker.ts';
import type { Ended } from '../../../src/core/care/breaker.ts';
import type { Outcome } from '../../../src/core/outcome.ts';

const POLICY = { faults: 5, cooldown: 60_000, probes: 1 };

let bodies = 0;

/** An attempt that ended: of agent a and with a body of its own, unless it says something else. */
function attempt(given: Partial<Omit<Ended, 'bodyOf'>> & { body?: string | null } = {}): Ended {
  const { body = `body ${bodies++}`, ...rest } = given;
  const bodyOf = () => body;
  return { outcome: 'server_error', agent: 'a', bodyOf, isUnreachable: false, wasProbe: false, nowMs: 0, ...rest };
}

function after(attempts: readonly Ended[], breaker = new Breaker()): Breaker {
  for (const one of attempts) breaker.ended(POLICY, one);
  return breaker;
}

const by = (agents: readonly string[], outcome: Outcome = 'server_error', nowMs = 0) =>
  agents.map((agent) => attempt({ agent, outcome, nowMs }));
const OUTAGE = ['a', 'b', 'c', 'a', 'b'];
const stateAfter = (attempts: readonly Ended[]) => after(attempts).state.state;

describe('a breaker', () => {
  it('opens for all after the set number of faults in a row, of any kind, of three agents', () => {
    const faults: Outcome[] = ['server_error', 'connect_failed', 'unavailable', 'idle_timeout', 'broken_stream'];
    const attempts = faults.map((outcome, i) => attempt({ outcome, agent: OUTAGE[i] ?? '' }));
    assert.equal(stateAfter(attempts.slice(1)), 'closed');
    const open = after(attempts);
    assert.equal(open.state.state, 'open');
    for (const agent of ['a', 'b', 'c', 'd']) assert.ok(open.stops(agent));
    assert.equal(stateAfter([...attempts.slice(1), attempt({ outcome: 'ok' }), ...attempts.slice(1)]), 'closed');
  });

  it('opens for all as soon as so many attempts in a row found no connection, whoever made them', () => {
    const unreachable = attempt({ outcome: 'connect_failed', body: null, isUnreachable: true });
    assert.equal(stateAfter(Array<Ended>(4).fill(unreachable)), 'closed');
    const open = after(Array<Ended>(5).fill(unreachable));
    assert.ok(open.stops('a') && open.stops('b'));
  });

  it('opens only for the agents of the faults if they are fewer than three, until anybody is answered', () => {
    for (const agents of [['a'], ['a', 'b']]) {
      const open = after(by(OUTAGE.map((_, i) => agents[i % agents.length] ?? '')));
      assert.deepEqual([open.stops('a'), open.stops('b'), open.stops('c')], [true, agents.length > 1, false]);
      assert.deepEqual(open.learned, CLOSED);
      assert.ok(!open.admits('a', POLICY, 0).ok && open.admits('c', POLICY, 0).ok);
      assert.equal(open.sent('c', 0), false);
      open.ended(POLICY, attempt({ agent: 'c', outcome: 'ok' }));
      assert.deepEqual(open.state, CLOSED);
    }
  });

  it('opens for all once a third agent meets a fault', () => {
    const open = after(by(['a', 'a', 'a', 'a', 'a', 'b']));
    assert.ok(!open.stops('c'));
    after(by(['c']), open);
    assert.ok(open.stops('d'));
    assert.notDeepEqual(open.learned, CLOSED);
  });

  it('never opens for all by one body, by one call, or by the faults of two agents', () => {
    const agents = fc.array(fc.constantFrom('a', 'b', 'c', 'd', 'e'), { maxLength: 50 });
    const two = fc.array(fc.constantFrom('a', 'b'), { maxLength: 50 });
    const outcome = fc.constantFrom<Outcome>('server_error', 'unavailable', 'connect_failed', 'total_timeout');
    fc.assert(
      fc.property(agents, two, outcome, (many, few, how) => {
        for (const body of ['poison', null]) {
          const open = after(many.map((agent) => attempt({ agent, body, outcome: how })));
          assert.deepEqual(open.state, CLOSED);
        }
        assert.ok(!after(by(few, how)).stops('z'));
      }),
    );
  });

  it('opens by the faults of three agents whatever their order, and whatever a poisoned body does between them', () => {
    const faults = fc.shuffledSubarray(['a', 'a', 'b', 'b', 'c', 'c', 'p', 'p'], { minLength: 8 });
    fc.assert(
      fc.property(faults, (agents) => {
        const open = after(agents.map((agent) => attempt({ agent, ...(agent === 'p' && { body: 'poison' }) })));
        assert.ok(open.stops('z'));
      }),
    );
  });

  it("counts a refusal or a caller's mistake as an answer, and ignores clients that left", () => {
    for (const outcome of ['rate_limited', 'client_error', 'no_credits'] as const) {
      assert.equal(stateAfter([...by(OUTAGE.slice(1)), attempt({ outcome }), attempt()]), 'closed');
    }
    assert.equal(stateAfter([...by(OUTAGE.slice(1)), attempt({ outcome: 'client_left' }), attempt()]), 'open');
  });

  it('sends the first probe after half a second, and each later one after twice as long, up to the cool-down', () => {
    const breaker = after(by(OUTAGE, 'connect_failed', 1_000));
    let nowMs = 1_000;
    for (const pauseMs of [500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]) {
      assert.deepEqual(breaker.admits('a', POLICY, nowMs + pauseMs - 1), { ok: false, askAt: nowMs + pauseMs });
      nowMs += pauseMs;
      assert.ok(breaker.admits('a', POLICY, nowMs).ok);
      assert.ok(breaker.sent('a', nowMs));
      assert.equal(breaker.state.state, 'half-open');
      assert.ok(!breaker.admits('a', POLICY, nowMs + 1).ok);
      after([attempt({ wasProbe: true, nowMs })], breaker);
    }
    breaker.sent('a', nowMs + 60_000);
    assert.ok(breaker.ended(POLICY, attempt({ outcome: 'ok', wasProbe: true, nowMs: nowMs + 61_000 })));
    assert.deepEqual(breaker.state, CLOSED);
  });

  it('goes on with the pauses of an outage that is soon back, and begins anew with a later one', () => {
    for (const [laterMs, pauseMs] of [
      [29_000, 1_000],
      [31_000, 500],
    ] as const) {
      const breaker = after(by(OUTAGE, 'connect_failed', 0));
      breaker.sent('a', 500);
      breaker.ended(POLICY, attempt({ outcome: 'ok', wasProbe: true, nowMs: 500 }));
      after(by(OUTAGE, 'connect_failed', 500 + laterMs), breaker);
      assert.equal(breaker.admits('a', POLICY, 500 + laterMs).askAt, 500 + laterMs + pauseMs);
    }
  });

  it('ignores calls that were under way when it opened for all', () => {
    const open = after(by(OUTAGE));
    assert.equal(after([attempt({ outcome: 'ok' })], open).state.state, 'open');
    open.sent('a', 60_000);
    assert.equal(after([attempt({ outcome: 'ok' })], open).state.state, 'half-open');
  });

  it('sends another probe if the last one never ends', () => {
    const probing = after(by(OUTAGE));
    probing.sent('a', 60_000);
    assert.ok(!probing.admits('a', POLICY, 64_999).ok);
    assert.ok(probing.admits('a', POLICY, 65_000).ok);
  });
});
