import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openFor, START_MS, temporaryPath } from '../rig.ts';

const HOUR = 3_600_000;

test('instances that could not be had count for a day, in their namespace', async (context) => {
  const { journal } = await openFor(context, temporaryPath(context));
  const commit = (id: string, namespace: string, left: object[]) => {
    const about = { id, model: `org/${id}`, policyHash: 'x', toward: 'dedicated', phase: 'failed' };
    const snapshot = JSON.stringify({ namespace, ...(left.length > 0 && { left }) });
    return journal.commit({ rollout: { ...about, snapshot, createdAt: 0, updatedAt: 0 }, events: [], outcomes: [] });
  };
  await commit('aaaaaaaa', 'acme', [
    { instance: 'old', at: START_MS - 25 * HOUR },
    { instance: 'a', at: START_MS - 23 * HOUR },
  ]);
  await commit('bbbbbbbb', 'acme', [
    { instance: 'a', at: START_MS },
    { instance: 'b', at: START_MS },
  ]);
  await commit('cccccccc', 'acme-labs', [{ instance: 'c', at: START_MS }]);
  await commit('dddddddd', 'acme', []);
  const lately = async (namespace: string, now = START_MS) =>
    [...(await journal.instancesTried('org/model', namespace, now)).leftLately].sort();
  assert.deepEqual(await lately('acme'), ['a', 'b']);
  assert.deepEqual(await lately('acme-labs'), ['c']);
  assert.deepEqual(await lately('acme', START_MS + 24 * HOUR), []);
});
