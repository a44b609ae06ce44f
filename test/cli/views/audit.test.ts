import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { renderAudit } from '../../../src/cli/views/audit.ts';
import type { AuditReport } from '../../../src/ledger/journal/audit.ts';

const FINE: AuditReport = {
  decisions: 48,
  rerun: 48,
  notCompared: [],
  covered: {
    decision: 48,
    event: 2,
    ask: 1,
    rollout: 1,
    request: 3,
    policy: 1,
    price: 900,
    bill: 30,
    span: 12,
    endpoint: 1,
    calls: 7,
  },
  calls: { covered: 1_203_122, until: Date.UTC(2026, 10, 30), open: 20_113 },
  rollouts: 1,
  seals: 1_005,
  head: 'ab'.repeat(32),
  problems: [],
};

const page = (report: Partial<AuditReport>, against: 'outside' | 'itself' = 'outside', isTerminal = true) =>
  renderAudit({ ...FINE, ...report }, { width: 80, color: false, against, isTerminal });

describe('what audit --verify prints', () => {
  it('says what is covered and what is not, in 80 columns', () => {
    for (const against of ['outside', 'itself'] as const) {
      const text = page({}, against);
      assert.match(text, /^1 203 122 calls of days before 2026-11-30 read$/m);
      assert.match(
        text.replaceAll('\n', ' '),
        /Not covered: 20 113 calls since 2026-11-30, whose day is not closed, and/,
      );
      assert.match(text, /judge --replay ROLLOUT judges the calls of a rollout/);
      assert.deepEqual(
        text.split('\n').filter((line) => line.length > 80),
        [],
      );
    }
    assert.doesNotMatch(page({ calls: { covered: 0, until: null, open: 0 } }), /calls of days before|since/);
  });

  it('lists the first problems only in a terminal, so that the first one stays in sight', () => {
    const problems = Array.from({ length: 300 }, (_, n) => ({ decisionId: n + 1, what: 'missing', seal: n + 1 }));
    const lines = page({ problems }).split('\n');
    assert.ok(lines.length <= 24 - 5, 'each problem may take two lines of the window');
    assert.ok(lines.includes('300 problems, the oldest first:'));
    assert.ok(lines.includes('  decision 1: missing'));
    assert.ok(lines.includes('  and 295 more; --json lists all of them'));
    assert.ok(page({ problems }, 'outside', false).includes('\n  decision 300: missing\n'));
  });
});
