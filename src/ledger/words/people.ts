import { execFileSync } from 'node:child_process';
import { hostname, userInfo } from 'node:os';

/** Somebody, as the operating system knows them. */
interface Person {
  readonly user: string;
  readonly host: string;
}

/** Finds out who has a user's number. */
export type Who = (uid: number) => Person;

const PATIENCE_MS = 1_000;
/** After this time, real ms, the operating system is asked again. */
const KEPT_MS = 60_000;

/** Asks the operating system, and remembers its answers for a minute. A user without a name is called by the number. */
export function askSystem(): Who {
  const known = new Map<number, Person & { readonly at: number }>();
  return (uid) => {
    const kept = known.get(uid);
    if (kept !== undefined && performance.now() - kept.at < KEPT_MS) return { user: kept.user, host: kept.host };
    const person = { user: userName(uid), host: hostname() };
    known.set(uid, { ...person, at: performance.now() });
    return person;
  };
}

function userName(uid: number): string {
  try {
    // Windows has no such numbers: there only the daemon's user can write into its folder.
    if (process.geteuid === undefined || uid === process.geteuid()) return userInfo().username;
    return id(['-nu', String(uid)]) || String(uid);
  } catch {
    return String(uid);
  }
}

function id(args: readonly string[]): string {
  const env = { PATH: '/usr/bin:/bin' };
  const text = execFileSync('id', args, { env, timeout: PATIENCE_MS, stdio: ['ignore', 'pipe', 'ignore'] });
  return text.toString().trim();
}
