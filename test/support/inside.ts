import type { TestContext } from 'node:test';
import type { DaemonOptions } from '../../src/daemon/daemon.ts';
import { Daemon } from '../../src/daemon/daemon.ts';
import { readEnvironment } from '../../src/files/environment.ts';
import { atEnd } from './ending.ts';
import type { Stage } from './stage.ts';

/** A daemon in the test's own process. */
export interface InsideDaemon {
  readonly daemon: Daemon;
  readonly gateway: string;
  readonly admin: string;
  /** Closes it; twice is once. */
  readonly close: () => Promise<{ cut: number }>;
}

/** Opens a daemon on a stage and lets it run; closed after the test. */
export async function openDaemon(
  t: TestContext,
  stage: Stage,
  more: Partial<DaemonOptions> & { readonly env?: NodeJS.ProcessEnv } = {},
): Promise<InsideDaemon> {
  const { env = {}, ...options } = more;
  const daemon = await Daemon.open({
    dbPath: stage.dbPath,
    policyPath: stage.policyPath,
    port: 0,
    adminPort: 0,
    version: '0.0.0-test',
    environment: readEnvironment({ ...stage.env, ...env }),
    clock: stage.clock,
    log: () => undefined,
    ...options,
  });
  let closing: Promise<{ cut: number }> | null = null;
  const close = () => (closing ??= daemon.close());
  atEnd(t, close);
  daemon.run();
  const { gateway, admin } = daemon.ports;
  return { daemon, gateway: `http://127.0.0.1:${gateway}`, admin: `http://127.0.0.1:${admin}`, close };
}
