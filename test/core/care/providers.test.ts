import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { OUTCOMES } from '../../../src/core/outcome.ts';
import { ProviderTally, sumProviders } from '../../../src/core/care/providers.ts';

const byName = (tally: ProviderTally) =>
  Object.fromEntries(tally.counts.map(({ provider, tried, refused, faults }) => [provider, [tried, refused, faults]]));

describe('a tally of providers', () => {
  it('counts attempts, refusals and faults; a client that left or made a mistake is no fault', () => {
    const tally = new ProviderTally();
    for (const outcome of ['ok', 'rate_limited', 'server_error', 'client_error', 'client_left'] as const) {
      tally.count('groq', outcome);
    }
    assert.deepEqual(byName(tally), { groq: [5, 1, 1] });
  });

  it('ignores the case of a name, and counts a router choice as no name', () => {
    const tally = new ProviderTally();
    for (const name of ['Groq', 'groq', 'fastest', '', 'auto', 'a b', 'x'.repeat(60)]) tally.count(name, 'ok');
    assert.deepEqual(byName(tally), { groq: [2, 0, 0], '': [3, 0, 0], other: [2, 0, 0] });
  });

  it('loses no attempt and keeps a bounded number of names, for any names', () => {
    const attempt = fc.tuple(fc.string({ maxLength: 3 }), fc.constantFrom(...OUTCOMES));
    fc.assert(
      fc.property(fc.array(attempt, { maxLength: 200 }), (attempts) => {
        const tally = new ProviderTally();
        for (const [name, outcome] of attempts) tally.count(name, outcome);
        const { counts } = tally;
        assert.ok(counts.length <= 17);
        assert.equal(
          counts.reduce((sum, { tried }) => sum + tried, 0),
          attempts.length,
        );
        assert.ok(counts.every(({ tried, refused, faults }) => refused + faults <= tried));
      }),
    );
  });

  it('is summed over lanes, the most used provider first; a lane may have none', () => {
    const [a, b] = [new ProviderTally(), new ProviderTally()];
    a.count('groq', 'ok');
    b.count('novita', 'ok');
    b.count('groq', 'rate_limited');
    const lanes = [{ providers: a.counts }, {}, { providers: b.counts }];
    assert.deepEqual(sumProviders(lanes), [
      { provider: 'groq', tried: 2, refused: 1, faults: 0 },
      { provider: 'novita', tried: 1, refused: 0, faults: 0 },
    ]);
  });
});
