import { errorMessage } from '../core/errors.ts';
import { mostNeeded } from '../core/policy/approvals.ts';
import type { Policy } from '../core/policy/policy.ts';
import { defaultRoles, mostApprovers } from '../core/roles/roles.ts';
import type { Roles } from '../core/roles/roles.ts';
import { readRoles } from '../files/roles.ts';
import { rolesPath } from '../ledger/ownership.ts';
import type { Log } from './log.ts';

/** Who may do what, as the file beside the ledger says. */
export class RolesFile {
  readonly #path: string;
  readonly #log: Log;
  readonly #defaults: Roles;
  readonly #group: string | null;
  #roles: Roles;
  #problem = '';

  /**
   * `group`: its members may speak to the daemon, and approve unless the file says otherwise. Throws AppError if the file is
   * wrong, or if another user could have written it.
   */
  constructor(dbPath: string, group: string | null, log: Log) {
    this.#group = group;
    this.#defaults = defaultRoles(process.geteuid?.() ?? 0, group);
    this.#path = rolesPath(dbPath);
    this.#log = log;
    this.#roles = readRoles(this.#path, this.#defaults);
  }

  get roles(): Roles {
    return this.#roles;
  }

  /** Warns if the policy wants more people to approve than may here. */
  warnAbout({ watched, routes }: Policy): void {
    const needed = Math.max(...[watched, ...routes].map(({ approvals }) => mostNeeded(approvals)));
    // Without a group only the daemon's user and root can enter the folder of words.
    const most = Math.min(this.#group === null ? 1 : Infinity, mostApprovers(this.#roles));
    if (needed === 1 || most >= needed) return;
    const who = most === 0 ? 'nobody' : `only ${most}`;
    this.#log(
      'warn',
      `the policy wants ${needed} people to approve, and ${who} may here, root aside: what it asks will wait. Start ` +
        `with --group G, whose members can approve; name more people in ${this.#path}; or want fewer (approvals)`,
    );
  }

  /** Reads the file again. While it is wrong, what it said before holds. */
  reload(): void {
    try {
      const roles = readRoles(this.#path, this.#defaults);
      this.#problem = '';
      if (JSON.stringify(roles) === JSON.stringify(this.#roles)) return;
      this.#roles = roles;
      this.#log('info', 'roles changed', { path: this.#path });
    } catch (error) {
      const problem = errorMessage(error);
      if (problem !== this.#problem) {
        this.#log('error', 'roles cannot be read: what they were before holds', { path: this.#path, error: problem });
      }
      this.#problem = problem;
    }
  }
}
