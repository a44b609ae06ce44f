import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ViewOptions } from '../../../src/cli/views/page.ts';
import { renderStatus } from '../../../src/cli/views/status.ts';
import { HOUR_MS } from '../../../src/core/time.ts';
import type { RouteStatus } from '../../../src/core/status.ts';
import { makeReport, makeRollout, makeRoute, NOON } from '../reports.ts';

const OPTIONS: ViewOptions = { width: 80, color: false, isRunning: true, now: NOON };
const CLOSED = { isOpen: false, until: NOON + 14 * HOUR_MS, untilText: 'Tue 09:00 Europe/Berlin' };
const OPEN = { isOpen: true, until: NOON + 2 * HOUR_MS, untilText: 'Tue 16:00 Europe/Berlin' };
const ASK = { id: 12, step: 3, at: NOON - HOUR_MS, isBound: true as const };

/** The lines of `status` from the label `now` up to `criteria` or `endpoint`, without those of the figures. */
function page(route: Partial<RouteStatus>, options: Partial<ViewOptions> = {}): string {
  const text = renderStatus(makeReport([makeRoute(route)]), { ...OPTIONS, ...options });
  const lines = text.split('\n');
  const from = lines.findIndex((line) => line.startsWith(' now'));
  const to = lines.findIndex((line, i) => i > from && /^ (?:criteria|open |  )/.test(line) && !/^ {11}/.test(line));
  return lines.slice(from, to).join('\n');
}

describe('status, while no change window is open', () => {
  it('says of a watched route until when nothing is proposed', () => {
    assert.equal(
      page({ windows: CLOSED }),
      ` now       criteria not met: 1810 calls, 64 agents, 2.1 % refused or delayed in
           5 min
 window    closed until Tue 09:00 Europe/Berlin (in 14.0 h): nothing is
           proposed, asked, approved or entered meanwhile; going back works`,
    );
  });

  it('offers only what is taken now, and says when the rest is', () => {
    const detail = 'closed until Tue 09:00 Europe/Berlin (in 14.0 h); step 3 of 5: 50 % to the endpoint';
    const decision = { action: 'wait', reason: 'closed_window', cause: 'closed_window', detail, at: NOON } as const;
    const rollout = makeRollout({ ask: ASK, verdict: null, figures: null });
    assert.equal(
      page({ phase: 'stepping', decision, rollout, windows: CLOSED }),
      ` now       closed until Tue 09:00 Europe/Berlin (in 14.0 h); step 3 of 5: 50 %
           to the endpoint
 to do     Nothing: it goes on when the window opens. If it cannot wait, change
           windows in the policy file, which acts at once.
 window    nothing is proposed, asked, approved or entered meanwhile; going back
           works
 type      npx upshift reject k3v9q2ab   ends the rollout
 later     npx upshift approve k3v9q2ab --step 3   when a window is open`,
    );
  });

  it('offers what may be answered at any time', () => {
    const rollout = makeRollout({ ask: { id: 12, about: 'budget', step: 2, at: NOON }, verdict: null, figures: null });
    const shown = page({ phase: 'stepping', rollout, windows: CLOSED });
    assert.match(shown, / type {6}npx upshift approve k3v9q2ab/);
    assert.doesNotMatch(shown, /later/);
  });

  it('says until when a yes is taken while one is open, and nothing if nothing is asked', () => {
    const rollout = makeRollout({ ask: ASK, verdict: null, figures: null });
    assert.match(
      page({ phase: 'stepping', rollout, windows: OPEN }),
      /^ window {4}a yes is taken until Tue 16:00 Europe\/Berlin \(for 2\.0 h\)$/m,
    );
    assert.doesNotMatch(page({ windows: OPEN }), /window/);
  });

  it('says nothing of a window that has opened since the daemon stopped', () => {
    assert.doesNotMatch(page({ windows: CLOSED }, { isRunning: false, now: NOON + 15 * HOUR_MS }), /window/);
  });
});
