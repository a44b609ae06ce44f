import assert from 'node:assert/strict';
import test from 'node:test';
import { openDaemon } from '../support/inside.ts';
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
