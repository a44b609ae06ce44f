import assert from 'node:assert/strict';
import test from 'node:test';
import { upshift } from '../cli/rig.ts';
import { openDaemon } from '../support/inside.ts';
import { answers, approveUpTo, assertAudited, inPhase } from '../support/rollout.ts';
import { say } from '../support/words.ts';
import { openStage } from '../support/stage.ts';
import { MODEL } from '../support/stage.ts';
import { startTraffic } from '../support/traffic.ts';
import { PATIENT, eventually } from '../support/waiting.ts';

/** Nobody listens here. */
const NOWHERE = 'http://127.0.0.1:1';

test(
  'an outage of serverless is no demand: nothing is proposed, though the policy would approve',
  PATIENT,
  async (t) => {
    const stage = await openStage(t, { policy: { defaults: { approval: 'automatic' } } });
    const daemon = await openDaemon(t, stage, { env: { UPSHIFT_ROUTER_URL: NOWHERE } });
    const traffic = startTraffic(t, { url: daemon.gateway, model: MODEL, rate: 60 });
    const route = () => daemon.daemon.report().routes.find(({ model }) => model === MODEL);
    await eventually('it says that serverless is out', () => route()?.decision?.reason === 'serverless_out');
    const since = stage.clock.now();
    await eventually('the criteria would have held for long enough', () => stage.clock.now() - since > 120_000);
    await traffic.stop();
    assert.match(route()?.decision?.detail ?? '', /^not counting: serverless is out since 20/);
    assert.equal(route()?.rollout, null);
    assert.ok(traffic.sent.length > 20 && traffic.sent.every(({ status }) => status === 502 || status === 429));
    await daemon.close();
  },
);

test(
  'a person gives the calls of a serverless that is out to the endpoint, until serverless is back; the audit agrees',
  PATIENT,
  async (t) => {
    const stage = await openStage(t, { policy: { defaults: { affinity: 'agent' } } });
    const daemon = await openDaemon(t, stage);
    const traffic = startTraffic(t, { url: daemon.gateway, model: MODEL });
    await approveUpTo(stage, 1);
    const { id: rolloutId } = await inPhase(stage, 'stepping', 1);
    const route = () => daemon.daemon.report().routes.find(({ model }) => model === MODEL);
    const through = () => daemon.daemon.report().gateway.throughOutage;
    await stage.simulation.setFault({ target: 'router', kind: 'errors' });
    await eventually('serverless is out', () => daemon.daemon.report().lanes[0]?.isOut === true);
    assert.equal(through(), 0);
    const word = say(stage.dbPath, { kind: 'through_outage', rolloutId, reason: 'it looks fine' });
    await eventually('it is carried out', () => route()?.rollout?.through !== undefined);
    assert.deepEqual(
      answers(stage).filter((answer) => answer.word === word),
      [{ id: answers(stage).at(-1)?.id, word, kind: 'through_outage', result: 'done', reason: 'operator' }],
    );
    await eventually('the endpoint takes the calls', () => through() > 30);
    await stage.simulation.clearFaults('router');
    await eventually('it is over', () => route()?.rollout?.through === undefined);
    const after = through();
    const counted = route()?.rollout?.figures?.stable.assigned ?? 0;
    await eventually('calls have roles again', () => (route()?.rollout?.figures?.stable.assigned ?? 0) > counted + 5);
    assert.equal(through(), after);
    await traffic.stop();
    await daemon.close();

    const select = 'SELECT served_by, count(*) AS calls FROM call_log WHERE through_outage AND role IS NULL GROUP BY 1';
    const rows = stage.read((db) => db.prepare<[], { served_by: string; calls: number }>(select).all());
    assert.ok((rows.find((row) => row.served_by === 'dedicated')?.calls ?? 0) > 30, JSON.stringify(rows));
    const said = stage.read((db) => db.prepare("SELECT action FROM decision_log WHERE action LIKE '%outage'").all());
    assert.deepEqual(said, [{ action: 'bridge_outage' }, { action: 'end_outage' }]);
    assertAudited(stage);
    const replayed = await upshift(['judge', '--replay', rolloutId, '--json', '--db', stage.dbPath]);
    assert.equal(replayed.code, 0, replayed.out + replayed.err);
    const lines = replayed.out.trim().split('\n');
    assert.ok(lines.length > 1 && lines.every((line) => (JSON.parse(line) as { isSame: boolean }).isSame));
  },
);
