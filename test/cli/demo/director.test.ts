import assert from 'node:assert/strict';
import test from 'node:test';
import { Director } from '../../../src/cli/demo/director.ts';
import { Display } from '../../../src/cli/demo/display.ts';
import { createClock } from '../../../src/files/clock.ts';
import { routePolicy } from '../../support/samples.ts';

test('a demo whose ledger cannot be read is over, so that its traffic and its processes end', async () => {
  const options = {
    json: true,
    manual: false,
    onApproval: 'approve',
    at: 50,
    load: 'full',
    policy: 'policies/demo.yaml',
  } as const;
  const [dbPath, clock] = ['/no/such/upshift.db', createClock({ scale: 1, start: 0 })];
  const say = () => undefined;
  const display = new Display({ options, dbPath, clock, policy: routePolicy(), lengthMs: 1, screen: null, say });
  const director = new Director({ options, dbPath, controlUrl: 'http://127.0.0.1:1', clock, display });
  assert.equal(director.isOver.aborted, false);
  await assert.rejects(director.run(new AbortController().signal), /upshift\.db/);
  assert.equal(director.isOver.aborted, true);
});
