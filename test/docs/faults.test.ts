import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { FAULTS, factsOf, kindsOf } from '../../src/simulation/fault-kinds.ts';
import type { FaultTarget } from '../../src/simulation/fault-kinds.ts';

const page = await readFile(join(import.meta.dirname, '..', '..', 'docs', 'simulation.md'), 'utf8');

describe('the page of the simulation', () => {
  it('says of every fault what the table of the code says, and names no other', () => {
    const rows = [...page.matchAll(/^\| `(\w+) (\w+)` +\| (.*?) +\| (.*?) +\|$/gm)].map(([, ...cells]) => cells);
    const table = (Object.keys(FAULTS) as FaultTarget[]).flatMap((target) =>
      kindsOf(target).map((kind) => {
        const { plays, share, factor } = factsOf(target, kind);
        const usual = [
          ...(factor === undefined ? [] : [`factor ${factor}`]),
          ...(share === undefined ? [] : [`share ${share}`]),
        ];
        return [target, kind, plays.charAt(0).toUpperCase() + plays.slice(1), usual.join(', ') || '-'];
      }),
    );
    assert.deepEqual(rows, table);
  });
});
