import yargs from 'yargs';
import type { Argv } from 'yargs';
import { AppError } from '../core/errors.ts';
import { EXIT, exitStatus, reportError } from './exit.ts';
import { suggest } from './suggest.ts';
import { widthOf } from './terminal/print.ts';
import { VERSION } from './version.ts';

type Loader = (parser: Argv) => Promise<Argv>;

/** The commands, loaded when they are named: the daemon's libraries are not for `status` to wait for. */
const COMMANDS: Readonly<Record<string, Loader>> = {
  start: async (parser) => parser.command((await import('./commands/start.ts')).startCommand),
  status: async (parser) => parser.command((await import('./commands/status.ts')).statusCommand),
  approve: async (parser) => parser.command((await import('./commands/requests.ts')).approveCommand),
  reject: async (parser) => parser.command((await import('./commands/requests.ts')).rejectCommand),
  pause: async (parser) => parser.command((await import('./commands/requests.ts')).pauseCommand),
  resume: async (parser) => parser.command((await import('./commands/requests.ts')).resumeCommand),
  abort: async (parser) => parser.command((await import('./commands/requests.ts')).abortCommand),
  audit: async (parser) => parser.command((await import('./commands/audit.ts')).auditCommand),
  explain: async (parser) => parser.command((await import('./commands/explain.ts')).explainCommand),
  judge: async (parser) => parser.command((await import('./commands/judge.ts')).judgeCommand),
  plan: async (parser) => parser.command((await import('./commands/plan.ts')).planCommand),
  backtest: async (parser) => parser.command((await import('./commands/backtest.ts')).backtestCommand),
  usage: async (parser) => parser.command((await import('./commands/usage.ts')).usageCommand),
  advise: async (parser) => parser.command((await import('./commands/advise.ts')).adviseCommand),
  cost: async (parser) => parser.command((await import('./commands/cost.ts')).costCommand),
  endpoints: async (parser) => parser.command((await import('./commands/endpoints.ts')).endpointsCommand),
  policy: async (parser) => parser.command((await import('./commands/policy.ts')).policyCommand),
  simulate: async (parser) => parser.command((await import('./commands/simulate.ts')).simulateCommand),
  loadtest: async (parser) => parser.command((await import('./commands/loadtest.ts')).loadtestCommand),
  demo: async (parser) => parser.command((await import('./commands/demo.ts')).demoCommand),
};
const NAMES = Object.keys(COMMANDS);

const EPILOGUE = `A first walk:
  npx upshift demo                  a whole migration, on this machine
  npx upshift start                 the real thing; see \`start --help\`
  npx upshift status --watch        what it sees, waits for, and what to type
  npx upshift usage                 when calls come, and whose they are
  npx upshift advise                whether a GPU is needed at all
  npx upshift policy check FILE     what your policy comes to
  npx upshift approve               yes to what it asks
  npx upshift cost                  what both sides cost, when a GPU pays
  npx upshift endpoints             what runs at Hugging Face, and for whom
  npx upshift audit --verify        that every decision follows from what it saw

Exit codes:
  0 ok   1 failed   2 usage or configuration   3 needs a running daemon
  4 refused   5 rolled back   6 no call of a load test succeeded
  130 interrupted

With --json results are JSON on standard output, one value a line, and errors
{"error":{"code","message","hint"}} on standard error.
Environment: UPSHIFT_DB (the ledger), HF_TOKEN, NO_COLOR,
UPSHIFT_DEBUG=1 (stacks).`;

/** Runs one command line to its end and returns the exit status; what commands set as process.exitCode stays. */
export async function main(args: readonly string[]): Promise<number> {
  try {
    const parser = await build(args);
    if (args.length === 0) {
      process.stderr.write(`${await parser.getHelp()}\n`);
      return EXIT.usage;
    }
    await parser.parseAsync();
    return EXIT.ok;
  } catch (error) {
    reportError(error, args.includes('--json'));
    return exitStatus(error);
  }
}

async function build(args: readonly string[]): Promise<Argv> {
  const parser = yargs([...args])
    .scriptName('upshift')
    .locale('en')
    .usage('upshift <command>\n\nMoves agents from serverless inference to a dedicated endpoint, step by step.')
    .option('db', {
      type: 'string',
      default: process.env['UPSHIFT_DB'] || 'upshift.db',
      defaultDescription: 'upshift.db, or UPSHIFT_DB',
      describe: 'The ledger',
      requiresArg: true,
    })
    .option('json', { type: 'boolean', default: false, describe: 'Print JSON for programs' })
    .parserConfiguration({ 'duplicate-arguments-array': false })
    .strict()
    .strictCommands()
    .demandCommand(1, 'no command is named')
    .version(VERSION)
    .epilogue(EPILOGUE)
    .wrap(Math.min(100, widthOf(process.stdout)))
    .exitProcess(false);
  const named = NAMES.filter((name) => args.includes(name));
  const isVersion = args.includes('--version');
  for (const name of named.length > 0 || isVersion ? named : NAMES) await (COMMANDS[name] as Loader)(parser);
  return parser.fail((message: string | null, error: Error | undefined) => {
    // yargs hands over its own complaints as a message or as a YError; anything else was thrown by a command.
    if (error !== undefined && error.name !== 'YError') throw error;
    throw usageError(message ?? error?.message ?? 'the command line cannot be read', args);
  });
}

function usageError(message: string, args: readonly string[]): AppError {
  const command = args.find((arg) => NAMES.includes(arg));
  const help = `see \`npx upshift ${command === undefined ? '' : `${command} `}--help\``;
  const unknown = /^Unknown (argument|command)s?: (.+)$/.exec(message);
  if (unknown === null) return new AppError('invalid', lowerFirst(message), { hint: help });
  const [, kind, list = ''] = unknown;
  const names = list.split(', ').filter((name, i, all) => all.indexOf(name) === i);
  if (kind === 'command' && command === undefined) {
    const near = suggest(names[0] ?? '', NAMES);
    const hint = near === null ? `commands: ${NAMES.join(', ')}` : `did you mean \`npx upshift ${near}\`?`;
    return new AppError('invalid', `unknown command "${names[0]}"`, { hint });
  }
  if (kind === 'command') {
    return new AppError('invalid', `${names.map((name) => `"${name}"`).join(', ')} is too much`, { hint: help });
  }
  const flags = names.map((name) => (name.length === 1 ? `-${name}` : `--${name}`));
  const near = suggest(names[0] ?? '', FLAGS);
  const hint = near === null ? help : `did you mean --${near}? ${help}`;
  return new AppError('invalid', `unknown option ${flags.join(', ')}`, { hint });
}

/** Every option of every command: what a mistyped one is compared with. */
const FLAGS = (
  'db json help version watch step reason no-wait rollout since limit verify replay until pause delete yes namespace policy port ' +
  'admin-port host scale seed manual on-approval fault at load trace keep preset concurrency duration ramp agents model stream ' +
  'sweep max-calls max-tokens timeout send-token retries window html state by csv online zone per-replica'
).split(' ');

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
