import { assignedTo } from '../core/call.ts';
import type { Outcome } from '../core/outcome.ts';
import { Attempt } from './attempt/attempt.ts';
import type { AttemptOwner } from './attempt/attempt.ts';
import { toEndpoint, toServerless } from './attempt/outbound.ts';
import type { OutboundRequest } from './attempt/outbound.ts';
import type { CallHistory } from './call-history.ts';
import { admissionFor } from './care/admission.ts';
import type { Admission } from './care/admission.ts';
import type { Refusal } from './care/refusal.ts';
import { Overflow } from './overflow/overflow.ts';
import type { AnswerHeaders } from './request/headers.ts';
import type { IncomingCall } from './request/incoming-call.ts';
import type { Shared } from './shared.ts';

/** Whose attempts are sent. */
interface SendingOwner extends AttemptOwner {
  readonly isOver: boolean;
  /** An attempt is about to be sent. */
  trying(attempt: Attempt): void;
  /** No attempt is made, because of a limit. */
  refused(refusal: Refusal): void;
  fail(error: unknown): void;
}

/** Sends the attempts of one call: to which upstream, and whether it waits before. */
export class Sending {
  readonly #owner: SendingOwner;
  readonly #shared: Shared;
  readonly #incoming: IncomingCall;
  readonly #history: CallHistory;
  /** Its access to serverless; null if the policy sets no limits there, or if it has not been sent there. */
  #admission: Admission | null = null;
  /** What it does because its endpoint has no room; null while that is not so. */
  #overflow: Overflow | null = null;

  constructor(owner: SendingOwner, shared: Shared, incoming: IncomingCall, history: CallHistory) {
    this.#owner = owner;
    this.#shared = shared;
    this.#incoming = incoming;
    this.#history = history;
  }

  get admission(): Admission | null {
    return this.#admission;
  }

  /** Sends the call to the upstream that it is assigned to. */
  start(): void {
    const { arrival } = this.#history.assignment;
    if (assignedTo(arrival) === 'dedicated') this.sendToEndpoint();
    else if (arrival.isOverflow === true) this.overflow();
    else this.sendToServerless();
  }

  /** The endpoint has no room: the call goes to serverless, or waits for a place. */
  overflow(): void {
    this.#overflow ??= new Overflow(this, this.#shared, this.#incoming, this.#history.assignment);
    this.#overflow.place();
  }

  sendToEndpoint(): void {
    const shared = this.#shared;
    const startedAtUs = this.#history.noteSent(this.#overflow?.wasHeld === true, false);
    const request = toEndpoint(this.#incoming, this.#history.assignment, shared.token);
    const attempt = this.#attempt(request, startedAtUs);
    attempt.countAt(shared.gates.of(request.url));
    attempt.send(shared.targets.of(request.url, request.connectMs));
  }

  /**
   * Makes an attempt at serverless: at once, or if the policy limits calls there, when a permit is granted. `canWait`:
   * whether it may wait for one.
   */
  sendToServerless(canWait = true): void {
    try {
      const hasTime = canWait && this.#overflow?.mayGoOn !== false;
      this.#admission = admissionFor(this, this.#shared, this.#incoming, this.#history.assignment, hasTime);
      if (this.#admission === null) this.sendNow();
      else this.#admission.begin();
    } catch (error) {
      this.#owner.fail(error);
    }
  }

  sendNow(): void {
    const shared = this.#shared;
    const admission = this.#admission;
    const history = this.#history;
    const isFirst = history.attempts.length === 0;
    const wasHeld = admission?.wasHeld === true || this.#overflow?.wasHeld === true;
    const startedAtUs = history.noteSent(wasHeld, admission?.wasOut === true);
    const suffix = admission === null ? null : admission.suffix;
    const request = toServerless(this.#incoming, history.assignment, shared.routerUrl, suffix);
    const attempt = this.#attempt(request, startedAtUs);
    const target = shared.targets.of(request.url, request.connectMs);
    attempt.send(admission === null ? target : admission.wrap(target));
    if (isFirst && !this.#owner.isOver) history.offerCopy();
  }

  refused(refusal: Refusal): void {
    if (refusal.kind !== 'endpoint_full' && this.#overflow?.takesBack() === true) return;
    this.#owner.refused(refusal);
  }

  fail(error: unknown): void {
    this.#owner.fail(error);
  }

  /**
   * Whether another attempt follows one at serverless that ended with `outcome`. `isRepeatable`: whether serverless may
   * get the call again. `follow`: called before, if so.
   */
  triesAgain(
    attempt: Attempt,
    outcome: Outcome,
    isRepeatable: boolean,
    headers: AnswerHeaders | null,
    follow: () => void,
  ): boolean {
    const admission = this.#admission;
    const overflow = this.#overflow;
    if (admission === null) return false;
    if (outcome === 'rate_limited' && isRepeatable && overflow?.mayGoOn === true) {
      admission.release(outcome, attempt, headers);
      admission.end();
      follow();
      overflow.place();
      return true;
    }
    if (!admission.tryAgain(outcome, isRepeatable, attempt, headers)) {
      admission.release(outcome, attempt, headers);
      return false;
    }
    follow();
    return true;
  }

  /** The call has ended: it waits for nothing any more. */
  end(outcome: Outcome): void {
    this.#admission?.release(outcome);
    this.#admission?.end();
    this.#overflow?.end();
  }

  #attempt(request: OutboundRequest, startedAtUs: number): Attempt {
    const attempt = new Attempt(this.#owner, this.#shared, request, startedAtUs);
    this.#history.attempts.push(attempt);
    this.#owner.trying(attempt);
    return attempt;
  }
}
