import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { NO_DEMAND } from '../../../src/core/sizing/busiest-demand.ts';
import { cacheBytes } from '../../../src/core/sizing/cache.ts';
import { NOTHING_TRIED } from '../../../src/core/sizing/candidate.ts';
import { chooseOffer, pin } from '../../../src/core/sizing/choice.ts';
import { engineSettings } from '../../../src/core/sizing/engine-args.ts';
import { memoryNeed } from '../../../src/core/sizing/memory.ts';
import { listedOffers } from '../../../src/huggingface/management/list-prices.ts';
import { SHAPES } from '../../support/shapes.ts';

const SETTING = { bytesPerNumber: 2, parallel: 1 };
/** The shape of a 70B in 4 bits: the file is smaller than its parameters say, its cache is not. */
const FACTS = {
  ...SHAPES.gguf,
  fileBytes: 42_520_000_000,
  architecture: SHAPES.llama70b.architecture,
};
const POLICY = {
  regions: [],
  deny: [],
  minReplica: 1,
  maxReplica: 8,
  args: [],
  engine: 'llamacpp' as const,
  image: 'llama:1',
};

describe('the slots of llama.cpp', () => {
  it('need the whole context each: file + cache x slots', () => {
    const demand = { ...NO_DEMAND, inFlight: 3.2, tokens: 900, longest: 4_000 };
    const need = memoryNeed(FACTS, demand, engineSettings([]));
    const [weights, cache] = need?.terms ?? [];
    assert.equal(weights?.bytes, 42_520_000_000);
    // 4,000 x 1.25 in steps of 1024; 2 x 80 layers x 8 heads x 128 x 2 bytes a token.
    assert.equal(cache?.bytes, 4 * 5_120 * 327_680);
    assert.match(cache.arithmetic, /x 4 slots of 5120 tokens$/);
  });

  it('fit beside the file on each replica, and all replicas carry the demand, for any demand', () => {
    const loads = fc.record({
      inFlight: fc.double({ min: 0, max: 90, noNaN: true }),
      longest: fc.integer({ min: 1, max: 40_000 }),
    });
    fc.assert(
      fc.property(loads, ({ inFlight, longest }) => {
        const demand = { ...NO_DEMAND, inFlight, longest, tokens: Math.ceil(longest / 3) };
        const wanted = { facts: FACTS, demand, policy: POLICY, ...NOTHING_TRIED };
        const choice = chooseOffer(listedOffers(), wanted);
        const { chosen } = choice;
        if (chosen === null) return;
        const { gguf } = pin(chosen, choice, wanted);
        const { hold, replicas } = chosen;
        assert.ok(gguf !== null && hold !== null && gguf.calls >= 1 && gguf.calls <= 16);
        const setting = { ...SETTING, parallel: hold.parallel };
        const each = cacheBytes(FACTS, gguf.context / gguf.calls, setting);
        assert.ok(each * gguf.calls <= hold.room + 1, `${each} x ${gguf.calls} > ${hold.room}`);
        assert.ok(gguf.calls * replicas >= inFlight, `${gguf.calls} x ${replicas} < ${inFlight}`);
      }),
    );
  });
});
