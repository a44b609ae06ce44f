import { MOST_REPORTED, REPORT_PATH } from '../core/wire/bypass.ts';
import type { Bypass, BypassReport } from '../core/wire/bypass.ts';
import type { Settings } from './settings.ts';
import { Spool } from './spool.ts';
import type { Batch } from './spool.ts';

const LONGEST_PAUSE_MS = 60_000;
const PATIENCE_MS = 10_000;
/** Statuses that refuse the report for good, so that a retry is useless. */
const REFUSED: ReadonlySet<number> = new Set([400, 413, 422]);

/** Keeps the outcomes of calls that bypassed the gateway, and reports them once it is reachable again. */
export class Reporter {
  readonly #settings: Settings;
  readonly #spool: Spool;
  readonly #isBack: () => void;
  #timer: NodeJS.Timeout | null = null;
  #pauseMs: number;
  #running: Promise<boolean> | null = null;
  #notBefore = 0;
  /** True at first, because a former process may have left some. */
  #mayHave = true;

  /** `isBack` is called when a report was accepted. */
  constructor(settings: Settings, isBack: () => void) {
    this.#settings = settings;
    this.#spool = new Spool(settings.spool, settings.mostSpooled);
    this.#isBack = isBack;
    this.#pauseMs = settings.awayMs;
  }

  add(outcome: Bypass): void {
    this.#spool.add(JSON.stringify(outcome));
    this.#mayHave = true;
    this.#later();
  }

  /** Called when the gateway has answered a call: waiting outcomes are reported in the background. */
  reachable(): void {
    if (this.#mayHave && this.#running === null && performance.now() >= this.#notBefore) void this.report();
  }

  /** Reports the waiting outcomes. True if nothing waits any more. */
  report(): Promise<boolean> {
    this.#running ??= this.#reportAll().finally(() => {
      this.#running = null;
      if (this.#mayHave) this.#later();
    });
    return this.#running;
  }

  async #reportAll(): Promise<boolean> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    for (;;) {
      this.#mayHave = false;
      const batch = await this.#spool.read(MOST_REPORTED);
      if (batch.lines.length === 0 && batch.dropped === 0) return true;
      this.#mayHave = true;
      const isTaken = await this.#send(batch);
      if (isTaken === null) {
        this.#pauseMs = Math.min(this.#pauseMs * 2, LONGEST_PAUSE_MS);
        return false;
      }
      await this.#spool.remove(batch, isTaken ? 0 : batch.dropped + batch.lines.length);
      this.#pauseMs = this.#settings.awayMs;
      if (!isTaken && batch.lines.length === 0) return false;
    }
  }

  /** Whether a report was accepted, or refused for good; null if it must be sent again. */
  async #send({ lines, dropped }: Batch): Promise<boolean | null> {
    const { gateway, fetch, toGateway } = this.#settings;
    const outcomes = lines.map(parse).filter((outcome) => outcome !== null);
    const report: BypassReport = { dropped: dropped + lines.length - outcomes.length, outcomes };
    try {
      const answer = await fetch(`${gateway}${REPORT_PATH}`, {
        ...toGateway,
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(report),
        signal: AbortSignal.timeout(PATIENCE_MS),
      });
      await answer.arrayBuffer();
      if (REFUSED.has(answer.status)) return false;
      if (!answer.ok) {
        // The gateway is reachable but accepts no reports: it is an older version, or its ledger has a problem.
        this.#notBefore = performance.now() + LONGEST_PAUSE_MS;
        return null;
      }
      this.#isBack();
      return true;
    } catch {
      return null;
    }
  }

  /** Tries again after a while, unless the program ends before. */
  #later(): void {
    if (this.#timer !== null || this.#running !== null) return;
    this.#timer = setTimeout(() => void this.report(), this.#pauseMs);
    this.#timer.unref();
  }
}

function parse(line: string): Bypass | null {
  try {
    return JSON.parse(line) as Bypass;
  } catch {
    return null;
  }
}
