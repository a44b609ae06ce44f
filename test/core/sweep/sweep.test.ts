import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { decideAgain } from '../../../src/core/decide-again.ts';
import { parsePolicy } from '../../../src/core/policy/parse.ts';
import type { EndpointFound, LedgerKnown, SweptRollout } from '../../../src/core/sweep/sweep.ts';
import { decideSweep, ledgerTag, OUR_TAG, sweepSeen } from '../../../src/core/sweep/sweep.ts';
import { knownOf } from '../../../src/core/sweep/known.ts';
import type { SweepPolicy } from '../../../src/core/policy/sweep.ts';
import { SWEEP_DEFAULTS } from '../../../src/core/policy/sweep.ts';
import { atStep, backAtStep, promotedRollout, START } from '../../support/samples.ts';

const DAY = 86_400_000;
const LEDGER = 'abcd1234';

const endpoint = (changes: Partial<EndpointFound> = {}): EndpointFound => ({
  namespace: 'acme',
  name: 'up-writer-aaaabbbb',
  model: 'acme/writer',
  state: 'running',
  tags: [OUR_TAG, ledgerTag(LEDGER)],
  createdAt: START - 2 * DAY,
  updatedAt: START - DAY,
  pricePerHourMicros: 800_000,
  ...changes,
});

const rollout = (changes: Partial<SweptRollout> = {}): SweptRollout => ({
  id: 'aaaabbbb',
  model: 'acme/writer',
  namespace: 'acme',
  endpointName: 'up-writer-aaaabbbb',
  phase: 'aborted',
  since: START - DAY,
  ...changes,
});

const known = (...rollouts: SweptRollout[]): LedgerKnown => ({ ledgerId: LEDGER, rollouts, idle: [] });

function decided(found: EndpointFound, ledger: LedgerKnown | null, policy: Partial<SweepPolicy> = {}, now = START) {
  const { finding, action, detail } = decideSweep(
    sweepSeen(found, ledger, { policy: { ...SWEEP_DEFAULTS, ...policy }, now }),
  );
  return [finding, action, detail];
}

const LEFT = {
  instance: 'aws us-east-1 nvidia-l4 x1',
  endpointName: 'up-writer-aaaabbbb',
  cause: 'capacity_exhausted' as const,
  message: 'none',
  at: START,
};

it('an endpoint that its rollout has left for another instance is an orphan, and the present one is in use', () => {
  const now = rollout({ phase: 'provisioning', endpointName: 'up-writer-2-aaaabbbb', left: [LEFT] });
  assert.deepEqual(decided(endpoint(), known(now)), [
    'ended',
    'pause_endpoint',
    'rollout aaaabbbb has gone on with up-writer-2-aaaabbbb; it costs $0.80/h',
  ]);
  assert.equal(decided(endpoint({ name: 'up-writer-2-aaaabbbb' }), known(now))[0], 'in_use');
});

describe('an endpoint of a rollout that is over', () => {
  it('is paused if it may cost money, and the detail says what it costs', () => {
    for (const state of ['pending', 'initializing', 'updating', 'updateFailed', 'running', 'scaledToZero'] as const) {
      assert.deepEqual(decided(endpoint({ state }), known(rollout())), [
        'ended',
        'pause_endpoint',
        'rollout aaaabbbb is over: it is aborted; it costs $0.80/h',
      ]);
    }
  });

  it('is only reported if the policy says so', () => {
    assert.equal(decided(endpoint(), known(rollout()), { ended: 'report' })[1], 'report_endpoint');
  });

  it('is deleted when `deleteAfter` has passed since its last change', () => {
    const paused = endpoint({ state: 'paused', pricePerHourMicros: 0, updatedAt: START });
    const at = (now: number) => decided(paused, known(rollout()), {}, now);
    assert.deepEqual(at(START + 7 * DAY - 1).slice(0, 2), ['ended', 'report_endpoint']);
    assert.deepEqual(at(START + 7 * DAY), [
      'ended',
      'delete_endpoint',
      'rollout aaaabbbb is over: it is aborted; it has been paused or failed for 7 days',
    ]);
    assert.equal(decided(paused, known(rollout()), { deleteAfter: null }, START + 900 * DAY)[1], 'report_endpoint');
  });
});

describe('an endpoint that a way back shares with the promoted rollout', () => {
  it('is in use if the way back was aborted, and an orphan if it succeeded', () => {
    const promoted = rollout({ phase: 'promoted', since: START - 9 * DAY });
    const back = (phase: SweptRollout['phase']) => rollout({ id: 'ccccdddd', phase });
    for (const rollouts of [
      [back('aborted'), promoted],
      [promoted, back('aborted')],
    ]) {
      assert.equal(decided(endpoint(), known(...rollouts))[0], 'in_use');
    }
    const over = [rollout({ phase: 'returned' }), back('returned')];
    assert.deepEqual(decided(endpoint(), known(...over)).slice(0, 2), ['ended', 'pause_endpoint']);
  });
});

