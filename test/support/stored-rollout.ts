import type { Policy } from '../../src/core/policy/policy.ts';
import type { RolloutEvent } from '../../src/core/rollout/event.ts';
import type { JournalEntry } from '../../src/ledger/journal/entry.ts';
import { foldEvent, rowOf } from '../../src/ledger/journal/fold.ts';
import type { Folded } from '../../src/ledger/journal/fold.ts';
import { START } from './samples.ts';

/** What a daemon stores of a rollout to which these events happened, all at START, and of the policy that it pins. */
export function storedRollout(events: readonly RolloutEvent[], policy: Policy): JournalEntry {
  const rows = events.map((event, i) => ({
    id: i + 1,
    decisionId: null,
    rolloutId: '',
    at: START,
    type: event.type,
    data: JSON.stringify(event),
  }));
  const folded = rows.reduce<Folded | null>(foldEvent, null);
  if (folded === null) throw new Error('a rollout needs an event');
  const { id, policyHash } = folded.rollout;
  return {
    policy: { hash: policyHash, path: 'policy.yaml', text: '', parsed: JSON.stringify(policy) },
    rollout: rowOf(folded),
    events: rows.map(({ at, type, data }) => ({ rolloutId: id, at, type, data })),
    outcomes: [],
  };
}
