import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AppError } from '../../../src/core/errors.ts';
import { MINUTE_MS } from '../../../src/core/time.ts';
import { Books } from '../../../src/daemon/money/books.ts';
import type { BooksContext } from '../../../src/daemon/money/books.ts';
import type { EndpointsClient } from '../../../src/huggingface/management/endpoints.ts';
import { createEndpointsClient } from '../../../src/huggingface/management/endpoints.ts';
import type { JournalEntry } from '../../../src/ledger/journal/entry.ts';
import { checkSeals } from '../../../src/ledger/journal/audit-seals.ts';
import { keyPathOf, readPublicKey } from '../../../src/ledger/journal/key.ts';
import { JournalStore } from '../../../src/ledger/journal/store.ts';
import { migrate } from '../../../src/ledger/migrate.ts';
import { openForReading } from '../../../src/ledger/open.ts';
import { startSimulation } from '../../../src/simulation/server.ts';
import type { Simulation } from '../../../src/simulation/server.ts';
import { handClock } from '../../simulation/clocks.ts';
import { endpointBody, send } from '../../simulation/support.ts';

/** What happens to the endpoint of a number, or to the daemon, the API or Hugging Face as a whole. */
export type Happening =
  | { readonly kind: 'create' | 'pause' | 'resume' | 'sleep' | 'wake' | 'delete' | 'fail'; readonly which: number }
  | { readonly kind: 'replicas'; readonly which: number; readonly count: number }
  | {
      readonly kind: 'books-crash' | 'api-down' | 'ledger-locked' | 'graphs-gone' | 'graphs-fail';
      readonly minutes: number;
    }
  | { readonly kind: 'simulation-crash' };

export interface Stage {
  readonly clock: ReturnType<typeof handClock>;
  sim: Simulation;
  readonly happen: (what: Happening) => Promise<void>;
  /** Goes on to a time, looking at every turn of a minute from `from` on, else at none. */
  readonly passTo: (at: number, from?: number) => Promise<void>;
  readonly query: <Row>(sql: string) => Row[];
  /** What the audit finds wrong with the seals. */
  readonly findings: () => string[];
  /** Stores a rollout. */
  readonly store: (rollout: NonNullable<JournalEntry['rollout']>) => void;
  /** What the books have logged: the message and its facts. */
  readonly logged: string[];
  readonly close: () => Promise<void>;
  readonly startAt: number;
  readings: number;
  /** When the last reading was made that found the API well; 0 before. */
  lastReadingAt: number;
  /** Ends all trouble, and reads the endpoints. */
  readonly settle: () => Promise<void>;
}

const NAMESPACE = 'acme';

/** Once more where the connection was one to a simulation that is gone. */
const ask = (...request: Parameters<typeof send>) => send(...request).catch(() => send(...request));

