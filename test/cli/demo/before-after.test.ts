import assert from 'node:assert/strict';
import test from 'node:test';
import type { TestContext } from 'node:test';
import { beforeAfterLines, partJson, partsOf, readBeforeAfter } from '../../../src/cli/demo/before-after.ts';
import type { PartFigures } from '../../../src/cli/demo/before-after.ts';
import { createPaint } from '../../../src/cli/terminal/print.ts';
import type { Call } from '../../../src/core/call.ts';
import { openForReading, openLedger } from '../../../src/ledger/open.ts';
import { clock, makeCall, START_MS, temporaryPath } from '../../ledger/rig.ts';

const MODEL = 'org/model';
const at = (type: string, minute: number) => ({ type, at: START_MS + minute * 60_000 });
const run = { from: START_MS, until: START_MS + 60 * 60_000 };

test('the parts of a run are divided by its first step and its promotion', () => {
  const minute = (n: number) => START_MS + n * 60_000;
  const table = [
    [[], [minute(0), minute(60)], null],
    [[at('proposed', 9)], [minute(0), minute(60)], null],
    [[at('step_entered', 20), at('step_entered', 30)], [minute(0), minute(20)], null],
    [
      [at('step_entered', 20), at('promoted', 50)],
      [minute(0), minute(20)],
      [minute(50), minute(60)],
    ],
    // A promotion at the very end leaves nothing to count.
    [[at('step_entered', 20), at('promoted', 60)], [minute(0), minute(20)], null],
  ] as const;
  for (const [timeline, before, after] of table) assert.deepEqual(partsOf(timeline, run), { before, after });
});

const ATTEMPT = { startedAfterUs: 100, firstByteUs: 900, durationUs: 900 } as const;
const REFUSED = { upstream: 'serverless', status: 429, outcome: 'rate_limited', ...ATTEMPT } as const;
const REFUSAL = { status: 429, outcome: 'rate_limited', finalOutcome: 'rate_limited', servedBy: null } as const;
const PLAIN = {
  model: MODEL,
  waitedUs: 0,
  wasOut: false,
  wasFull: false,
  isOverflow: false,
  servedBy: 'serverless',
} as const;

/** The n-th call of a minute. */
function callAt(minute: number, n: number, more: Partial<Call> = {}): Call {
  const arrivedAtUs = (START_MS + minute * 60_000) * 1_000 + n * 1_000;
  return makeCall(n, { ...PLAIN, arrivedAtUs, durationUs: 2_000_000, ...more });
}

async function figuresOf(
  context: TestContext,
  calls: readonly Call[],
  events: readonly { type: string; at: number }[],
) {
  const path = temporaryPath(context);
  const ledger = await openLedger(path, { clock });
  for (const call of calls) ledger.calls.record(call, () => undefined);
  await ledger.close();
  const db = openForReading(path);
  context.after(() => db.close());
  const rows = events.map((event, id) => ({ ...event, id, decisionId: null, rolloutId: 'abcdefgh', data: '{}' }));
  return readBeforeAfter(db, MODEL, rows);
}

test('each request counts once, in the part in which it arrived, and says who refused it', async (context) => {
  const calls = [
    ...Array.from({ length: 20 }, (_, n) => callAt(1, n, { durationUs: (n + 1) * 1_000_000 })),
    ...[20, 21, 22].map((n) => callAt(2, n, { ...REFUSAL, attempts: [REFUSED] })),
    ...[23, 24].map((n) => callAt(2, n, { ...REFUSAL, attempts: [] })),
    callAt(3, 25, { waitedUs: 1_500_000 }),
    callAt(3, 26, { waitedUs: 900_000 }),
    callAt(3, 27, { waitedUs: 9_000_000, wasOut: true }),
    // Between the parts, and of another model.
    callAt(30, 28),
    callAt(3, 29, { model: 'org/other' }),
    ...[30, 31, 32].map((n) => callAt(52, n, { servedBy: 'dedicated', durationUs: 500_000 })),
    callAt(59, 33, { durationUs: 500_000 }),
  ];
  const { before, after } = await figuresOf(context, calls, [at('step_entered', 20), at('promoted', 50)]);
  const { requests, refusedUpstream, refusedHere, held, p95Ms } = before as PartFigures;
  assert.deepEqual(
    { requests, refusedUpstream, refusedHere, held, p95Ms },
    {
      requests: 28,
      refusedUpstream: 3,
      refusedHere: 2,
      held: 1,
      p95Ms: 19_000,
    },
  );
  // The last call of the run marks its end, so that it does not count itself.
  assert.deepEqual([after?.requests, after?.refusedUpstream, after?.p95Ms], [3, 0, 500]);
});

test('a run without a call has no parts, and one that was never answered has no p95', async (context) => {
  assert.deepEqual(await figuresOf(context, [], []), { before: null, after: null });
  const refused = [0, 1].map((n) => callAt(n, n, { ...REFUSAL, attempts: [REFUSED] }));
  const { before, after } = await figuresOf(context, refused, []);
  assert.deepEqual([before?.p95Ms, before?.refusedUpstream, after], [null, 1, null]);
});

const PART: PartFigures = {
  requests: 1_000,
  refusedUpstream: 200,
  refusedHere: 100,
  held: 50,
  p95Ms: 24_300,
  serverlessPerHour: 1.5,
  endpointPerHour: 0.8,
};

test('--json has shares of the requests, ms and dollars', () => {
  assert.deepEqual(partJson(PART), {
    requests: 1_000,
    refusedByServerlessShare: 0.2,
    refusedByGatewayShare: 0.1,
    heldByGatewayShare: 0.05,
    p95Ms: 24_300,
    serverlessDollarsPerHour: 1.5,
    endpointDollarsPerHour: 0.8,
  });
  assert.equal(partJson(null), null);
  const { refusedByServerlessShare } = partJson({ ...PART, requests: 0, refusedUpstream: 0 }) as Record<string, number>;
  assert.equal(refusedByServerlessShare, 0);
});

test('the table has both parts side by side, each count with its share, and fits', () => {
  const lines = beforeAfterLines({ before: PART, after: { ...PART, refusedUpstream: 0 } }, createPaint(false));
  for (const line of lines) assert.ok(line.length <= 78, line);
  const text = lines.join('\n');
  assert.match(text, /429 from serverless +200 +20\.0 % +0 +0\.0 %/);
  assert.match(text, /429 from the gateway.* 100 +10\.0 %/);
  assert.match(text, /endpoint, an hour +\$0\.80/);
  assert.deepEqual(beforeAfterLines({ before: null, after: null }, createPaint(false)), []);
  assert.match(beforeAfterLines({ before: PART, after: null }, createPaint(false))[0] ?? '', /^ +before step 1$/);
});
