import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decide } from '../../src/core/decide/decide.ts';
import { decideAgain, readInput, readOutput } from '../../src/core/decide-again.ts';
import { AppError } from '../../src/core/errors.ts';
import { FORM_METRICS } from '../../src/core/policy/judge.ts';
import { parsePolicy } from '../../src/core/policy/parse.ts';
import { readPolicy } from '../../src/core/policy/stored.ts';
import { readEvent, readRollout } from '../../src/core/rollout/stored.ts';
import { atStep, ENDPOINT_POLICY, MODEL, observation, promotedRollout } from '../support/samples.ts';

/** The message of the AppError `invalid` that a function throws. */
function problemOf(read: () => unknown): string {
  let message = '';
  assert.throws(read, (error: unknown) => {
    assert.ok(error instanceof AppError);
    assert.equal(error.code, 'invalid');
    message = error.message;
    return true;
  });
  return message;
}

describe('what is read from the ledger', () => {
  const rollout = atStep(1);
  const seen = observation();

  it('is exactly what was stored, keys in the same order', () => {
    for (const each of [rollout, promotedRollout()]) {
      const reversed = JSON.stringify(Object.fromEntries(Object.entries(each).toReversed()));
      assert.equal(JSON.stringify(readRollout({ id: each.id, snapshot: reversed })), reversed);
    }
    const input = JSON.stringify({ rollout, observation: seen });
    assert.equal(JSON.stringify(readInput(input, 1)), input);
    const output = JSON.stringify(decide(rollout, seen));
    assert.equal(decideAgain(input), output);
    assert.equal(JSON.stringify(readOutput(output, 1)), output);
  });

  it('may be from before a metric existed, which is then not compared', () => {
    const parsed = parsePolicy({ routes: [{ model: MODEL }] });
    assert.ok(parsed.ok);
    const text = JSON.stringify(parsed.policy);
    const old = JSON.stringify(parsed.policy, (key, value: unknown) => {
      const isNew = (FORM_METRICS as readonly string[]).includes(key) || key === 'promptTokens' || key === 'agreement';
      return isNew ? undefined : value;
    });
    assert.ok(old.length < text.length);
    assert.equal(JSON.stringify(readPolicy(old, 'abcdef0123')), old);
    assert.equal(JSON.stringify(readPolicy(text, 'abcdef0123')), text);
    const [route] = readPolicy(old, 'abcdef0123').routes;
    assert.equal(route?.judge.metrics.tools, undefined);
  });

  it('names the table, the row, the column and what is wrong', () => {
    const snapshot = (changes: object) => JSON.stringify({ ...rollout, ...changes });
    const read = (text: string) => problemOf(() => readRollout({ id: 'aaaabbbb', snapshot: text }));
    assert.match(read('{'), /^table rollouts, aaaabbbb, column snapshot: not JSON: /);
    assert.match(read(snapshot({ phase: 'dreaming' })), /^table rollouts, aaaabbbb, column snapshot: phase: /);
    assert.match(read(snapshot({ step: -1 })), /column snapshot: step: .*>=0/);
    assert.match(read(snapshot({ mood: 'good' })), /column snapshot: .*"mood"/);
    assert.match(read(JSON.stringify({ ...rollout, policyHash: undefined })), /policyHash: .*received undefined/);
    const event = JSON.stringify({ type: 'paused', by: 7, reason: null });
    assert.match(
      problemOf(() => readEvent({ id: 3, data: event })),
      /^table events, 3, column data: by: .*string/,
    );
    const input = JSON.stringify({ rollout, observation: { ...seen, now: 'noon' } });
    assert.match(
      problemOf(() => readInput(input, 9)),
      /^table decisions, 9, column input: observation\.now: /,
    );
    assert.match(
      problemOf(() => readOutput('{}', 9)),
      /^table decisions, 9, column output: action: /,
    );
  });

  it('may be a policy with all its defaults', () => {
    const parsed = parsePolicy({ routes: [{ model: MODEL, endpoint: ENDPOINT_POLICY }] });
    assert.ok(parsed.ok);
    const text = JSON.stringify(parsed.policy);
    assert.deepEqual(readPolicy(text, 'hash'), parsed.policy);
    const without = JSON.stringify({ ...parsed.policy, sweep: {} });
    assert.match(
      problemOf(() => readPolicy(without, '0123456789')),
      /^table policies, 01234567, column parsed: sweep\.ended: /,
    );
  });
});
