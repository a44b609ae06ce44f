import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { UpstreamFaults } from '../../../src/core/decide/upstream-faults.ts';

const AT = { atMs: 1_000 };

describe('faults in a row', () => {
  it('count each fault until a good answer', () => {
    const row = new UpstreamFaults();
    for (let i = 0; i < 4; i++) row.fault('server_error', 'a', AT);
    assert.equal(row.count, 4);
    row.reset();
    assert.equal(row.count, 0);
  });

  it('leave out rejections until they come from three agents, then count all of them', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 30 }), fc.nat(5), (agents, faults) => {
        const row = new UpstreamFaults();
        for (let i = 0; i < faults; i++) row.fault('connect_failed', 'z', AT);
        for (const agent of agents) row.fault('rejected_by_endpoint', agent, AT);
        assert.equal(row.count, faults + (new Set(agents).size >= 3 ? agents.length : 0));
        row.reset();
        row.fault('rejected_by_endpoint', 'a', AT);
        assert.equal(row.count, 0);
      }),
    );
  });
});
