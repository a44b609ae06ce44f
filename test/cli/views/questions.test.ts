import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { renderQuestions } from '../../../src/cli/views/questions.ts';

const ASK = {
  id: 1,
  rolloutId: 'k3v9q2ab',
  model: 'acme/writer',
  about: 'step' as const,
  step: 2,
  policyHash: 'x',
  verdict: 'pass',
  figures: '{"detail":"step 2 of 5: 25 % to the endpoint"}',
  at: 1_800_000_000_000,
};
const ROLLOUT = { id: 'k3v9q2ab', model: 'acme/writer', phase: 'stepping', toward: 'dedicated' };
const options = { width: 80, color: false, isRunning: true };

describe('what is asked', () => {
  it('is shown with its evidence and what to type', () => {
    assert.equal(
      renderQuestions(
        { pid: 1, rollouts: [ROLLOUT], asks: [ASK], hasReaders: false },
        { ...options, commandSuffix: '--db /srv/u.db' },
      ),
      [
        'acme/writer  stepping',
        ' asks      step 2 of 5: 25 % to the endpoint',
        ' verdict   pass',
        ' since     2027-01-15 08:00:00Z',
        ' type      npx upshift approve k3v9q2ab --step 2 --db /srv/u.db',
        ' or        npx upshift reject k3v9q2ab --db /srv/u.db',
        '',
      ].join('\n'),
    );
  });

  it('says if nothing is asked, or nobody asks', () => {
    const nothing = { pid: 1, rollouts: [], asks: [], hasReaders: false };
    assert.equal(renderQuestions(nothing, options), 'nothing is asked now\n');
    assert.match(renderQuestions(nothing, { ...options, isRunning: false }), /the daemon is not running/);
  });

  it('cleans what others have named, and shows no figures where there are none', () => {
    const text = renderQuestions(
      {
        pid: 1,
        rollouts: [],
        asks: [{ ...ASK, model: 'a\u001b[2Jb', about: 'budget', figures: '{}' }],
        hasReaders: false,
      },
      options,
    );
    assert.ok(!text.includes('\u001b'));
    assert.match(text, /the budget: no figures/);
  });
});
