import yargs from 'yargs';
import type { Argv } from 'yargs';
import { EXIT, exitStatus, reportError } from './exit.ts';
import { widthOf } from './terminal/print.ts';
import { refuseUnknown } from './usage-error.ts';
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
    .demandCommand(1, 'no command is named')
    .version(VERSION)
    .epilogue(EPILOGUE)
    .wrap(Math.min(100, widthOf(process.stdout)))
    .exitProcess(false);
  const named = NAMES.filter((name) => args.includes(name));
  const isVersion = args.includes('--version');
  for (const name of named.length > 0 || isVersion ? named : NAMES) await (COMMANDS[name] as Loader)(parser);
  return refuseUnknown(parser, { args, commands: NAMES });
}
