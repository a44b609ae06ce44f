import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { runs } from './accounts.ts';
import { atEnd } from './ending.ts';

/** A file system of its own, which can be filled. */
export interface SmallDisk {
  readonly path: string;
  /** Fills it to the last byte. */
  fill(): void;
  /** Makes room again. */
  free(): void;
}

/** Why this machine can have no small disk for a test; false if it can. */
export function whyNoDisk(): string | false {
  if (process.geteuid?.() !== 0) return 'only root can mount a file system';
  const canMount = runs('unshare', '--mount', 'mount', '-t', 'tmpfs', '-o', 'size=1m', 'none', '/mnt');
  return canMount ? false : 'nothing can be mounted here';
}

/** Mounts a disk until the test ends. `megabytes`: its size. */
export function openDisk(t: TestContext, megabytes: number): SmallDisk {
  const path = mkdtempSync(join(tmpdir(), 'upshift-disk-'));
  assert.ok(runs('mount', '-t', 'tmpfs', '-o', `size=${megabytes}m`, 'none', path));
  atEnd(t, () => {
    runs('umount', '--lazy', path);
    rmSync(path, { recursive: true });
  });
  const filler = join(path, 'filler');
  return {
    path,
    fill: () => {
      // Others write meanwhile, so that nobody knows how much it takes.
      for (const bytes of [1 << 20, 1 << 12]) appendUntilFull(filler, Buffer.alloc(bytes));
    },
    free: () => rmSync(filler),
  };
}

function appendUntilFull(path: string, bytes: Buffer): void {
  for (;;) {
    try {
      appendFileSync(path, bytes);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOSPC') return;
      throw error;
    }
  }
}
