import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { TestContext } from 'node:test';
import { GATEWAY_ID } from '../../src/core/call.ts';
import type { Call, Shadow } from '../../src/core/call.ts';
import type { AnswerForm } from '../../src/core/form/form.ts';
import type { Clock } from '../../src/core/clock.ts';
import type { Time } from '../../src/ledger/calls/time.ts';
import type { JournalDecision, JournalEntry } from '../../src/ledger/journal/entry.ts';
import type { Ledger } from '../../src/ledger/open.ts';
import { openLedger } from '../../src/ledger/open.ts';
import { sha256 } from '../../src/ledger/sha256.ts';

export const START_MS = 1_760_000_000_000;

/** A clock that stands still. */
export const clock: Clock = { now: () => START_MS, sleep: () => Promise.resolve(), scale: 1 };

/** A path for a ledger in a folder that goes away with the test. */
export function temporaryPath(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'upshift-ledger-'));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'upshift.db');
}

/** The n-th of a row of calls, one each two milliseconds, as a served chat call of one of 64 agents would look. */
export function makeCall(n: number, changes: Partial<Call> = {}): Call {
  const isCanary = n % 4 === 0;
  const durationUs = 900_000 + ((n * 7_919) % 6_000_000);
  return {
    gatewayId: GATEWAY_ID,
    arrivedAtUs: START_MS * 1_000 + n * 2_000,
    durationUs,
    model: n % 5 === 0 ? 'org/other' : 'org/model',
    shape: n % 3 === 0 ? 'chat+stream' : 'chat',
    agent: `agent-${n % 640}`,
    isAgentDerived: false,
    rolloutId: 'abcdefgh',
    step: 2,
    weight: 0.25,
    role: isCanary ? 'canary' : 'stable',
    isEligible: true,
    servedBy: isCanary ? 'dedicated' : 'serverless',
    status: 200,
    outcome: 'ok',
    finalOutcome: 'ok',
    hasClientLeft: false,
    hasNoToken: false,
    firstByteUs: 150_000 + ((n * 104_729) % 700_000),
    firstTokenUs: 160_000 + ((n * 104_729) % 700_000),
    promptTokens: 200 + ((n * 31) % 4_000),
    outputTokens: 20 + ((n * 17) % 700),
    isEmpty: [null, false, true][n % 3] ?? null,
    form: makeForm(n),
    requestBytes: 1_000 + ((n * 131) % 40_000),
    responseBytes: 700 + ((n * 61) % 9_000),
    repeatOfUs: null,
    hasShadow: false,
    isWayBack: false,
    isThroughOutage: false,
    wasOut: n % 7 === 0,
    wasFull: n % 5 === 0,
    isOverflow: n % 10 === 0,
    waitedUs: 0,
    attempts: [
      {
        upstream: isCanary ? 'dedicated' : 'serverless',
        startedAfterUs: 180 + (n % 200),
        status: 200,
        outcome: 'ok',
        firstByteUs: 149_000 + ((n * 104_729) % 700_000),
        durationUs: durationUs - 180 - (n % 200),
      },
    ],
    ...changes,
  };
}

/** The form of the n-th answer: none of every fourth. */
function makeForm(n: number): AnswerForm | null {
  const form = {
    finish: 'stop',
    tools: null,
    format: null,
    hasLeak: n % 5 === 0,
    charsPerToken: 4 + (n % 8) / 4,
  } as const;
  return n % 4 === 3 ? null : { ...form, hasReasoning: null, isRepeating: false, isGarbled: false };
}

/** The copy of the n-th call. */
export function makeShadow(n: number, changes: Partial<Shadow> = {}): Shadow {
  return {
    gatewayId: GATEWAY_ID,
    arrivedAtUs: makeCall(n).arrivedAtUs,
    rolloutId: 'abcdefgh',
    status: 200,
    outcome: 'ok',
    knownAfterUs: 800_000 + n,
    firstByteUs: 90_000 + n,
    firstTokenUs: 95_000 + n,
    durationUs: 800_000 + n,
    promptTokens: 200 + n,
    outputTokens: 20 + n,
    isEmpty: [null, false, true][n % 3] ?? null,
    form: makeForm(n + 1),
    agreement: null,
    ...changes,
  };
}

