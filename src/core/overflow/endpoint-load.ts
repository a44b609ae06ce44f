/**
 * A refusal counts as one for lack of room only if the endpoint began to answer another call within this time. Real ms,
 * as the timeouts: sockets and processors do not run faster with the clock. The caller's clock stands still while the
 * process is blocked, because it reads no answers then.
 */
const EVIDENCE_MS = 5_000;
/** So many refusals, each of a call that was sent after the one before came, are no lack of room without an answer between. */
const MOST_IN_A_ROW = 4;
/** This much above the limit is tried, so that an endpoint is not kept at what it has carried so far. */
const PROBED = 1.05;
/**
 * After a refusal nothing above the limit is tried until so many answers began. The number doubles with each refusal, up to
 * the most, and begins again when more was taken: a limit that a busy moment set too low rises soon, and so few calls are
 * turned away in the long run that they do not look like a replica that carries too many.
 */
const BETWEEN_PROBES = { least: 8, most: 64 } as const;
/** Once full, the endpoint is open again below this part of its limit. */
const OPEN_AGAIN = 0.95;

/** What the measurements of an endpoint say about its room. */
export interface EndpointCapacity {
  /** Replicas that are ready; null: not known. */
  readonly replicas: number | null;
  /** Calls at once that they were seen to carry; null unless more was seen to be too much. */
  readonly limit: number | null;
}

const UNKNOWN: EndpointCapacity = { replicas: null, limit: null };

/**
 * The calls and copies under way at one endpoint, how many it takes at once, and whether a refusal shows that it is full
 * or that it is sick. Only numbers are kept: each call asks.
 */
export class EndpointLoad {
  #inFlight = 0;
  #sent = 0;
  #answeredAtMs = Number.NEGATIVE_INFINITY;
  #refusals = 0;
  /** A refusal continues the row only if its call was sent as this one or later: a burst is one refusal. */
  #rowFrom = 0;
  #answersSinceFull = 0;
  /** Answers that must begin before more than the limit is tried. */
  #untilProbe = 0;
  /** Calls at once when it last refused one for lack of room, and its replicas then. */
  #seen: number | null = null;
  #seenReplicas: number | null = null;
  #capacity = UNKNOWN;
  /** What it said itself, else what was measured. */
  #limit: number | null = null;
  #isFull = false;
  #isSick = false;

  get inFlight(): number {
    return this.#inFlight;
  }

  /** Calls and copies that were sent to it. */
  get sent(): number {
    return this.#sent;
  }

  /** Calls at once that it takes; null if no limit was ever seen. */
  get limit(): number | null {
    return this.#limit;
  }

  /** Calls at once at which it last said that it is full, for the replicas of now; null if it never said so. */
  get fullAt(): number | null {
    return this.#seen === null ? null : this.#limitSeen();
  }

  /** Whether it has no room for a call that is drawn now. It stays full until it is clearly below its limit. */
  get isFull(): boolean {
    return this.#isFull && !this.#isSick;
  }

  /** Whether one more call may be sent: for calls that wait for a place. */
  get hasRoom(): boolean {
    const limit = this.#limit;
    return limit === null || this.#inFlight < (this.#answersSinceFull < this.#untilProbe ? limit : limit * PROBED);
  }

  /** What was measured, or how many replicas are ready, may have changed. */
  measured(capacity: EndpointCapacity): void {
    const { replicas, limit } = capacity;
    if (replicas === this.#capacity.replicas && limit === this.#capacity.limit) return;
    this.#capacity = capacity;
    this.#setLimit();
  }

  /** A call or a copy is sent. Returns its number. */
  begin(): number {
    this.#inFlight++;
    if (!this.hasRoom) this.#isFull = true;
    return this.#sent++;
  }

  /** A call or a copy is no longer under way. */
  end(): void {
    this.#inFlight--;
    this.#openAgain();
  }

  /** Whether its newest sign of life was a connection that failed: then it is not full, and its faults must show. */
  get isSick(): boolean {
    return this.#isSick;
  }

  /** The connection of a call failed. */
  failed(): void {
    this.#isSick = true;
  }

  /** It has begun to answer a call well. */
  answered(nowMs: number): void {
    this.#answeredAtMs = nowMs;
    this.#isSick = false;
    this.#refusals = 0;
    this.#answersSinceFull++;
    if (this.#seen === null || this.#inFlight <= this.#limitSeen()) return;
    this.#untilProbe = 0;
    this.#seen = this.#inFlight;
    this.#seenReplicas = this.#capacity.replicas;
    this.#setLimit();
  }

  /**
   * It refused the call with this number, and said that it lacks room. Returns whether that is so: words alone show
   * nothing. The call still counts as under way.
   */
  refused(number: number, nowMs: number): boolean {
    if (number >= this.#rowFrom) {
      this.#refusals++;
      this.#rowFrom = this.#sent;
    }
    const others = this.#inFlight - 1;
    if (!this.#isAlive(nowMs) && !this.#isFirstBurst(others)) return false;
    // A burst is one refusal.
    if (this.#answersSinceFull > 0 || this.#untilProbe === 0) {
      this.#untilProbe = Math.min(BETWEEN_PROBES.most, Math.max(BETWEEN_PROBES.least, 2 * this.#untilProbe));
    }
    this.#answersSinceFull = 0;
    this.#seen = Math.max(1, others);
    this.#seenReplicas = this.#capacity.replicas;
    this.#setLimit();
    this.#isFull = true;
    return true;
  }

  /** The first byte of the call with this number is late. Returns whether that is for lack of room. */
  late(number: number, nowMs: number): boolean {
    const limit = this.#limit;
    if (limit === null || this.#inFlight < OPEN_AGAIN * limit) return false;
    if (number >= this.#rowFrom) {
      this.#refusals++;
      this.#rowFrom = this.#sent;
    }
    return this.#isAlive(nowMs);
  }

  #isAlive(nowMs: number): boolean {
    return nowMs - this.#answeredAtMs <= EVIDENCE_MS && this.#refusals <= MOST_IN_A_ROW;
  }

  /**
   * Whether a burst came to an endpoint that had nothing to answer before: the calls that it took are not answered yet. It
   * is believed once. Refusals of calls that are sent after that need an answer.
   */
  #isFirstBurst(others: number): boolean {
    return this.#refusals === 1 && others > 0;
  }

  #limitSeen(): number {
    const { replicas } = this.#capacity;
    const seen = this.#seen ?? 0;
    if (replicas === null || this.#seenReplicas === null || this.#seenReplicas === 0) return seen;
    return (seen * replicas) / this.#seenReplicas;
  }

  #setLimit(): void {
    const limit = this.fullAt ?? this.#capacity.limit;
    this.#limit = limit === null ? null : Math.max(1, limit);
    if (!this.hasRoom) this.#isFull = true;
    this.#openAgain();
  }

  #openAgain(): void {
    if (this.#limit === null || this.#inFlight < OPEN_AGAIN * this.#limit) this.#isFull = false;
  }
}
