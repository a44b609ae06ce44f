import yargs from 'yargs';
import type { Argv } from 'yargs';
import { EXIT, exitStatus, reportError } from './exit.ts';
import { refuseUnknown } from './input/usage-error.ts';
import { widthOf } from './terminal/print.ts';
import { VERSION } from './version.ts';

type Loader = (parser: Argv) => Promise<Argv>;

/** The commands. Each is loaded only when it is named, so that `status` need not wait for the daemon's libraries. */
const COMMANDS: Readonly<Record<string, Loader>> = {
  start: async (parser) => parser.command((await import('./commands/start.ts')).startCommand),
  status: async (parser) => parser.command((await import('./commands/status.ts')).statusCommand),
  approve: async (parser) => parser.command((await import('./commands/requests.ts')).approveCommand),
  reject: async (parser) => parser.command((await import('./commands/requests.ts')).rejectCommand),
  pause: async (parser) => parser.command((await import('./commands/requests.ts')).pauseCommand),
  resume: async (parser) => parser.command((await import('./commands/requests.ts')).resumeCommand),
  propose: async (parser) => parser.command((await import('./commands/propose.ts')).proposeCommand),
  freeze: async (parser) => parser.command((await import('./commands/freeze.ts')).freezeCommand),
  thaw: async (parser) => parser.command((await import('./commands/freeze.ts')).thawCommand),
  promote: async (parser) => parser.command((await import('./commands/requests.ts')).promoteCommand),
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
  compare: async (parser) => parser.command((await import('./commands/compare.ts')).compareCommand),
  loadtest: async (parser) => parser.command((await import('./commands/loadtest.ts')).loadtestCommand),
  demo: async (parser) => parser.command((await import('./commands/demo.ts')).demoCommand),
};
const NAMES = Object.keys(COMMANDS);

const EPILOGUE = `A first walk:
  npx upshift demo                a whole migration on this machine
  npx upshift start               serve your agents; see \`start --help\`
  npx upshift status --watch      what the daemon sees, and what you can type
  npx upshift usage               when calls come, and from whom
  npx upshift advise              whether you need a GPU at all
  npx upshift compare A B         whether two URLs serve the same model
  npx upshift policy check FILE   what a policy file says, with all defaults
  npx upshift approve             say yes to what the daemon asks
  npx upshift cost                what serverless and your endpoints cost
  npx upshift endpoints           which endpoints exist, and what uses them
  npx upshift audit --verify      check that no decision was changed

Exit status:
  0 ok   1 failed, or different (compare)   2 wrong usage or configuration
  3 no daemon is running   4 refused   5 rolled back
  6 no call of a load test succeeded, or compare could not tell
  130 interrupted

With --json, every command prints its results as JSON on standard output, one
value on each line, and errors as {"error":{"code","message","hint"}} on
standard error.
Environment: UPSHIFT_DB (path of the ledger), HF_TOKEN (your token),
NO_COLOR=1 (no colours), UPSHIFT_DEBUG=1 (stack traces).`;

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
    .usage(
      'upshift <command>\n\nMoves the traffic of AI agents from serverless inference to a dedicated\nendpoint, step by step.',
    )
    .option('db', {
      type: 'string',
      default: process.env['UPSHIFT_DB'] || 'upshift.db',
      defaultDescription: 'upshift.db, or UPSHIFT_DB',
      describe: 'Path of the ledger',
      requiresArg: true,
    })
    .option('json', { type: 'boolean', default: false, describe: 'Print JSON' })
    .parserConfiguration({ 'duplicate-arguments-array': false })
    .demandCommand(1, 'a command is missing')
    .version(VERSION)
    .epilogue(EPILOGUE)
    .wrap(Math.min(100, widthOf(process.stdout)))
    .exitProcess(false);
  const named = NAMES.filter((name) => args.includes(name));
  const isVersion = args.includes('--version');
  for (const name of named.length > 0 || isVersion ? named : NAMES) await (COMMANDS[name] as Loader)(parser);
  return refuseUnknown(parser, { args, commands: NAMES });
}
