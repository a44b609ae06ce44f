import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Call } from '../../../src/core/call.ts';
import { verifyAudit } from '../../../src/ledger/journal/audit.ts';
import type { JournalDecision } from '../../../src/ledger/journal/entry.ts';
import type { LoggedCall } from '../../../src/ledger/calls/history.ts';
import { pastVerdicts } from '../../../src/ledger/calls/judged.ts';
import type { Ledger } from '../../../src/ledger/open.ts';
import { openForReading } from '../../../src/ledger/open.ts';
import { events } from '../../../src/ledger/journal/rollouts.ts';
import { isOver } from '../../../src/core/rollout/rollout.ts';
import { SWEEP_DEFAULTS } from '../../../src/core/policy/sweep.ts';
import { observation, verdictOn } from '../../support/samples.ts';
import { makeCall, makeEntry, makeRollout, openFor, START_MS, temporaryPath } from '../rig.ts';

const ROLES: readonly Pick<Call, 'role' | 'isEligible' | 'isWayBack'>[] = [
  { role: null, isEligible: false, isWayBack: false },
  { role: 'stable', isEligible: true, isWayBack: false },
  { role: 'canary', isEligible: true, isWayBack: false },
  { role: null, isEligible: false, isWayBack: true },
  { role: 'stable', isEligible: true, isWayBack: true },
  { role: 'canary', isEligible: true, isWayBack: true },
];

function record(ledger: Ledger, call: Call): Promise<void> {
  return new Promise((resolve) => {
    ledger.calls.record(call, resolve);
  });
}

