import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';
import type { Document, Node, Pair, YAMLError } from 'yaml';
import { AppError } from '../core/errors.ts';
import type { PolicyIssue } from '../core/policy/issue.ts';
import { parsePolicy } from '../core/policy/parse.ts';
import type { Policy } from '../core/policy/policy.ts';
import { isZone } from './windows.ts';

/** A policy file, checked. */
export interface LoadedPolicy {
  readonly path: string;
  readonly text: string;
  /** SHA-256 of the text, in hex; a rollout keeps it. */
  readonly hash: string;
  readonly policy: Policy;
  /** The resolved policy with defaults, as JSON with sorted keys. */
  readonly parsed: string;
}

const LARGEST_BYTES = 1_048_576;
/**
 * The most repetitions of aliases in total: more than any honest policy has, far fewer than a "billion laughs" file.
 */
const MOST_ALIASES = 100;

/**
 * Reads and checks a policy file (YAML 1.2). Gives `known` if the file still says the same. Throws AppError `invalid`
 * with every issue, one per line.
 */
export async function loadPolicy(path: string, known?: LoadedPolicy): Promise<LoadedPolicy> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    throw new AppError('invalid', `cannot read the policy ${path}: ${whyUnreadable(cause)}`, {
      hint: 'name a readable file with --policy, such as policies/default.yaml',
      cause,
    });
  }
  if (bytes.length > LARGEST_BYTES) {
    throw new AppError('invalid', `the policy ${path} has ${bytes.length} bytes; at most ${LARGEST_BYTES} are allowed`);
  }
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new AppError('invalid', `the policy ${path} is not UTF-8 text`, { cause });
  }
  return known?.path === path && known.text === text ? known : parsePolicyText(text, path);
}

/** Checks the text of a policy; messages name `path`. Throws AppError `invalid` with every issue, one per line. */
export function parsePolicyText(text: string, path: string): LoadedPolicy {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, version: '1.2', stringKeys: true });
  const at = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${path}:${Math.max(line, 1)}:${Math.max(col, 1)}`;
  };
  const syntax = [...document.errors, ...document.warnings];
  if (syntax.length > 0)
    throw refusal(
      path,
      syntax.map((problem) => `${at(problem.pos[0])}: ${plain(problem)}`),
    );

  const { contents } = document;
  if (contents === null || (isScalar(contents) && contents.value === null)) {
    throw refusal(path, [`${path}:1:1: the policy is empty; expected the keys defaults and routes`]);
  }
  if (!isMap(contents)) {
    const found = isSeq(contents) ? 'a list' : 'a single value';
    throw refusal(path, [`${at(contents.range?.[0] ?? 0)}: found ${found}; expected the keys defaults and routes`]);
  }
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: MOST_ALIASES });
  } catch (cause) {
    const isUnknown = cause instanceof Error && cause.message.startsWith('Unresolved alias');
    throw new AppError(
      'invalid',
      `${path}:1:1: ${isUnknown ? 'an alias (*name) has no anchor (&name) before it' : 'aliases (*name) repeat too much'}`,
      { hint: `write the blocks out; at most ${MOST_ALIASES} repetitions are allowed`, cause },
    );
  }
  const parsed = parsePolicy(value);
  const issues = parsed.ok ? unknownZones(parsed.policy) : parsed.issues;
  if (!parsed.ok || issues.length > 0) {
    const placed = issues.map((issue) => ({ offset: offsetOf(document, issue), text: sentence(issue) }));
    placed.sort((a, b) => a.offset - b.offset);
    throw refusal(
      path,
      placed.map(({ offset, text: problem }) => `${at(offset)}: ${problem}`),
    );
  }
  return {
    path,
    text,
    hash: createHash('sha256').update(text).digest('hex'),
    policy: parsed.policy,
    parsed: canonicalJson(parsed.policy),
  };
}

/** The windows whose time zone this machine does not know. */
function unknownZones({ watched, routes }: Policy): PolicyIssue[] {
  const own = [
    { windows: watched.windows, path: ['defaults'] as const },
    ...routes.flatMap(({ windows }, i) =>
      windows === watched.windows ? [] : [{ windows, path: ['routes', i] as const }],
    ),
  ];
  return own.flatMap(({ windows, path }) =>
    windows.flatMap(({ zone }, i) =>
      isZone(zone)
        ? []
        : [
            {
              path: [...path, 'windows', i, 'zone'],
              message: `no such time zone: ${JSON.stringify(zone)}; expected a name such as Europe/Berlin, America/New_York or UTC`,
            },
          ],
    ),
  );
}

function refusal(path: string, lines: readonly string[]): AppError {
  return new AppError('invalid', lines.join('\n'), {
    hint: `correct ${path}; policies/default.yaml explains every setting`,
  });
}

function plain({ code, message }: YAMLError): string {
  switch (code) {
    case 'DUPLICATE_KEY':
      return 'this key stands here twice; keep one';
    case 'MULTIPLE_DOCS':
      return 'a second document (---) begins here; one file is one policy';
    case 'NON_STRING_KEY':
      return 'a key must be plain text';
    default:
      return `not valid YAML: ${message}`;
  }
}

function sentence({ path, message }: PolicyIssue): string {
  const where = path.map((key, i) => (typeof key === 'number' ? `[${key}]` : i === 0 ? key : `.${key}`)).join('');
  return where === '' ? message : `${where}: ${message}`;
}

/** The position of an issue in the text: the value that it names, the unknown key, or the block that lacks a key. */
function offsetOf(document: Document, { path, isKey }: PolicyIssue): number {
  let node = document.contents;
  let offset = node?.range?.[0] ?? 0;
  for (const [depth, key] of path.entries()) {
    if (isAlias(node)) node = node.resolve(document) ?? null;
    let next: Node | null = null;
    if (isMap(node)) {
      const pair = node.items.find((item) => keyOf(item) === String(key));
      if (pair === undefined) return offset;
      next = pair.value as Node | null;
      const keyOffset = (pair.key as Node).range?.[0] ?? offset;
      const isLast = depth === path.length - 1;
      offset = isLast && isKey !== true ? (next?.range?.[0] ?? keyOffset) : keyOffset;
    } else if (isSeq(node)) {
      next = (node.items[Number(key)] as Node | undefined) ?? null;
      if (next === null) return offset;
      offset = next.range?.[0] ?? offset;
    } else return offset;
    node = next;
  }
  return offset;
}

function keyOf(pair: Pair): string {
  return isScalar(pair.key) ? String(pair.key.value) : String(pair.key);
}

function whyUnreadable(cause: unknown): string {
  switch ((cause as NodeJS.ErrnoException | null)?.code) {
    case 'ENOENT':
      return 'there is no such file';
    case 'EISDIR':
      return 'it is a folder';
    case 'EACCES':
    case 'EPERM':
      return 'permission denied';
    default:
      return cause instanceof Error ? cause.message : 'unknown reason';
  }
}

function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) => {
    if (typeof inner !== 'object' || inner === null || Array.isArray(inner)) return inner;
    return Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
  });
}
