import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import type { Alternative } from '../../../src/core/rollout/instances.ts';
import { alternativesText, attemptName, priceCeiling, triedText } from '../../../src/core/rollout/instances.ts';
import { offerText } from '../../../src/core/sizing/offer.ts';
import { evolve } from '../../../src/core/rollout/evolve.ts';
import type { Rollout } from '../../../src/core/rollout/rollout.ts';
import { endpointName } from '../../../src/huggingface/management/spec.ts';
import { INSTANCE, START } from '../../support/samples.ts';

const other = (instanceType: string, dollars: number): Alternative => ({
  instance: { ...INSTANCE, instanceType },
  pricePerHourMicros: dollars * 1e6,
});

const proposed = (alternatives: readonly Alternative[]): Rollout => {
  const rollout = {
    id: 'aaaabbbb',
    model: 'acme/writer',
    policyHash: 'x',
    toward: 'dedicated' as const,
    createdAt: START,
    endpointName: 'up-writer-aaaabbbb',
    namespace: 'acme',
    pricePerHourMicros: 1_300_000,
    instance: INSTANCE,
    alternatives,
    criteriaSince: START,
  };
  const first = evolve(null, { type: 'proposed', rollout }, START);
  return evolve(first, { type: 'provisioning_started' }, START + 1);
};

const left = (rollout: Rollout, at: number) =>
  evolve(
    rollout,
    { type: 'instance_left', instance: offerText(rollout.instance), cause: 'capacity_exhausted', message: 'none' },
    at,
  );

const next = (rollout: Rollout, { instance, pricePerHourMicros }: Alternative, at: number) => {
  const name = attemptName('up-writer-aaaabbbb', 'aaaabbbb', (rollout.left?.length ?? 0) + 1);
  return evolve(rollout, { type: 'instance_next', endpointName: name, instance, pricePerHourMicros }, at);
};

describe('the name of an attempt', () => {
  it('is valid, ends with the id and is another one for each attempt', () => {
    const models = fc.stringMatching(/^[a-zA-Z0-9._-]{1,60}$/);
    const ids = fc.stringMatching(/^[a-z0-9]{8}$/);
    fc.assert(
      fc.property(models, ids, (model, id) => {
        const first = endpointName(`acme/${model}`, id);
        const names = [first, ...[2, 3, 4, 5, 6, 7, 8].map((n) => attemptName(first, id, n))];
        assert.equal(new Set(names).size, 8);
        for (const name of names) {
          assert.match(name, /^up-(?:[a-z0-9-]*[a-z0-9]-)?[a-z0-9]{8}$/);
          assert.ok(name.length <= 32 && name.endsWith(`-${id}`), name);
        }
      }),
    );
  });
});

describe('the instances of an approval', () => {
  const [second, third] = [other('nvidia-l4', 2), other('nvidia-a100', 1.8)];

  it('are told with the highest price', () => {
    const rollout = proposed([second, third]);
    assert.equal(priceCeiling(rollout), 2_000_000);
    assert.equal(
      alternativesText(rollout),
      '; if it cannot be had: aws us-east-1 nvidia-l4 x1 at $2.00/h, then aws us-east-1 nvidia-a100 x1 at $1.80/h; at most $2.00/h',
    );
    assert.equal(alternativesText({ instance: INSTANCE, pricePerHourMicros: 1 }), '');
  });

  it('are tried in their order, each with a deadline of its own', () => {
    const first = left(proposed([second, third]), START + 5);
    assert.ok(first.phase === 'provisioning' && first.isLeaving);
    const l4 = 'aws us-east-1 nvidia-l4 x1';
    const gone = 'aws us-east-1 nvidia-a10g x1: no capacity 2027-01-15T08:00:00Z';
    assert.equal(triedText(first, true), `${gone}; next is ${l4} (2 of 3)`);
    assert.equal(triedText(left(proposed([]), START + 5), true), gone);
    assert.equal(triedText(next(first, second, START + 9), false), `${gone}; it runs on ${l4}`);
    assert.equal(triedText(proposed([second]), true), null);
    const after = next(first, second, START + 9);
    assert.ok(after.phase === 'provisioning');
    assert.deepEqual([after.startedAt, after.isMade, after.isLeaving], [START + 9, false, undefined]);
    assert.deepEqual([after.endpointName, after.pricePerHourMicros], ['up-writer-2-aaaabbbb', 2_000_000]);
    assert.deepEqual(after.alternatives, [third]);
    assert.equal(triedText(after, true), `${gone}; now trying ${l4} (2 of 3)`);
  });

  it('are forgotten once one was had, but not those that were not', () => {
    const second2 = next(left(proposed([second, third]), START + 5), second, START + 9);
    const warming = evolve(second2, { type: 'endpoint_ready', url: 'http://x' }, START + 20);
    assert.equal(warming.alternatives, undefined);
    assert.deepEqual(
      warming.left?.map(({ endpointName: name, at }) => [name, at]),
      [['up-writer-aaaabbbb', START + 5]],
    );
  });

  it('leaves out those that were passed over', () => {
    const after = next(left(proposed([second, third]), START + 5), third, START + 9);
    assert.equal(after.alternatives, undefined);
  });

  it('cannot change after the endpoint was had', () => {
    const warming = evolve(proposed([second]), { type: 'endpoint_ready', url: 'http://x' }, START + 20);
    assert.throws(() => left(warming, START + 30), /cannot happen/);
  });
});