describe('an endpoint for which the ledger has no rollout', () => {
  it('is an orphan if its tag names this ledger, and unknown if its tag names another or none', () => {
    assert.deepEqual(decided(endpoint(), known()).slice(0, 2), ['lost', 'pause_endpoint']);
    assert.deepEqual(decided(endpoint({ tags: [OUR_TAG] }), known()).slice(0, 2), ['unknown', 'report_endpoint']);
    const other = endpoint({ tags: [OUR_TAG, ledgerTag('ffff0000')] });
    assert.deepEqual(decided(other, known()), [
      'unknown',
      'report_endpoint',
      'it belongs to upshift-ledger ffff0000; it costs $0.80/h',
    ]);
  });

  it('is treated as the policy says', () => {
    const unknown = endpoint({ tags: [OUR_TAG] });
    assert.equal(decided(unknown, known(), { unknown: 'pause' })[1], 'pause_endpoint');
    assert.equal(decided({ ...unknown, state: 'paused' }, known(), { unknown: 'pause' })[1], 'report_endpoint');
    assert.equal(decided(unknown, known(), { unknown: 'delete' })[1], 'delete_endpoint');
  });

  it('is matched to a rollout by the id at the end of its name, even if the ledger does not have the name', () => {
    const found = endpoint({ name: 'up-w-aaaabbbb', tags: [OUR_TAG] });
    assert.equal(decided(found, known(rollout()))[0], 'ended');
    assert.equal(decided(found, known(rollout({ phase: 'provisioning' })))[0], 'in_use');
    assert.equal(decided(found, known(rollout({ namespace: 'other' })))[0], 'unknown');
  });
});

describe('a promoted endpoint without calls', () => {
  it('is reported and never paused', () => {
    const idle = { ...known(rollout({ phase: 'promoted' })), idle: ['aaaabbbb'] };
    assert.deepEqual(decided(endpoint(), idle), [
      'idle',
      'report_endpoint',
      'rollout aaaabbbb is promoted, but its endpoint has served no call for 24.0 h; it costs $0.80/h',
    ]);
  });

  it('is idle if it was promoted at least `idle` ago and has served no call since then', async () => {
    const promoted = { ...promotedRollout(), since: START - 2 * DAY };
    const rollouts = [
      promoted,
      { ...atStep(2), id: 'ccccdddd' },
      { ...promoted, id: 'eeeeffff', since: START - DAY + 1 },
    ];
    const asked: [string, number][] = [];
    const idleOf = async (served: boolean, idleMs: number | null) => {
      const hasServed = (id: string, since: number) => asked.push([id, since]) > 0 && served;
      return (await knownOf(LEDGER, rollouts, hasServed, { idleMs, now: START })).idle;
    };
    assert.deepEqual(await idleOf(false, DAY), ['aaaabbbb']);
    assert.deepEqual(await idleOf(true, DAY), []);
    assert.deepEqual(asked[0], ['aaaabbbb', START - DAY]);
    assert.deepEqual(await idleOf(false, null), []);
  });

  it('is not idle if an aborted way back used it', async () => {
    const ended = { type: 'ended' as const, outcome: 'aborted' as const, reason: 'operator', hint: null };
    const rollouts = [promotedRollout(), backAtStep(1, ended)];
    const idleOf = async (served: string | null) =>
      (await knownOf(LEDGER, rollouts, (id) => id === served, { idleMs: DAY, now: START + 2 * DAY })).idle;
    assert.deepEqual(await idleOf(rollouts[1]?.id ?? ''), []);
    assert.deepEqual(await idleOf(null), [rollouts[0]?.id]);
  });
});

const IDS = ['aaaabbbb', 'ccccdddd', 'eeeeffff'];
const PHASES = [
  'proposed',
  'provisioning',
  'warming',
  'shadowing',
  'stepping',
  'holding',
  'promoted',
  'draining',
  'aborted',
  'failed',
  'returned',
] as const;
const OVER = ['aborted', 'failed', 'returned'];

