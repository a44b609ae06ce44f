import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { Call } from '../../src/core/call.ts';
import { decide } from '../../src/core/decide/decide.ts';
import { CORE_VERSION } from '../../src/core/decide/decision.ts';
import type { Observation } from '../../src/core/decide/observation.ts';
import { evolve } from '../../src/core/rollout/evolve.ts';
import type { Rollout } from '../../src/core/rollout/rollout.ts';
import type { PinnedInstance } from '../../src/core/sizing/pinned.ts';
import type { StatusReport } from '../../src/core/status.ts';
import { requestOf } from '../../src/daemon/tick/observe.ts';
import { createClock } from '../../src/files/clock.ts';
import { openLedger } from '../../src/ledger/open.ts';
import type { Ledger } from '../../src/ledger/open.ts';
import { makeCall } from '../ledger/rig.ts';
import { ENDPOINT_POLICY, INSTANCE, MODEL, observation, START, SURVEY } from '../support/samples.ts';
import { eventually } from '../support/waiting.ts';
import type { CommandLine, Ran } from './command-thread.ts';
import { makeReport } from './reports.ts';

const ENTRY = fileURLToPath(new URL('../../src/cli/upshift.js', import.meta.url));

/** An environment without anything of this machine's that a command would listen to. */
function environment(more: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const { PATH, HOME } = process.env;
  return { PATH, HOME, ...more };
}

/** Starts `upshift` as a process of its own. */
export function spawnUpshift(
  args: readonly string[],
  { env = {}, nodeArgs = [] }: { env?: Readonly<Record<string, string>>; nodeArgs?: readonly string[] } = {},
) {
  const options = { env: environment(env), stdio: ['ignore', 'pipe', 'pipe'] as ['ignore', 'pipe', 'pipe'] };
  const child = spawn(process.execPath, [...nodeArgs, ENTRY, ...args], options);
  let [out, err] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  const ended = new Promise<Ran>((resolve, reject) => {
    child.once('error', reject).once('close', (code) => resolve({ code, out, err }));
  });
  /** Resolves once standard output matches. */
  const said = async (pattern: RegExp): Promise<string> => {
    while (!pattern.test(out)) {
      const isOver = await Promise.race([
        new Promise<boolean>((resolve) => child.stdout.once('data', () => resolve(false))),
        ended.then(() => true),
      ]);
      if (isOver && !pattern.test(out)) throw new Error(`ended without saying ${pattern}: ${out}${err}`);
    }
    return out;
  };
  return { child, ended, said };
}

let thread: Worker | null = null;
let last: Promise<unknown> = Promise.resolve();

/**
 * Runs a command line to its end, after those before it, in a thread that has loaded the program once: as a process,
 * most commands take longer to load than to run. For what only a process has, such as signals, there is `spawnUpshift`.
 */
export function upshift(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ran> {
  const ran = last.then(async () => {
    thread ??= new Worker(new URL('command-thread.ts', import.meta.url));
    thread.ref();
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
    thread.postMessage({ args, env: environment(env) } satisfies CommandLine);
    const [answer] = (await once(thread, 'message')) as [Ran];
    thread.unref();
    return answer;
  });
  last = ran.catch(() => undefined);
  return ran;
}

export function temporaryFolder(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'upshift-cli-'));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A ledger as a daemon holds it, into which a test decides as the daemon would. */
export interface Book {
  readonly path: string;
  readonly ledger: Ledger;
  /** Decides about the route on what is seen, and stores it. */
  readonly tick: (seen?: Partial<Observation>) => Promise<Rollout | null>;
  readonly saveStatus: (report: StatusReport) => Promise<void>;
  readonly close: () => Promise<void>;
}

export async function openBook(context: TestContext): Promise<Book> {
  const path = join(temporaryFolder(context), 'upshift.db');
  const ledger = await openLedger(path, { clock: createClock({ scale: 1, start: 0 }) });
  let rollout: Rollout | null = null;
  let openAskId: number | null = null;
  let now = START;
  let isOpen = true;
  const close = async () => {
    if (isOpen) await ledger.close();
    isOpen = false;
  };
  context.after(close);
  const tick = async (changes: Partial<Observation> = {}) => {
    const request = changes.request == null ? null : requestOf(changes.request);
    const seen = observation({ now: (now += 1_000), openAskId, ...changes, request });
    const decided = decide(rollout, seen);
    const next = decided.events.reduce<Rollout | null>((state, event) => evolve(state, event, seen.now), rollout);
    const asked = decided.events.find((event) => event.type === 'asked');
    const { askId } = await ledger.journal.commit({
      decision: {
        at: seen.now,
        model: seen.model,
        rolloutId: next?.id ?? null,
        coreVersion: CORE_VERSION,
        policyHash: seen.policyHash,
        action: decided.action,
        reason: decided.reason,
        input: JSON.stringify({ rollout, observation: seen }),
        output: JSON.stringify(decided),
        ticks: 1,
      },
      events: decided.events.map((event) => ({
        rolloutId: next?.id ?? '',
        at: seen.now,
        type: event.type,
        data: JSON.stringify(event),
      })),
      outcomes: decided.outcome === null ? [] : [{ ...decided.outcome, at: seen.now }],
      ...(next !== null && {
        rollout: {
          id: next.id,
          model: next.model,
          policyHash: next.policyHash,
          toward: next.toward,
          phase: next.phase,
          snapshot: JSON.stringify(next),
          createdAt: next.createdAt,
          updatedAt: seen.now,
        },
      }),
      ...(asked !== undefined &&
        next !== null && {
          ask: {
            rolloutId: next.id,
            step: asked.step,
            policyHash: next.policyHash,
            verdict: 'none',
            figures: '{}',
            at: seen.now,
          },
        }),
    });
    openAskId = askId ?? openAskId;
    rollout = next;
    return next;
  };
  return {
    path,
    ledger,
    tick,
    close,
    saveStatus: (report) => ledger.journal.saveStatus(JSON.stringify(report), report.at),
  };
}

/** A call of a route that is only watched: serverless answers it. */
export function watchedCall(atMs: number, changes: Partial<Call> = {}): Call {
  return makeCall(0, {
    arrivedAtUs: Math.round(atMs * 1_000),
    rolloutId: null,
    step: 0,
    weight: 0,
    role: null,
    isEligible: false,
    wasFull: false,
    isOverflow: false,
    servedBy: 'serverless',
    attempts: [],
    ...changes,
  });
}

/** Writes calls to the ledger, and waits until all are written. */
export async function recordCalls({ ledger }: Pick<Book, 'ledger'>, calls: Iterable<Call>): Promise<void> {
  const recorded = [...calls].map((call) => new Promise<void>((resolve) => ledger.calls.record(call, resolve)));
  await Promise.all(recorded);
  // A call is released after the ledger's patience even if it is not written yet.
  await eventually('all calls are written', () => ledger.calls.pending === 0);
}

/** A book whose one rollout is proposed, and asks whether to create the endpoint. */
export async function openAskingBook(context: TestContext, instance: PinnedInstance = INSTANCE): Promise<Book> {
  const book = await openBook(context);
  const demand = {
    calls: 2_400,
    agents: 60,
    derivedAgents: 0,
    refused: 240,
    refusedShare: 0.1,
    holdsSince: START - 400_000,
  };
  const survey = { ...SURVEY, instance };
  await book.tick();
  await book.tick({ demand, survey });
  await book.tick({ demand, survey });
  await book.saveStatus(makeReport([]));
  return book;
}

export { ENDPOINT_POLICY, MODEL };
