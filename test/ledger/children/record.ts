import { writeSync } from 'node:fs';
import { openLedger } from '../../../src/ledger/open.ts';
import { clock, makeCall } from '../rig.ts';

// Records calls without end and says which of them were released, as a gateway would end their answers.
const ledger = await openLedger(process.argv[2] as string, { clock });
let n = 0;
function turn(): void {
  for (let i = 0; i < 1 + (n % 7); i++) {
    const call = makeCall(n++);
    ledger.calls.record(call, () => say(`${call.arrivedAtUs}\n`));
  }
  setImmediate(turn);
}
turn();

/** Writes at once, whatever happens next; a pipe that is full for the moment says EAGAIN. */
function say(text: string): void {
  for (;;) {
    try {
      writeSync(1, text);
      return;
    } catch (error) {
      if ((error as { code?: string }).code !== 'EAGAIN') throw error;
    }
  }
}
