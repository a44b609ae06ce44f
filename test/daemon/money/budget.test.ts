import assert from 'node:assert/strict';
import test from 'node:test';
import type { Log } from '../../../src/daemon/log.ts';
import { openAsks } from '../../../src/ledger/journal/asks.ts';
import { openDaemon } from '../../support/inside.ts';
import { approveUpTo, assertAllRecorded, assertAudited, inPhase, newestRollout } from '../../support/rollout.ts';
import { MODEL, openStage } from '../../support/stage.ts';
import { startTraffic } from '../../support/traffic.ts';
import { PATIENT, eventually } from '../../support/waiting.ts';

/** $5.00 an hour, the dearest instance that the simulated account may use. */
const DEAR = { region: 'us-west-2', instanceType: 'nvidia-h200', instanceSize: 'x1' };

/** Two minutes in a second: 20 calls a minute, of which serverless refuses about half. */
const FAST = { scale: 120, limits: { routerCalls: 10 } };
const criteria = { calls: 10 };

test(
  'a budget of $5 a day stops an endpoint of $5 an hour in time: said, asked, traffic back, paused, no call failed',
  PATIENT,
  async (t) => {
    // A day may end while this runs; a rollout does not.
    const budget = { perDay: 5, perRollout: 5 };
    const stage = await openStage(t, { ...FAST, policy: { criteria, endpoint: DEAR, defaults: { budget } } });
    const logged: string[] = [];
    const log: Log = (level, message) => logged.push(`${level} ${message}`);
    const { daemon, gateway } = await openDaemon(t, stage, { log });
    const traffic = startTraffic(t, { url: gateway, model: MODEL, rate: 40 });
    await approveUpTo(stage, 1);
    const { endpointName } = await inPhase(stage, 'stepping', 1);
    // The money goes whether anybody calls or not.
    const few = startTraffic(t, { url: gateway, model: MODEL, rate: 10, prefix: 'few' });
    await traffic.stop();
    const ask = await eventually('it asks whether it may go over', () =>
      stage.read(openAsks).find(({ about }) => about === 'budget'),
    );
    assert.match(daemon.report().routes[0]?.notes[0] ?? '', /^budget: \$\d\.\d\d of \$5\.00 are spent/);
    const { detail } = JSON.parse(ask.figures) as { detail: string };
    assert.match(detail, /^may this budget be exceeded\? \$\d\.\d\d of \$5\.00 are spent .*; an approval adds \$5\.00/);
    const over = await eventually('the rollout is over', () => {
      const rollout = newestRollout(stage);
      return rollout?.phase === 'aborted' ? rollout : null;
    });
    assert.match(over.reason, /^over_budget: /);
    assert.equal(stage.simulation.state().endpoints.find(({ name }) => name === endpointName)?.state, 'paused');
    const dollars = stage.simulation.spentMicroDollars(endpointName) / 1_000_000;
    t.diagnostic(`$${dollars.toFixed(2)} were spent`);
    // What a rollback may take in real time is set aside, and costs twice as much on a clock that is twice as fast.
    assert.ok(dollars <= 5 && dollars > 3, `$${dollars}`);
    // It paused a good endpoint: not a call of it was cut off, and serverless goes on taking them.
    await few.stop();
    assert.deepEqual([...traffic.failures(), ...few.failures()], []);
    const events = stage.read((db) => db.prepare('SELECT type FROM events ORDER BY id').pluck().all()) as string[];
    const money = events.filter((type) => /^(budget_|draining|ended)/.test(type));
    assert.deepEqual(new Set(money.slice(0, -2)), new Set(['budget_warned', 'budget_asked']));
    assert.deepEqual(money.slice(-2), ['draining', 'ended']);
    for (const line of ['warn budget low', 'warn budget nearly used', 'warn over budget'])
      assert.ok(logged.includes(line), line);
    assertAllRecorded(stage, [...traffic.sent, ...few.sent]);
    assertAudited(stage);
  },
);