/** A simulation with a state file, a ledger, and the books between them, all in the time of one hand-driven clock. */
export async function openStage({ servesGraphs = true } = {}): Promise<Stage> {
  const folder = mkdtempSync(join(tmpdir(), 'upshift-books-'));
  const dbPath = join(folder, 'ledger.db');
  const keep = { path: join(folder, 'sim.json'), clockStart: 0 };
  const clock = handClock();
  clock.advance(MINUTE_MS - (clock.now() % MINUTE_MS));
  const limits = { initializingMs: 95_500, pendingMs: 21_300 };
  const start = () => startSimulation({ clock, keep, limits });
  migrate(dbPath, clock.now());
  // In this thread: the one that a daemon gives it takes longer to start than many a day takes to pass.
  let store = new JournalStore(dbPath);
  let books: Books | null = null;
  let backAt = 0;
  let graphsBackAt = 0;
  let graphsWellAt = 0;
  let unlockedAt = 0;
  let hasFailed = false;
  const logged: string[] = [];
  const stage = { clock, sim: await start(), startAt: clock.now(), readings: 0, lastReadingAt: 0 };
  let apiBackAt = 0;
  const isApiWell = () => clock.now() >= apiBackAt;
  const client = (): EndpointsClient => {
    const real = createEndpointsClient({ baseUrl: stage.sim.endpointsUrl, token: 'hf_test' });
    const hasGraphs = () => servesGraphs && clock.now() >= graphsBackAt;
    return {
      ...real,
      async replicas(...asked) {
        if (clock.now() < graphsWellAt) throw new AppError('unavailable', 'no graphs just now');
        return hasGraphs() ? real.replicas(...asked) : null;
      },
    };
  };
  const open = () => {
    const context: Omit<BooksContext, 'endpoints'> = {
      clock,
      journal: {
        bookedEndpoints: async () => store.bookedEndpoints(),
        latestRollouts: async () => store.latestRollouts(),
        async book(entries) {
          if (clock.now() < unlockedAt) throw new AppError('unavailable', 'the ledger is locked');
          store.book(entries);
        },
      },
      namespaces: () => [NAMESPACE],
      log(_, message, facts) {
        logged.push(`${message} ${JSON.stringify(facts)}`);
        hasFailed = true;
      },
    };
    const endpoints = client();
    books = new Books({ ...context, endpoints });
  };
  open();
  const base = () => `${stage.sim.endpointsUrl}/v2/endpoint/${NAMESPACE}`;
  const name = (which: number) => `e${which}`;
  const scaling = (count: number) => ({ minReplica: count, maxReplica: Math.max(1, count) });

  const happen = async (what: Happening): Promise<void> => {
    // A reading and a change in the same millisecond have no order.
    if (clock.now() % MINUTE_MS === 0) clock.advance(1);
    switch (what.kind) {
      case 'create':
        await ask('POST', base(), endpointBody(name(what.which)));
        return;
      case 'delete':
        await ask('DELETE', `${base()}/${name(what.which)}`);
        return;
      case 'pause':
      case 'resume':
        await ask('POST', `${base()}/${name(what.which)}/${what.kind}`);
        return;
      case 'sleep':
        await ask('POST', `${base()}/${name(what.which)}/scale-to-zero`);
        return;
      case 'wake': {
        const url = stage.sim
          .state()
          .endpoints.find(({ name: one, deletedAt }) => one === name(what.which) && deletedAt === null)?.url;
        if (url) await ask('GET', `${url}/health`);
        return;
      }
      case 'replicas':
        await ask('PUT', `${base()}/${name(what.which)}`, { compute: { scaling: scaling(what.count) } });
        return;
      case 'fail':
        await stage.sim.setFault({ target: 'endpoint', kind: 'fails', name: name(what.which) });
        await stage.sim.clearFaults();
        return;
      case 'books-crash':
        books = null;
        backAt = clock.now() + what.minutes * MINUTE_MS;
        // What the books know they know from the file.
        store.close();
        store = new JournalStore(dbPath);
        return;
      case 'api-down':
        // For the books alone: others go on changing their endpoints.
        apiBackAt = clock.now() + what.minutes * MINUTE_MS;
        return;
      case 'ledger-locked':
        unlockedAt = clock.now() + what.minutes * MINUTE_MS;
        return;
      case 'graphs-fail':
        graphsWellAt = clock.now() + what.minutes * MINUTE_MS;
        return;
      case 'graphs-gone':
        graphsBackAt = clock.now() + what.minutes * MINUTE_MS;
        return;
      case 'simulation-crash':
        await stage.sim.close();
        stage.sim = await start();
        if (books !== null) open();
    }
  };

  const turn = async () => {
    if (books === null && clock.now() >= backAt) open();
    if (books === null) return;
    stage.readings++;
    if (!isApiWell()) await stage.sim.setFault({ target: 'management', kind: 'down' });
    hasFailed = false;
    await books.turn();
    // It also fails when its connection was one to a simulation that has crashed.
    if (!hasFailed && clock.now() >= unlockedAt) stage.lastReadingAt = clock.now();
    if (!isApiWell()) await stage.sim.clearFaults();
  };
  return Object.assign(stage, {
    happen,
    logged,
    store: (rollout: NonNullable<JournalEntry['rollout']>) => store.commit({ rollout, events: [], outcomes: [] }),
    async passTo(at: number, from = 0) {
      if (from > clock.now()) clock.advance(from - clock.now());
      for (;;) {
        const next = (Math.floor(clock.now() / MINUTE_MS) + 1) * MINUTE_MS;
        if (next > at) break;
        clock.advance(next - clock.now());
        await turn();
      }
      clock.advance(at - clock.now());
    },
    async settle() {
      backAt = graphsBackAt = graphsWellAt = apiBackAt = unlockedAt = 0;
      // Graphs that could not be had a moment ago are not waited for again.
      for (let i = 0; i < 2; i++) await this.passTo((Math.floor(clock.now() / MINUTE_MS) + 1) * MINUTE_MS);
    },
    query<Row>(sql: string): Row[] {
      const db = openForReading(dbPath);
      try {
        return db.prepare<[], Row>(sql).all();
      } finally {
        db.close();
      }
    },
    findings() {
      const db = openForReading(dbPath);
      const found: string[] = [];
      try {
        checkSeals(db, readPublicKey(keyPathOf(dbPath)), (_, what) => found.push(what));
      } finally {
        db.close();
      }
      return found;
    },
    async close() {
      await stage.sim.close();
      store.close();
      rmSync(folder, { recursive: true });
    },
  });
}
