import type { z } from 'zod';

/** One thing that is wrong with a policy: where (keys and indexes from the top), what was found and what is allowed. */
export interface PolicyIssue {
  readonly path: readonly (string | number)[];
  readonly message: string;
  /** Set if the last key of the path is wrong, and not its value. */
  readonly isKey?: true;
}

/**
 * What zod found in `root`, in plain words. Each unknown key becomes an issue at that key. `knownKeys` holds the
 * allowed keys of each block by the block's name: `''` at the top, `settings`, `route`, else its own key. If two blocks
 * have the same key, the name of the block around it comes first (`back.slo`).
 */
export function readIssue(
  issue: z.core.$ZodIssue,
  root: unknown,
  knownKeys: Readonly<Record<string, readonly string[]>>,
): PolicyIssue[] {
  const path = issue.path.map((key) => (typeof key === 'symbol' ? String(key) : key));
  if (issue.code !== 'unrecognized_keys') return [{ path, message: describe(issue, valueAt(root, path)) }];
  const last = path.at(-1);
  const where = last === undefined ? '' : last === 'defaults' ? 'settings' : typeof last === 'number' ? 'route' : last;
  const allowed = knownKeys[`${String(path.at(-2))}.${where}`] ?? knownKeys[where];
  const message = `unknown key${allowed === undefined ? '' : `; allowed here: ${allowed.join(', ')}`}`;
  return issue.keys.map((key) => ({ path: [...path, key], message, isKey: true }));
}

/** What is allowed and what was found, in plain words. */
function describe(issue: z.core.$ZodIssue, found: unknown): string {
  const last = issue.path.at(-1);
  if (found === undefined && issue.code === 'invalid_type') return `missing: ${String(last)} is required`;
  const got = `got ${show(found)}`;
  switch (issue.code) {
    case 'invalid_type': {
      if (issue.message.startsWith('expected')) return withFound(issue.message, got);
      const plain = EXPECTED[issue.expected];
      return plain === undefined ? withFound(issue.message, got) : `expected ${plain}, ${got}`;
    }
    case 'invalid_value':
      return `expected ${issue.values.map(String).join(' or ')}, ${got}`;
    case 'too_small':
      return issue.origin === 'number'
        ? `expected ${issue.inclusive === true ? 'at least' : 'more than'} ${issue.minimum}, ${got}`
        : `expected it not to be empty, ${got}`;
    case 'too_big':
      return `expected at most ${issue.maximum}, ${got}`;
    default:
      return withFound(issue.message, got);
  }
}

const EXPECTED: Readonly<Record<string, string>> = {
  object: 'a block of keys',
  record: 'a block of keys',
  array: 'a list',
  string: 'text',
  number: 'a number',
  int: 'a whole number',
};

function withFound(message: string, got: string): string {
  return message.startsWith('expected') && !message.includes(', got ') ? `${message}, ${got}` : message;
}

function valueAt(root: unknown, path: readonly (string | number)[]): unknown {
  let value = root;
  for (const key of path) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = (value as Readonly<Record<string | number, unknown>>)[key];
  }
  return value;
}

function show(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'nothing (null)';
  const text = JSON.stringify(value);
  return text.length <= 60 ? text : `${text.slice(0, 57)}...`;
}
