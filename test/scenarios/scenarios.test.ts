import assert from 'node:assert/strict';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { formatTranscript, parseTranscript, runTranscript } from './script.ts';

/** UPDATE_SCENARIOS=1 writes the real decisions to the files. Commit such a change only with its reason. */
const isRewriting = process.env['UPDATE_SCENARIOS'] === '1';

describe('scenarios', { concurrency: 2 }, () => {
  for (const file of readdirSync(import.meta.dirname)
    .filter((name) => name.endsWith('.txt'))
    .sort()) {
    const path = join(import.meta.dirname, file);
    const text = readFileSync(path, 'utf8');
    const transcript = parseTranscript(text);
    it(`${file}: ${transcript.about.join(' ').replaceAll('# ', '')}`, async () => {
      const ran = formatTranscript(await runTranscript(transcript));
      if (isRewriting) writeFileSync(path, ran);
      else assert.equal(ran, text);
    });
  }
});