/** A ledger that is closed with the test, whatever becomes of it. */
export async function openFor(context: TestContext, path: string): Promise<Ledger> {
  const ledger = await openLedger(path, { clock });
  context.after(() => ledger.close());
  return ledger;
}

export const POLICY = { text: 'routes: []\n', parsed: '{"routes":[]}', path: 'policies/default.yaml' };
export const POLICY_HASH = sha256(POLICY.text);

/** The n-th decision of a rollout, with an output that `redecide` finds again. */
export function makeDecision(n: number, changes: Partial<JournalDecision> = {}): JournalDecision {
  const input = JSON.stringify({ rollout: null, observation: { now: START_MS + n, note: `ünlike ${n}` } });
  return {
    at: START_MS + n * 1_000,
    model: 'org/model',
    rolloutId: 'abcdefgh',
    coreVersion: 1,
    policyHash: POLICY_HASH,
    action: 'wait',
    reason: 'baking',
    input,
    output: redecide(input),
    ticks: n,
    ...changes,
  };
}

/** Stands for the core: the same input gives the same output. */
export function redecide(input: string): string {
  return JSON.stringify({ detail: `seen ${sha256(input).slice(0, 12)}` });
}

export function makeEntry(n: number, changes: Partial<JournalEntry> = {}): JournalEntry {
  return {
    policy: { hash: POLICY_HASH, ...POLICY },
    decision: makeDecision(n),
    rollout: makeRollout({ updatedAt: START_MS + n }),
    events: [{ rolloutId: 'abcdefgh', at: START_MS + n, type: 'proposed', data: '{}' }],
    outcomes: [],
    ...changes,
  };
}

export function makeRollout(changes: Partial<NonNullable<JournalEntry['rollout']>> = {}) {
  return {
    id: 'abcdefgh',
    model: 'org/model',
    policyHash: POLICY_HASH,
    toward: 'dedicated',
    phase: 'stepping',
    snapshot: '{"phase":"stepping","ask":{"step":1}}',
    createdAt: START_MS - 1_000,
    updatedAt: START_MS,
    ...changes,
  };
}

/** Runs a program of `children/` until the test ends; `line` waits for the next line that it prints. */
export function startChild(context: TestContext, name: string, ...args: string[]) {
  const path = fileURLToPath(new URL(`children/${name}.ts`, import.meta.url));
  const child = spawn(process.execPath, [path, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  context.after(() => child.kill('SIGKILL'));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ended = once(child, 'close');
  return { child, ended, line: async () => (await lines.next()).value };
}

/** Time that passes only when a test lets it pass. */
export class HandTime implements Time {
  #now = 0;
  #timers: { readonly at: number; readonly work: () => void }[] = [];

  now(): number {
    return this.#now;
  }

  after(ms: number, work: () => void): void {
    this.#timers.push({ at: this.#now + ms, work });
    this.#timers.sort((one, other) => one.at - other.at);
  }

  advance(ms: number): void {
    const end = this.#now + ms;
    while (this.#timers[0] !== undefined && this.#timers[0].at <= end) this.toNextTimer();
    this.#now = end;
  }

  /** Lets time pass until the next timer ends; no time passes if there is none. */
  toNextTimer(): void {
    const timer = this.#timers.shift();
    if (timer === undefined) return;
    this.#now = timer.at;
    timer.work();
  }
}

/** Looks again and again until it is so. */
export async function until(isSo: () => boolean, withinMs = 60_000): Promise<void> {
  const end = performance.now() + withinMs;
  while (!isSo()) {
    if (performance.now() > end) throw new Error(`not within ${withinMs} ms: ${isSo.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
