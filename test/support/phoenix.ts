import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { Rollout } from '../../src/core/rollout/rollout.ts';
import type { DaemonProcess } from './processes.ts';
import { startDaemon } from './processes.ts';
import { newestRollout } from './rollout.ts';
import type { Stage } from './stage.ts';
import { freePort } from './stage.ts';
import type { Sent } from './traffic.ts';
import { eventually } from './waiting.ts';

/** An answer waits so long for its row, real ms. */
const PATIENCE_MS = 50;

/** A span of real epoch ms. */
interface Span {
  readonly from: number;
  readonly to: number;
}

/** A daemon that is killed and started again on the same ledger and ports. */
export class Phoenix {
  readonly #t: TestContext;
  readonly #stage: Stage;
  readonly #ports: { readonly port: number; readonly adminPort: number };
  #daemon: DaemonProcess;
  readonly #downtimes: Span[] = [];
  readonly #unsure: Span[] = [];

  static async rise(t: TestContext, stage: Stage): Promise<Phoenix> {
    const ports = { port: await freePort(), adminPort: await freePort() };
    return new Phoenix(t, stage, ports, await startDaemon(t, { ...stage, ...ports }));
  }

  private constructor(t: TestContext, stage: Stage, ports: { port: number; adminPort: number }, daemon: DaemonProcess) {
    this.#t = t;
    this.#stage = stage;
    this.#ports = ports;
    this.#daemon = daemon;
  }

  get gateway(): string {
    return this.#daemon.gateway;
  }

  /** Kills it, does something while it is down, and starts it again. Gives the rollout as the dead one left it. */
  async die(whileDown: () => unknown = () => undefined): Promise<Rollout> {
    const from = await eventually('no answer went out before its row', () => this.#wasWellAfter());
    await this.#daemon.kill();
    const killedAt = Date.now();
    // A row that waits longer than this is lost with the process, and its answer may have gone out. That is the rule.
    if (killedAt - from >= PATIENCE_MS) this.#unsure.push({ from, to: killedAt });
    const left = newestRollout(this.#stage);
    assert.ok(left);
    await whileDown();
    this.#daemon = await startDaemon(this.#t, { ...this.#stage, ...this.#ports });
    this.#downtimes.push({ from, to: Date.now() });
    return left;
  }

  /** Whether a call was under way while the daemon was down. */
  wasDownDuring(call: Sent): boolean {
    return this.#downtimes.some(({ from, to }) => call.startedAt <= to && call.endedAt >= from);
  }

  /** Whether an answer that this call got must be in the ledger. */
  mustHave(call: Sent): boolean {
    return !this.#unsure.some(({ from, to }) => call.endedAt >= from && call.endedAt <= to);
  }

  /** A time, real epoch ms, after which the daemon said that no row waits; null if it did not say so. */
  async #wasWellAfter(): Promise<number | null> {
    const askedAt = Date.now();
    const health = await fetch(`${this.#daemon.admin}/healthz`);
    const { ledger } = (await health.json()) as { ledger: { pending: number; isDegraded: boolean } };
    return ledger.pending === 0 && !ledger.isDegraded ? askedAt : null;
  }
}
