import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { faultsText } from '../../../src/cli/commands/faults.ts';
import { FAULTS, kindsOf } from '../../../src/simulation/fault-kinds.ts';
import type { FaultTarget } from '../../../src/simulation/fault-kinds.ts';
import { startFast } from '../../simulation/support.ts';
import { upshift } from '../rig.ts';

const TARGETS = Object.keys(FAULTS) as FaultTarget[];

describe('simulate fault', () => {
  it('sets every fault of the table, lists it with its figures, and clears it', async () => {
    await using sim = await startFast();
    const env = { UPSHIFT_ROUTER_URL: sim.routerUrl };
    for (const target of TARGETS) {
      for (const kind of kindsOf(target)) {
        const set = await upshift(['simulate', 'fault', target, kind], env);
        assert.equal(set.code, 0, set.err);
        assert.match(set.out, new RegExp(`^  ${target} ${kind}(?:,|$)`, 'm'));
        assert.deepEqual(
          sim.state().faults.map((fault) => [fault.target, fault.kind]),
          [[target, kind]],
        );
        const cleared = await upshift(['simulate', 'clear', target, kind], env);
        assert.deepEqual([cleared.code, cleared.out], [0, 'nothing fails now\n']);
      }
    }
  });

  it('takes a share in percent or as a number, a factor, a span, a name and a shape', async () => {
    await using sim = await startFast();
    const url = ['--url', sim.url];
    for (const share of ['3%', '0.03']) {
      await upshift(['simulate', 'fault', 'endpoint', 'errors', '--share', share, '--name', 'one', ...url]);
      assert.equal(sim.state().faults[0]?.share, 0.03);
      assert.equal(sim.state().faults[0]?.name, 'one');
    }
    await upshift(['simulate', 'fault', 'router', 'slow', '--factor', '2', '--lasts', '100h', ...url]);
    await upshift(['simulate', 'fault', 'endpoint', 'rejects', '--shape', 'chat+tools', ...url]);
    const { out } = await upshift(['simulate', 'faults', ...url]);
    assert.match(out, /^ {2}endpoint errors, 3 % of the calls, one$/m);
    assert.match(out, /^ {2}router slow, factor 2, until \d\d:\d\d:\d\dZ$/m);
    assert.match(out, /^ {2}endpoint rejects, chat\+tools$/m);
    const json = JSON.parse((await upshift(['simulate', 'faults', '--json', ...url])).out) as { faults: unknown[] };
    assert.deepEqual(json, JSON.parse(JSON.stringify({ faults: sim.state().faults })));
  });

  it('clears all faults, those of a target, or one', async () => {
    await using sim = await startFast();
    const url = ['--url', sim.url];
    const left = () => sim.state().faults.map(({ target, kind }) => `${target} ${kind}`);
    for (const fault of ['endpoint errors', 'endpoint slow', 'router slow']) {
      await upshift(['simulate', 'fault', ...fault.split(' '), ...url]);
    }
    await upshift(['simulate', 'clear', 'endpoint', 'slow', ...url]);
    assert.deepEqual(left(), ['endpoint errors', 'router slow']);
    await upshift(['simulate', 'clear', 'endpoint', ...url]);
    assert.deepEqual(left(), ['router slow']);
    await upshift(['simulate', 'clear', ...url]);
    assert.deepEqual(left(), []);
  });

  it('refuses what does not exist before it asks anybody, and says what does', async () => {
    const cases: readonly (readonly [string[], RegExp])[] = [
      [['fault', 'moon', 'slow'], /target of a fault is "moon"; allowed: endpoint, router, management/],
      [['fault', 'router', 'dies'], /kind of a fault is "dies"; allowed: errors, slow/],
      [['fault', 'router', 'slow', '--share', '130%'], /--share "130%" is not a share hint: expected 0% to 100%/],
      [['fault', 'router', 'slow', '--lasts', 'soon'], /--lasts "soon" is not a span/],
      [['fault', 'router', 'slow', '--factor', '0'], /factor of a fault is 0; allowed: a number above 0/],
      [['clear', 'moon'], /target of a fault is "moon"/],
      [['clear', 'router', 'dies'], /kind of a fault is "dies"/],
      [['faults', '--url', 'https://router.huggingface.co'], /is no simulation on this machine/],
      [['faults', '--url', 'nothing'], /"nothing" is no simulation/],
    ];
    for (const [args, message] of cases) {
      const { code, err } = await upshift(['simulate', ...args]);
      assert.equal(code, 2, args.join(' '));
      assert.match(err.replaceAll(/\s+/g, ' '), message);
    }
  });

  it('says so if nothing answers, or something else does', async () => {
    const server = createServer((_, response) => response.writeHead(404).end('<html>')).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const other = await upshift(['simulate', 'faults', '--url', url]);
    assert.match(other.err, /did not take it: status 404/);
    server.close();
    await once(server, 'close');
    const none = await upshift(['simulate', 'clear', '--url', url]);
    assert.notEqual(none.code, 0);
    assert.match(none.err.replaceAll(/\s+/g, ' '), /no simulation answers at .*start one: npx upshift simulate/);
  });

  it('names every fault in its help, in 80 columns', () => {
    const text = faultsText();
    for (const target of TARGETS)
      for (const kind of kindsOf(target)) assert.match(text, new RegExp(`^  ${kind} `, 'm'));
    for (const line of text.split('\n')) assert.ok(line.length <= 80, line);
  });
});
