import yargs from 'yargs';
import type { Argv } from 'yargs';
import { AppError } from '../core/errors.ts';
import { abortCommand, approveCommand, pauseCommand, rejectCommand, resumeCommand } from './commands/requests.ts';
import { auditCommand } from './commands/audit.ts';
import { demoCommand } from './commands/demo.ts';
import { endpointsCommand } from './commands/endpoints.ts';
import { explainCommand } from './commands/explain.ts';
import { policyCommand } from './commands/policy.ts';
import { simulateCommand } from './commands/simulate.ts';
import { startCommand } from './commands/start.ts';
import { statusCommand } from './commands/status.ts';
import { EXIT, exitStatus, reportError } from './exit.ts';
import { widthOf } from './print.ts';
import { suggest } from './suggest.ts';
import { VERSION } from './version.ts';

const COMMANDS = [
  'start',
  'status',
  'approve',
  'reject',
  'pause',
  'resume',
  'abort',
  'audit',
  'explain',
  'endpoints',
  'policy',
  'simulate',
  'demo',
];

const EPILOGUE = `A first walk:
  npx upshift demo                                   a whole migration on this machine, in two minutes
  npx upshift start --policy policies/default.yaml   the real thing; agents then use http://127.0.0.1:8787/v1
  npx upshift status --watch                         what it sees, waits for, and the command to type
  npx upshift audit --verify                         that every decision follows from what was seen

Exit codes: 0 ok, 1 failed, 2 usage or configuration, 3 needs a running daemon, 4 refused, 5 rolled back.
With --json results are JSON on standard output, and errors {"error":{"code","message","hint"}} on standard error.
Environment: UPSHIFT_DB (the ledger), HF_TOKEN, NO_COLOR; for others see \`upshift start --help\`.`;

/** Runs one command line to its end and returns the exit status; what commands set as process.exitCode stays. */
export async function main(args: readonly string[]): Promise<number> {
  const parser = build(args);
  try {
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

function build(args: readonly string[]): Argv {
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
    .command(startCommand)
    .command(statusCommand)
    .command(approveCommand)
    .command(rejectCommand)
    .command(pauseCommand)
    .command(resumeCommand)
    .command(abortCommand)
    .command(auditCommand)
    .command(explainCommand)
    .command(endpointsCommand)
    .command(policyCommand)
    .command(simulateCommand)
    .command(demoCommand)
    .parserConfiguration({ 'duplicate-arguments-array': false })
    .strict()
    .strictCommands()
    .demandCommand(1, 'no command is named')
    .version(VERSION)
    .epilogue(EPILOGUE)
    .wrap(Math.min(100, widthOf(process.stdout)))
    .exitProcess(false);
  return parser.fail((message: string | null, error: Error | undefined) => {
    // yargs hands over its own complaints as a message or as a YError; anything else was thrown by a command.
    if (error !== undefined && error.name !== 'YError') throw error;
    throw usageError(message ?? error?.message ?? 'the command line cannot be read', args);
  });
}

function usageError(message: string, args: readonly string[]): AppError {
  const command = args.find((arg) => COMMANDS.includes(arg));
  const help = `see \`npx upshift ${command === undefined ? '' : `${command} `}--help\``;
  const unknown = /^Unknown (argument|command)s?: (.+)$/.exec(message);
  if (unknown === null) return new AppError('invalid', lowerFirst(message), { hint: help });
  const [, kind, list = ''] = unknown;
  const names = list.split(', ').filter((name, i, all) => all.indexOf(name) === i);
  if (kind === 'command' && command === undefined) {
    const near = suggest(names[0] ?? '', COMMANDS);
    const hint = near === null ? `commands: ${COMMANDS.join(', ')}` : `did you mean \`npx upshift ${near}\`?`;
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
const FLAGS = [
  ...['db', 'json', 'help', 'version', 'watch', 'step', 'reason', 'no-wait', 'rollout', 'since', 'limit', 'verify'],
  ...['pause', 'delete', 'yes', 'namespace', 'policy', 'port', 'admin-port', 'host', 'scale', 'seed', 'manual'],
  ...['on-approval', 'fault', 'at', 'load', 'trace', 'keep'],
];

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
