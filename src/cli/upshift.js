#!/usr/bin/env node
// Plain JavaScript that old Nodes can read too: the ledger's library crashes on them, so that the version is checked
// before anything else is loaded. Keep imports to what Node 14 has.
import { spawn } from 'child_process';
import { existsSync, lstatSync, mkdirSync } from 'fs';
import { homedir } from 'os';
import { dirname, join } from 'path';
import { fileURLToPath } from 'url';

const NEEDED = 24;
// Node runs TypeScript as it stands, but not of a package that is installed: that has been built.
const MAIN = existsSync(new URL('./main.ts', import.meta.url)) ? './main.ts' : '../../dist/cli/main.js';

if (Number(process.versions.node.split('.')[0]) >= NEEDED) start();
else startOnOwnNode();

function start() {
  // All that is made here is for its owner alone: the ledger, its lock, the cache.
  process.umask(0o077);
  // A reader that has had enough (`| head`) is no failure of ours.
  process.stdout.on('error', (error) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit(process.exitCode || 0);
  });
  import('module')
    // What was compiled once is not compiled again for the next command: half of its time.
    .then(({ enableCompileCache }) => {
      const folder = cacheFolder();
      if (folder !== null) enableCompileCache(folder);
    })
    .then(() => import(MAIN))
    .then(({ main }) => main(process.argv.slice(2)))
    .then((code) => {
      if (code !== 0 || process.exitCode === undefined) process.exitCode = code;
    })
    .catch((error) => {
      process.stderr.write(`error: ${error && error.message ? error.message : error}\n`);
      process.exitCode = error && error.code === 'ERR_MODULE_NOT_FOUND' ? 2 : 1;
      if (process.exitCode === 2) process.stderr.write('hint: run `npm ci` in the folder of upshift first\n');
    });
}

// Whoever can write the cache runs code as this user, with the token. So it is in a folder of the user's own, and there is
// none if another user could write that folder or could put another one in its place.
function cacheFolder() {
  const { XDG_CACHE_HOME: stated = '' } = process.env;
  const base = stated.startsWith('/') ? stated : join(homedir(), '.cache');
  const folder = join(base, 'upshift');
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    return [folder, base, dirname(base)].every(isOwn) ? folder : null;
  } catch {
    return null;
  }
}

function isOwn(folder) {
  const stat = lstatSync(folder);
  const { uid, mode } = stat;
  const me = process.getuid ? process.getuid() : uid;
  const isSticky = (mode & 0o1000) !== 0;
  return stat.isDirectory() && (uid === me || uid === 0) && (isSticky || (mode & 0o022) === 0);
}

function startOnOwnNode() {
  const root = new URL('../../', import.meta.url);
  const own = ['node_modules/node/bin/node', 'node_modules/node/bin/node.exe', 'node_modules/.bin/node']
    .map((path) => fileURLToPath(new URL(path, root)))
    .find((path) => existsSync(path));
  if (own === undefined || process.env.UPSHIFT_OWN_NODE === '1') {
    process.stderr.write(
      `error: upshift needs Node ${NEEDED} or newer, and this is ${process.versions.node}\n` +
        'hint: run `npm ci` in its folder, which brings the right one, or install a newer Node\n',
    );
    process.exitCode = 2;
    return;
  }
  const env = Object.assign({}, process.env, { UPSHIFT_OWN_NODE: '1' });
  const child = spawn(own, [fileURLToPath(import.meta.url)].concat(process.argv.slice(2)), { stdio: 'inherit', env });
  // A terminal's Ctrl-C reaches the child by itself: passing it on would make it two.
  const hasTerminal = [process.stdin, process.stdout, process.stderr].some((stream) => stream.isTTY);
  process.on('SIGINT', () => hasTerminal || child.kill('SIGINT'));
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  process.on('SIGHUP', () => child.kill('SIGHUP'));
  child.on('error', (error) => {
    process.stderr.write(`error: ${own} cannot be run: ${error.message}\nhint: run \`npm ci\` again\n`);
    process.exitCode = 2;
  });
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code === null ? 1 : code);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}
