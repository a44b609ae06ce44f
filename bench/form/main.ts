/**
 * What it costs to learn the form of an answer: processor time of reading one answer with and without it, in turns in the same
 * process. The least of all rounds is shown, because other programs only make a round longer.
 */
import { FormMemory } from '../../src/core/form/memory.ts';
import { encodeForm } from '../../src/core/form/form.ts';
import { locate } from '../../src/core/wire/destination.ts';
import { readerFor } from '../../src/gateway/attempt/answer-reader.ts';
import { Forms } from '../../src/gateway/form/forms.ts';
import { readContent } from '../../src/gateway/request/incoming-call.ts';
import type { IncomingCall } from '../../src/gateway/request/incoming-call.ts';
import { CASES } from './cases.ts';
import type { Case } from './cases.ts';

const ROUNDS = 60;
/** Pieces of answers that are read in a round. */
const PIECES = 5_000;

const forms = new Forms((error) => {
  throw error;
});

function incomingOf(body: Buffer): IncomingCall {
  const destination = locate('POST', '/v1/chat/completions');
  if (destination === null) throw new Error('no such path');
  const content = readContent(destination, body);
  if ('code' in content) throw new Error(content.message);
  return { arrivedAtUs: 0, method: 'POST', headers: {}, rawHeaders: [], destination, body, upload: null, content };
}

/** Reads an answer once. Returns what keeps the compiler from leaving any of it out. */
function readOnce(incoming: IncomingCall, type: string, chunks: readonly Buffer[], memory: FormMemory | null): number {
  const reader = readerFor({ 'content-type': type }, true, memory);
  for (const chunk of chunks) reader.chunk(chunk);
  const outcome = reader.end();
  if (memory === null) return outcome.length + (reader.usage.outputTokens ?? 0);
  const { form } = forms.ended(incoming, reader, null);
  reader.release();
  return form === null ? 0 : encodeForm(form);
}

/** µs of processor time for one answer, without and with its form. */
function measure({ request, pieces, isStream }: Case): { readonly without: number; readonly withForm: number } {
  const incoming = incomingOf(Buffer.from(JSON.stringify(request)));
  const chunks = pieces.map((piece) => Buffer.from(piece));
  const type = isStream ? 'text/event-stream' : 'application/json';
  const times = Math.ceil(PIECES / chunks.length);
  const least = { without: Number.POSITIVE_INFINITY, withForm: Number.POSITIVE_INFINITY };
  let sum = 0;
  for (let round = 0; round < ROUNDS; round++) {
    for (const which of ['without', 'withForm'] as const) {
      const memory = which === 'without' ? null : forms.memoryFor(incoming);
      const before = process.cpuUsage();
      for (let n = 0; n < times; n++) sum += readOnce(incoming, type, chunks, memory);
      const { user, system } = process.cpuUsage(before);
      least[which] = Math.min(least[which], (user + system) / times);
    }
  }
  if (sum === 0) throw new Error('nothing was read');
  return least;
}

console.log('answer                            without  with form   more  more a piece (us)');
for (const one of CASES) {
  const { without, withForm } = measure(one);
  const more = withForm - without;
  const figures = [without, withForm, more].map((us) => us.toFixed(1).padStart(8)).join('  ');
  console.log(`${one.what.padEnd(32)} ${figures}  ${(more / one.pieces.length).toFixed(2).padStart(6)}`);
}
