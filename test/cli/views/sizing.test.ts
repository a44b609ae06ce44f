import assert from 'node:assert/strict';
import { stripVTControlCharacters } from 'node:util';
import { it } from 'node:test';
import { NOTHING_TRIED } from '../../../src/core/sizing/candidate.ts';
import { createPaint } from '../../../src/cli/terminal/print.ts';
import { renderSizing } from '../../../src/cli/views/sizing.ts';
import { busiestDemand } from '../../../src/core/sizing/busiest-demand.ts';
import { factsByName } from '../../../src/core/sizing/by-name.ts';
import { planSizing } from '../../../src/core/sizing/plan.ts';
import { listedOffers } from '../../../src/huggingface/management/list-prices.ts';
import { MODEL } from '../../support/stage.ts';

it('the sizing of a model stands in the same columns with and without colours', () => {
  const sizing = planSizing(
    { facts: factsByName(MODEL), problem: null },
    { offers: listedOffers(), source: 'list', of: null, problem: null },
    { demand: busiestDemand([]), tried: NOTHING_TRIED, swarm: null, endpoint: null },
  );
  const lines = (isColoured: boolean) =>
    renderSizing(sizing, { model: MODEL, month: [] }, { width: 80, paint: createPaint(isColoured) });
  const coloured = lines(true).map((line) => stripVTControlCharacters(line));
  assert.deepEqual(coloured, lines(false));
  assert.deepEqual(
    coloured.filter((line) => line.length > 80),
    [],
  );
});
