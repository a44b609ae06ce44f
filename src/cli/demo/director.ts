import type { Clock } from '../../core/clock.ts';
import { AppError } from '../../core/errors.ts';
import type { Phase } from '../../core/rollout/rollout.ts';
import type { RouteStatus, StatusReport } from '../../core/status.ts';
import { askDigest, openAsks } from '../../ledger/journal/asks.ts';
import type { OpenAsk } from '../../ledger/journal/asks.ts';
import { readStatus } from '../../ledger/journal/status.ts';
import { openForReading } from '../../ledger/open.ts';
import type { SwarmProgress } from '../../loadtest/swarm.ts';
import { openBoard } from '../board.ts';
import { awaitReply } from '../say-word.ts';
import type { Display } from './display.ts';
import type { DemoOptions } from './options.ts';
import { AFTERMATH_MS } from './progress.ts';
import { VARIANTS } from './variants.ts';
import type { Variant } from './variants.ts';

const READ_EVERY_MS = 200;

interface DirectorOptions {
  readonly options: DemoOptions;
  readonly dbPath: string;
  readonly controlUrl: string;
  readonly clock: Clock;
  readonly display: Display;
}

/**
 * Plays the operator: reads the ledger, answers requests for approval as a person would, and switches the
 * chosen fault on.
 */
export class Director {
  readonly #given: DirectorOptions;
  readonly #over = new AbortController();
  readonly #finished = new AbortController();
  #progress: SwarmProgress | null = null;
  #answered = new Set<number>();
  #endedAt: number | null = null;
  #report: StatusReport | null = null;
  #isBroken = false;
  readonly answers: string[] = [];

  constructor(given: DirectorOptions) {
    this.#given = given;
  }

  /** Fires when there is nothing more to show. */
  get isOver(): AbortSignal {
    return this.#over.signal;
  }

  progressed(progress: SwarmProgress): void {
    this.#progress = progress;
  }

  /** The swarm has ended. */
  finish(): void {
    this.#finished.abort();
  }

  /** Directs until the run has ended. If it cannot, the run is over too. */
  async run(signal: AbortSignal): Promise<void> {
    try {
      await this.#direct(signal);
    } catch (error) {
      this.#over.abort();
      throw error;
    }
  }

  async #direct(signal: AbortSignal): Promise<void> {
    const { dbPath, display } = this.#given;
    const db = openForReading(dbPath);
    try {
      while (!this.#finished.signal.aborted && !signal.aborted) {
        this.#report = readStatus(db)?.report ?? null;
        const route = this.#report?.routes.find((one) => one.phase !== 'watching' || one.lastRollout !== null);
        // The fault comes first, because the approval that lets traffic in must come after it.
        await this.#breakThings(route);
        if (!this.#given.options.manual) for (const ask of openAsks(db)) await this.#answer(ask);
        this.#noteEnd(route);
        if (this.#report !== null) display.draw(this.#report, this.#progress, this.answers.slice(-3));
        await new Promise((resolve) => setTimeout(resolve, READ_EVERY_MS));
      }
    } finally {
      db.close();
    }
  }

  /** Says the same word as the commands `approve` and `reject`: to start a process costs a busy machine seconds. */
  async #answer(ask: OpenAsk): Promise<void> {
    if (this.#answered.has(ask.id)) return;
    this.#answered.add(ask.id);
    const { dbPath, options } = this.#given;
    const { id: askId, rolloutId } = ask;
    const step = ask.about === 'step' ? ask.step : null;
    const kind = options.onApproval;
    using board = openBoard(dbPath);
    const word = { kind, rolloutId, model: null, askId, askDigest: askDigest(ask), step, reason: 'demo' } as const;
    const reply = await awaitReply(board, board.say(word));
    const typed = ['upshift', kind, rolloutId, ...(step === null ? [] : ['--step', String(step)])].join(' ');
    this.answers.push(`${typed}: ${reply === null ? 'no answer yet' : `${reply.result}: ${reply.message}`}`);
    // A verdict may change between the question and its answer; the daemon then asks again. A busy daemon may answer late.
    if (reply === null || reply.result === 'refused') this.#answered.delete(ask.id);
  }

  async #breakThings(route: RouteStatus | undefined): Promise<void> {
    const { fault, at } = this.#given.options;
    if (fault === undefined || this.#isBroken || !isTime(VARIANTS[fault].from, route, at)) return;
    this.#isBroken = true;
    for (const one of VARIANTS[fault].faults) {
      const response = await fetch(`${this.#given.controlUrl}/faults`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(one),
      });
      if (!response.ok) throw new AppError('internal', `the simulation refused the fault: ${response.status}`);
    }
  }

  #noteEnd(route: RouteStatus | undefined): void {
    if (route === undefined) return;
    const isOver = route.phase === 'watching' && route.lastRollout !== null;
    if (!isOver && route.phase !== 'promoted') return;
    const now = this.#given.clock.now();
    this.#endedAt ??= now;
    if (now - this.#endedAt > AFTERMATH_MS) this.#over.abort();
  }
}

/** Whether it is time to switch the fault on. `at`: percent of the traffic. */
function isTime(from: Variant['from'], route: RouteStatus | undefined, at: number): boolean {
  if (from === 'start') return true;
  const rollout = route?.rollout ?? null;
  if (rollout === null) return false;
  const { weight, figures } = rollout;
  if (from === 'live') return weight > 0;
  if (from === 'weight') return weight * 100 >= at && (figures?.canary.decided ?? 0) >= 20;
  return !BEFORE_WARM.has(route?.phase ?? 'watching');
}

const BEFORE_WARM: ReadonlySet<Phase> = new Set(['watching', 'proposed', 'provisioning', 'warming']);
