import type { Clock } from '../../core/clock.ts';
import { servesCalls } from '../../core/overflow/serves-calls.ts';
import { POLICY_DEFAULTS } from '../../core/policy/defaults.ts';
import type { Canary, RouteTable } from '../../core/route.ts';
import { serverlessTakes } from '../care/admission.ts';
import type { AdmissionParts } from '../care/admission.ts';
import type { Refusal } from '../care/refusal.ts';
import type { Assignment } from '../request/assignment.ts';
import { clientPatienceMs } from '../request/incoming-call.ts';
import type { IncomingCall } from '../request/incoming-call.ts';
import type { EndpointGate, PlaceSeeker } from './endpoint-gate.ts';
import type { EndpointGates } from './endpoint-gates.ts';

/** Whose call it is. */
interface OverflowOwner {
  sendToEndpoint(): void;
  sendToServerless(): void;
  refused(refusal: Refusal): void;
  /** One of the others threw. */
  fail(error: unknown): void;
}

interface OverflowParts extends AdmissionParts {
  readonly gates: EndpointGates;
  readonly clock: Pick<Clock, 'now' | 'scale'>;
  readonly table: () => RouteTable;
}

/** A call is sent to either side so often at most. */
const MOST_TRIES = 4;
const RETRY_AFTER_MS = 1_000;

/**
 * One call for which its endpoint has no room: it goes to serverless if serverless takes it now, else it waits for a place
 * at the endpoint.
 */
export class Overflow implements PlaceSeeker {
  readonly agent: string;
  readonly deadlineMs: number;
  /** Whether it had to wait for a place. */
  wasHeld = false;
  readonly #owner: OverflowOwner;
  readonly #shared: OverflowParts;
  readonly #incoming: IncomingCall;
  readonly #assignment: Assignment;
  readonly #canary: Canary;
  readonly #gate: EndpointGate;
  readonly #mostWaiting: number;
  /** How often it was sent to the endpoint, and to serverless. */
  #tries = 0;
  #overflows = 0;
  #isOver = false;

  constructor(owner: OverflowOwner, shared: OverflowParts, incoming: IncomingCall, assignment: Assignment) {
    this.#owner = owner;
    this.#shared = shared;
    this.#incoming = incoming;
    this.#assignment = assignment;
    this.#canary = assignment.canary as Canary;
    this.#gate = shared.gates.of(this.#canary.url);
    const { maxWait, queue } = assignment.care ?? POLICY_DEFAULTS.care;
    this.#mostWaiting = queue;
    this.agent = assignment.arrival.agent;
    this.deadlineMs = shared.clock.now() + Math.min(maxWait, clientPatienceMs(incoming.headers));
  }

  /** The endpoint has no room for the call, or has said so. */
  place(): void {
    if (!this.#isServed || this.#serverlessTakes) this.#goToServerless();
    else if (this.#tries >= MOST_TRIES) this.#giveUp();
    else this.#wait();
  }

  /** Whether a place for the call may still be found. */
  get mayGoOn(): boolean {
    return !this.#isOver && this.#shared.clock.now() < this.deadlineMs;
  }

  /** Serverless has no place for the call. Returns whether it waits for one at the endpoint. */
  takesBack(): boolean {
    if (!this.mayGoOn || !this.#isServed || this.#tries >= MOST_TRIES) return false;
    this.#wait();
    return true;
  }

  takePlace(): void {
    this.#tries++;
    this.#tell(() => (this.#isServed ? this.#owner.sendToEndpoint() : this.#goToServerless()));
  }

  get goesElsewhere(): boolean {
    return !this.#isServed || this.#serverlessTakes;
  }

  goElsewhere(): void {
    this.#tell(() => this.#goToServerless());
  }

  leaveQueue(why: 'late' | 'displaced'): void {
    this.#tell(() => {
      if (why === 'displaced') this.#giveUp();
      else if (this.#serverlessTakes) this.#goToServerless();
      else this.#refuse();
    });
  }

  /** The call has ended: it waits no longer. */
  end(): void {
    this.#gate.leave(this);
  }

  #wait(): void {
    const place = this.#gate.enter(this, this.#mostWaiting);
    if (place === 'free') return this.takePlace();
    this.wasHeld = true;
    if (place === 'queue_full') this.#giveUp();
  }

  /** There is no place in the queue. The one before serverless may have one. */
  #giveUp(): void {
    if (this.#gate.rule.mayOverflow) this.#goToServerless();
    else this.#refuse();
  }

  #refuse(): void {
    this.#isOver = true;
    this.#gate.noteRefused();
    this.#owner.refused({ kind: 'endpoint_full', retryAfterMs: RETRY_AFTER_MS });
  }

  #goToServerless(): void {
    if (this.#overflows++ >= MOST_TRIES) return this.#refuse();
    if (this.#overflows === 1) this.#gate.noteOverflow();
    this.#owner.sendToServerless();
  }

  /** Whether the endpoint still serves the call's route. */
  get #isServed(): boolean {
    const { model } = this.#assignment.arrival;
    const now = model === null ? undefined : this.#shared.table().routes.get(model)?.canary;
    return now != null && now.url === this.#canary.url && servesCalls(now);
  }

  get #serverlessTakes(): boolean {
    const { mayOverflow, mostRefused } = this.#gate.rule;
    if (!mayOverflow || this.#overflows >= MOST_TRIES) return false;
    return serverlessTakes(this.#shared, this.#incoming, this.#assignment, mostRefused);
  }

  /** The gate looks after one call after the other: one that cannot be sent must not stop it. */
  #tell(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#owner.fail(error);
    }
  }
}