const worlds = fc.record({
  now: fc.integer({ min: START, max: START + 30 * DAY }),
  policy: fc.record<SweepPolicy>({
    ended: fc.constantFrom('pause', 'report'),
    deleteAfter: fc.constantFrom(null, 0, DAY),
    unknown: fc.constantFrom('report', 'pause', 'delete'),
    idle: fc.constantFrom(null, DAY),
  }),
  endpoints: fc.array(
    fc.record<EndpointFound>({
      namespace: fc.constantFrom('acme', 'other'),
      name: fc.constantFrom('theirs', 'up-writer', ...IDS.map((id) => `up-writer-${id}`)),
      model: fc.constant('acme/writer'),
      state: fc.constantFrom(
        'pending',
        'initializing',
        'updating',
        'updateFailed',
        'running',
        'paused',
        'failed',
        'scaledToZero',
      ),
      tags: fc.subarray([OUR_TAG, ledgerTag(LEDGER), ledgerTag('ffff0000'), 'team:research']),
      createdAt: fc.option(fc.constant(START - 9 * DAY)),
      updatedAt: fc.option(fc.constant(START - 8 * DAY)),
      pricePerHourMicros: fc.option(fc.integer({ min: 0, max: 9_000_000 })),
    }),
    { minLength: 1, maxLength: 6 },
  ),
  ledger: fc.option(
    fc.record<LedgerKnown>({
      ledgerId: fc.constant(LEDGER),
      rollouts: fc.uniqueArray(
        fc
          .record({
            id: fc.constantFrom(...IDS),
            phase: fc.constantFrom(...PHASES),
            // A way back has the name of another rollout's endpoint.
            made: fc.constantFrom(...IDS),
            age: fc.integer({ min: 1, max: 8 }),
          })
          .map(({ id, phase, made, age }) =>
            rollout({ id, phase, endpointName: `up-writer-${made}`, since: START - age * DAY }),
          ),
        { selector: ({ id }) => id },
      ),
      idle: fc.subarray(IDS),
    }),
  ),
});

describe('in any world of endpoints, a sweep', () => {
  const always = (
    check: (found: EndpointFound, ledger: LedgerKnown | null, does: ReturnType<typeof decideSweep>) => void,
  ) =>
    fc.assert(
      fc.property(worlds, ({ now, policy, endpoints, ledger }) => {
        for (const found of endpoints) check(found, ledger, decideSweep(sweepSeen(found, ledger, { policy, now })));
      }),
      { numRuns: 500 },
    );
  const acts = ({ action }: { action: string }) => action === 'pause_endpoint' || action === 'delete_endpoint';

  it('pauses and deletes in some of these worlds, so that the next tests check something', () => {
    const actions = new Set<string>();
    always((_, __, { finding, action }) => actions.add(`${finding} ${action}`));
    for (const each of ['ended', 'lost', 'unknown']) {
      assert.ok(actions.has(`${each} pause_endpoint`) && actions.has(`${each} delete_endpoint`), each);
    }
  });

  it('never pauses or deletes an endpoint without our tag', () => {
    always(({ tags }, _, does) => {
      if (!tags.includes(OUR_TAG)) assert.equal(does.action, 'wait');
    });
  });

  it('never pauses or deletes the endpoint of a rollout that is not over', () => {
    always(({ namespace, name }, ledger, does) => {
      const isUsed = ledger?.rollouts.some((one) => {
        return one.namespace === namespace && one.endpointName === name && !OVER.includes(one.phase);
      });
      if (isUsed === true) assert.ok(!acts(does), JSON.stringify(does));
    });
  });

  it('pauses and deletes nothing if there is no ledger', () => {
    always((_, ledger, does) => {
      if (ledger === null) assert.ok(!acts(does));
    });
  });

  it('deletes no endpoint that may still cost money, unless the policy says so for unknown ones', () => {
    always(({ state }, _, { finding, action }) => {
      if (action === 'delete_endpoint' && finding !== 'unknown') assert.ok(state === 'paused' || state === 'failed');
    });
  });

  it('is computed again from its stored input with the same result', () => {
    fc.assert(
      fc.property(worlds, ({ now, policy, endpoints, ledger }) => {
        for (const found of endpoints) {
          const sweep = sweepSeen(found, ledger, { policy, now });
          assert.equal(decideAgain(JSON.stringify({ sweep })), JSON.stringify(decideSweep(sweep)));
        }
      }),
    );
  });
});

describe('the block `sweep` of a policy', () => {
  it('gets its defaults, and accepts spans and `none`', () => {
    const parsed = parsePolicy({ sweep: { deleteAfter: 'none', idle: '2h' } });
    assert.deepEqual(parsed.ok && parsed.policy.sweep, { ...SWEEP_DEFAULTS, deleteAfter: null, idle: 7_200_000 });
    const silent = parsePolicy({});
    assert.deepEqual(silent.ok && silent.policy.sweep, SWEEP_DEFAULTS);
  });

  it('refuses unknown values and keys', () => {
    for (const [sweep, message] of [
      [{ ended: 'delete' }, 'expected pause or report, got "delete"'],
      [{ after: '7d' }, 'unknown key; allowed here: ended, deleteAfter, unknown, idle'],
    ] as const) {
      const parsed = parsePolicy({ sweep });
      assert.deepEqual(parsed.ok ? [] : parsed.issues.map((issue) => issue.message), [message]);
    }
  });
});
