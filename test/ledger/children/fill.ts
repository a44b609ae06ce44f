import { CallLog } from '../../../src/ledger/calls/call-log.ts';
import { HandTime, makeCall } from '../rig.ts';

// Runs under a limit on the size of files: the disk is full for it. Tells how long answers waited and what became of rows.
const time = new HandTime();
const log = new CallLog(process.argv[2] as string, {
  catchUp: () => Promise.reject(new Error('no space')),
  mostPending: 2_000,
  time,
});
let released = 0;
let longest = 0;
for (let n = 0; n < 10_000;) {
  for (let i = 0; i < 20; i++) {
    const at = time.now();
    log.record(makeCall(n++), () => {
      released++;
      longest = Math.max(longest, time.now() - at);
    });
  }
  await new Promise<void>((resolve) => setImmediate(resolve));
  time.advance(1);
}
const { pending, lost, isDegraded, problem } = log;
const code = (problem as { code?: string } | null)?.code ?? String(problem);
process.stdout.write(`${JSON.stringify({ released, longest, pending, lost, isDegraded, code })}\n`);
process.exit(0);
