import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decide } from '../../../src/core/decide/decide.ts';
import type { OperatorRequest } from '../../../src/core/decide/observation.ts';
import { withLastWords } from '../../../src/core/decide/queued.ts';
import { observation, rolloutAfter } from '../../support/samples.ts';

function said(kind: OperatorRequest['kind'], changes: Partial<OperatorRequest> = {}): OperatorRequest {
  const isAnswer = kind === 'approve' || kind === 'reject';
  const askId = isAnswer ? 3 : null;
  return { id: 1, kind, rolloutId: 'aaaabbbb', askId, step: null, reason: null, by: 'ann@desk', uid: 1, ...changes };
}

/** Which of the words hold: `-` before a word that a later one takes back. */
function held(...requests: readonly OperatorRequest[]): string {
  return withLastWords(requests)
    .map(({ kind, withdrawnBy }) => `${withdrawnBy === undefined ? '' : '-'}${kind}`)
    .join(' ');
}

describe('words that wait together', () => {
  const cases: readonly (readonly [string, readonly OperatorRequest[], string])[] = [
    ['a yes, then a no', [said('approve'), said('reject')], '-approve reject'],
    ['a no, then a yes', [said('reject'), said('approve')], '-reject approve'],
    ['yes, no, yes', [said('approve'), said('reject'), said('approve')], '-approve -reject approve'],
    ['a yes, then an abort', [said('approve'), said('abort')], '-approve abort'],
    ['a yes, then a pause', [said('approve'), said('pause')], '-approve pause'],
    ['a pause, then a yes', [said('pause'), said('approve')], 'pause approve'],
    ['two people who say yes', [said('approve'), said('approve', { uid: 2 })], 'approve approve'],
    ['a no to another question', [said('approve'), said('reject', { askId: 4 })], 'approve reject'],
    ['an abort of another rollout', [said('approve'), said('abort', { rolloutId: 'zzzz' })], 'approve abort'],
    ['an abort, then a yes', [said('abort'), said('approve')], 'abort approve'],
  ];
  for (const [what, requests, expected] of cases) {
    it(`${what}: ${expected}`, () => assert.equal(held(...requests), expected));
  }

  it('a yes that somebody took back creates nothing, and its author is told who took it back', () => {
    const asked = rolloutAfter({ type: 'asked', step: 0, verdict: null });
    const [request = null] = withLastWords([said('approve'), said('reject', { by: 'bob@desk' })]);
    const decided = decide(asked, observation({ request, openAskId: 3 }));
    assert.deepEqual([decided.action, decided.reason, decided.events], ['refuse', 'withdrawn', []]);
    assert.equal(decided.outcome?.message, 'withdrawn by a later word: reject by bob@desk');
  });
});