describe('a way back in the ledger', () => {
  it('tells of each kind the calls that were assigned to it, whichever role it played', async (context) => {
    const ledger = await openFor(context, temporaryPath(context));
    const calls = ROLES.map((role, i) => makeCall(i + 1, { ...role, model: 'org/model', shape: 'chat' }));
    await Promise.all(calls.map((call) => record(ledger, call)));
    const of = async (upstream: 'serverless' | 'dedicated') => {
      const found: number[] = [];
      const pages = ledger.journal.historyCalls('org/model', 0, Number.MAX_SAFE_INTEGER, upstream);
      for await (const page of pages) found.push(...page.map(({ arrivedAtUs }) => arrivedAtUs));
      return found.map((at) => calls.findIndex(({ arrivedAtUs }) => arrivedAtUs === at));
    };
    assert.deepEqual(await of('serverless'), [0, 1, 3, 5]);
    assert.deepEqual(await of('dedicated'), [2, 4]);
    const read: LoggedCall[] = [];
    for await (const page of ledger.journal.recentCalls(0)) read.push(...page);
    assert.deepEqual(
      read.map(({ isWayBack }) => isWayBack),
      ROLES.map(({ isWayBack }) => isWayBack),
    );
  });

  it('counts a model’s calls minute by minute, each once', async (context) => {
    const ledger = await openFor(context, temporaryPath(context));
    const base = { model: 'org/model' };
    const at = (minute: number, second: number) => (Math.floor(START_MS / 60_000) * 60 + minute * 60 + second) * 1e6;
    const given = [
      makeCall(1, { ...base, arrivedAtUs: at(0, 1) }),
      makeCall(2, { ...base, arrivedAtUs: at(0, 59) }),
      makeCall(3, { ...base, arrivedAtUs: at(2, 0), durationUs: 200e6 }),
      makeCall(4, { ...base, arrivedAtUs: at(2, 1), repeatOfUs: at(0, 1) }),
      makeCall(5, { ...base, arrivedAtUs: at(2, 2), model: 'org/other' }),
    ];
    await Promise.all(given.map((call) => record(ledger, call)));
    const minute = (n: number) => at(n, 0) / 1_000;
    assert.deepEqual(await ledger.journal.callsPerMinute('org/model', minute(0)), [
      { atMs: minute(0), calls: 2, overflowed: 0 },
      { atMs: minute(2), calls: 1, overflowed: 0 },
    ]);
    assert.deepEqual(await ledger.journal.callsPerMinute('org/model', minute(1)), [
      { atMs: minute(2), calls: 1, overflowed: 0 },
    ]);
    assert.deepEqual(await ledger.journal.callsPerMinute('org/none', minute(0)), []);
  });

  it('ends two rollouts in one transaction, or neither, and the audit sees to both', async (context) => {
    const path = temporaryPath(context);
    const { journal, close } = await openFor(context, path);
    const promoted = makeRollout({ id: 'aaaaaaaa', phase: 'promoted', createdAt: 1 });
    await journal.commit({ events: [], outcomes: [], rollout: promoted });
    const [ended, other] = [
      { type: 'ended', outcome: 'returned' },
      { type: 'ended', outcome: 'returned', reason: 'b' },
    ];
    const both = {
      rollout: makeRollout({ id: 'bbbbbbbb', phase: 'returned', toward: 'serverless', createdAt: 2 }),
      replaced: { ...promoted, phase: 'returned' },
      events: [
        { rolloutId: 'bbbbbbbb', at: START_MS, type: 'ended', data: JSON.stringify(ended) },
        { rolloutId: 'aaaaaaaa', at: START_MS, type: 'ended', data: JSON.stringify(other) },
      ],
    };
    const outcomes = [{ requestId: 99, at: START_MS, result: 'done' as const, message: '' }];
    await assert.rejects(journal.commit({ ...makeEntry(1, both), outcomes }), { code: 'internal' });
    const phases = async () => (await journal.latestRollouts()).map(({ id, phase }) => [id, phase]);
    assert.deepEqual(await phases(), [['aaaaaaaa', 'promoted']]);

    const decision = { ...makeEntry(1).decision, output: '' } as NonNullable<ReturnType<typeof makeEntry>['decision']>;
    const told = { events: [ended], replaced: { rolloutId: 'aaaaaaaa', event: other }, outcome: null };
    await journal.commit({ ...makeEntry(1, both), decision: { ...decision, output: JSON.stringify(told) } });
    assert.ok((await journal.latestRollouts()).every(({ phase }) => isOver(phase)));
    const db = openForReading(path);
    assert.deepEqual(
      ['aaaaaaaa', 'bbbbbbbb'].map((id) => events(db, id).length),
      [1, 1],
    );
    const { problems } = verifyAudit(db, () => JSON.stringify(told), decision.coreVersion);
    // The made-up rollouts do not follow from their events.
    const ofDecisions = (all: typeof problems) => all.filter(({ decisionId }) => decisionId !== null);
    assert.deepEqual(ofDecisions(problems), []);
    const lacking = { ...told, replaced: undefined };
    await journal.commit({ ...makeEntry(2, both), decision: { ...decision, output: JSON.stringify(lacking) } });
    const found = ofDecisions(verifyAudit(db, () => '', -1).problems);
    assert.match(found[0]?.what ?? '', /the events that it led to were changed/);
    db.close();
    await close();
  });
});

const SWEPT_ENDPOINT = {
  namespace: 'acme',
  name: 'up-writer',
  model: 'acme/writer',
  state: 'paused',
  tags: [],
  createdAt: null,
  updatedAt: null,
  pricePerHourMicros: null,
};
const SWEEP = {
  sweep: {
    now: START_MS,
    endpoint: SWEPT_ENDPOINT,
    rollout: null,
    ledgerId: null,
    isIdle: false,
    policy: SWEEP_DEFAULTS,
  },
};

it('a rollout whose endpoint was swept can still be judged again', async (context) => {
  const path = temporaryPath(context);
  const { journal } = await openFor(context, path);
  const verdict = verdictOn(1);
  for (const [n, input] of [{ rollout: null, observation: observation({ verdict }) }, SWEEP].entries()) {
    const entry = makeEntry(n + 1);
    const decision = { ...(entry.decision as JournalDecision), rolloutId: 'aaaaaaaa', input: JSON.stringify(input) };
    await journal.commit({ ...entry, decision });
  }
  const db = openForReading(path);
  context.after(() => db.close());
  assert.deepEqual(
    pastVerdicts(db, 'aaaaaaaa').verdicts.map((one) => one.verdict),
    [verdict],
  );
});
