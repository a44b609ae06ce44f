import type { OperatorRequest } from '../decide/observation.ts';

/**
 * What a person may do. `approve`: answer questions. `read`: read copies of the ledger. `admin`: everything. `call` is kept,
 * and nothing asks for it yet.
 */
export const ROLES = ['read', 'call', 'approve', 'admin'] as const;
export type Role = (typeof ROLES)[number];

/** Who has a role: a user by name or by number, or a group, which begins with @. */
export type Holder = string | number;
export type Roles = Readonly<Record<Role, readonly Holder[]>>;

/** A person as the operating system knows them. */
export interface Known {
  readonly uid: number;
  readonly user: string;
  /** Names of groups. Asked only if a role is held by a group. */
  readonly groups: () => readonly string[];
}

const ROOT = 0;

/**
 * Who may do what if nobody says otherwise: the daemon's user and root may do everything, and the members of the group that
 * may speak to the daemon may approve.
 */
export function defaultRoles(uid: number, group: string | null = null): Roles {
  const approve = group === null ? [] : [`@${group}`];
  return { read: [], call: [], approve, admin: uid === ROOT ? [ROOT] : [ROOT, uid] };
}

/** The role that a request needs. */
export function roleFor(kind: OperatorRequest['kind'] | 'freeze' | 'thaw'): Role {
  return kind === 'approve' || kind === 'reject' ? 'approve' : 'admin';
}

/** Whether anybody has a role but a user, by number, and root. */
export function isHeldByOthers(roles: Roles, role: Role, uid: number): boolean {
  return [...roles[role], ...roles.admin].some((holder) => holder !== uid && holder !== ROOT && holder !== 'root');
}

/** Whether a person has a role. Who has the role `admin` has all. */
export function hasRole(roles: Roles, role: Role, who: Known): boolean {
  const holders = [...roles[role], ...roles.admin];
  if (holders.some((holder) => holder === who.uid || holder === who.user)) return true;
  const groups = holders.filter(isGroup);
  return groups.length > 0 && who.groups().some((group) => groups.includes(`@${group}`));
}

/**
 * How many people may approve at most, as far as that can be known: Infinity if a group may. Root is not counted, because
 * root is whoever of them may become root.
 */
export function mostApprovers(roles: Roles): number {
  const holders = new Set([...roles.approve, ...roles.admin]);
  if ([...holders].some(isGroup)) return Infinity;
  holders.delete(ROOT);
  holders.delete('root');
  return holders.size;
}

/**
 * Checks an unknown value (parsed YAML). A role that it leaves out is held by whom `defaults` names. Returns the roles, or
 * what is wrong, one sentence each.
 */
export function parseRoles(value: unknown, defaults: Roles): Roles | string[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [`expected ${KEYS}`];
  const given = value as Readonly<Record<string, unknown>>;
  const wrong = Object.keys(given).flatMap((key) => {
    if (!ROLES.includes(key as Role)) return [`${key} is no role: expected ${KEYS}`];
    const holders = given[key];
    if (!Array.isArray(holders)) return [`${key}: expected a list, such as [alice, "@ops", 1001]`];
    return holders.flatMap((holder: unknown) => (isHolder(holder) ? [] : [`${key}: ${said(holder)}`]));
  });
  return wrong.length > 0 ? wrong : { ...defaults, ...(given as Partial<Roles>) };
}

const KEYS = ROLES.join(', ');

function isGroup(holder: Holder): holder is string {
  return typeof holder === 'string' && holder.startsWith('@');
}

/** A name of digits only is none, because a user without a name is called by the number. */
function isHolder(holder: unknown): holder is Holder {
  if (typeof holder === 'number') return Number.isSafeInteger(holder) && holder >= 0;
  return typeof holder === 'string' && /^@?[^\s@]+$/.test(holder) && !/^\d+$/.test(holder);
}

function said(holder: unknown): string {
  return `${JSON.stringify(holder)} is neither the name nor the number of a user, nor a group such as "@ops"`;
}
