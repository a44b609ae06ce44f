// Runs in a thread: one command line after the other, each as `upshift.js` would, with an environment of its own.
import { parentPort } from 'node:worker_threads';
import { main } from '../../src/cli/main.ts';

export interface CommandLine {
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
}

/** How a command line ended. */
export interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

const said = { out: '', err: '' };

function keep(stream: NodeJS.WriteStream, name: 'out' | 'err'): void {
  stream.write = (chunk: string | Uint8Array, ...rest: unknown[]) => {
    said[name] += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString();
    const done = rest.at(-1);
    if (typeof done === 'function') queueMicrotask(() => (done as () => void)());
    return true;
  };
}

async function run({ args, env }: CommandLine): Promise<Ran> {
  for (const name of Object.keys(process.env)) delete process.env[name];
  Object.assign(process.env, env);
  process.exitCode = undefined;
  said.out = said.err = '';
  const code = await main(args);
  const isSet = code === 0 && process.exitCode !== undefined;
  return { code: isSet ? Number(process.exitCode) : code, ...said };
}

keep(process.stdout, 'out');
keep(process.stderr, 'err');
parentPort?.on('message', (line: CommandLine) => {
  void run(line).then((ran) => parentPort?.postMessage(ran));
});
