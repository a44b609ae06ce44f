import { execFileSync } from 'node:child_process';
import { hostname, userInfo } from 'node:os';

/** Finds out who has a user's number. */
export interface People {
  /** A user without a name is called by the number. */
  readonly personOf: (uid: number) => { readonly user: string; readonly host: string };
  /** The names of a user's groups; none if they cannot be told apart. */
  readonly groupsOf: (uid: number) => readonly string[];
}

const PATIENCE_MS = 1_000;
/** After this time, real ms, the operating system is asked again. */
const KEPT_MS = 60_000;

/** Asks the operating system, and remembers its answers for a minute. */
export function askSystem(): People {
  const userOf = remembered(userName);
  return { personOf: (uid) => ({ user: userOf(uid), host: hostname() }), groupsOf: remembered(groupNames) };
}

function remembered<T>(ask: (uid: number) => T): (uid: number) => T {
  const known = new Map<number, { readonly answer: T; readonly at: number }>();
  return (uid) => {
    const kept = known.get(uid);
    if (kept !== undefined && performance.now() - kept.at < KEPT_MS) return kept.answer;
    const answer = ask(uid);
    known.set(uid, { answer, at: performance.now() });
    return answer;
  };
}

function userName(uid: number): string {
  try {
    // Windows has no such numbers: there only the daemon's user can write into its folder.
    if (process.geteuid === undefined || uid === process.geteuid()) return userInfo().username;
    return id('-nu', uid) || String(uid);
  } catch {
    return String(uid);
  }
}

function groupNames(uid: number): readonly string[] {
  try {
    const names = id('-Gn', uid).split(' ');
    // A name with a space would look like two groups, and one of them may have a role.
    return names.length === id('-G', uid).split(' ').length ? names : [];
  } catch {
    return [];
  }
}

function id(what: string, uid: number): string {
  const env = { PATH: '/usr/bin:/bin' };
  const options = { env, timeout: PATIENCE_MS, stdio: ['ignore', 'pipe', 'ignore'] as ('ignore' | 'pipe')[] };
  return execFileSync('id', [what, String(uid)], options)
    .toString()
    .trim();
}
