import assert from 'node:assert/strict';
import test from 'node:test';
import { openDaemon } from '../support/inside.ts';
import { MODEL, openStage } from '../support/stage.ts';
import { startTraffic } from '../support/traffic.ts';
import { PATIENT, eventually } from '../support/waiting.ts';

test('what was learned of serverless outlives the daemon, and is shown to Prometheus', PATIENT, async (t) => {
  const stage = await openStage(t, { limits: { routerCalls: 60 } });
  const first = await openDaemon(t, stage);
  const before = startTraffic(t, { url: first.gateway, model: MODEL, rate: 120 });
  const lane = (daemon: typeof first.daemon) => daemon.report().lanes.find(({ model }) => model === MODEL);
  const learned = await eventually('a limit was learned', () => lane(first.daemon)?.limit);
  await eventually('it was written down', () => stage.report()?.lanes[0]?.limit != null);
  await before.stop();
  await first.close();

  const second = await openDaemon(t, stage);
  const after = startTraffic(t, { url: second.gateway, model: MODEL, rate: 20 });
  const known = await eventually('the limit is known from the first call on', () => lane(second.daemon)?.limit);
  assert.ok(known > learned / 3 && known < learned * 3, `${learned}, then ${known}`);
  const metrics = await (await fetch(`${second.admin}/metrics`)).text();
  assert.match(metrics, /upshift_lane_limit\{model="meta-llama\/Llama-3\.1-8B-Instruct",provider=""\} \d+/);
  await after.stop();
  await second.close();
});
