import yargs from 'yargs';
import type { Argv } from 'yargs';
import { AppError } from '../../core/errors.ts';

/** What yargs says of a command line, in the words of this program. The keys are those of yargs' English locale. */
const SENTENCES = {
  'Invalid values:': 'invalid value:',
  'Argument: %s, Given: %s, Choices: %s': '--%s cannot be %s; choose from %s',
  'Not enough arguments following: %s': '--%s needs a value',
  'Arguments %s and %s are mutually exclusive': '--%s and --%s cannot be used together',
  'Missing required argument: %s': { one: '--%s is required', other: 'options are missing: %s' },
  'Not enough non-option arguments: got %s, need at least %s': {
    one: 'an argument is missing: %s given, %s needed',
    other: 'an argument is missing: %s given, %s needed',
  },
};

interface CommandLine {
  readonly args: readonly string[];
  /** The names of all commands. */
  readonly commands: readonly string[];
}

/** Makes yargs refuse what it does not know. What it refuses is an AppError `invalid` that names what was probably meant. */
export function refuseUnknown(parser: Argv, line: CommandLine): Argv {
  return parser
    .updateStrings(SENTENCES as never)
    .strict()
    .strictCommands()
    .recommendCommands()
    .fail((message: string | null, error: Error | undefined) => {
      // yargs reports its own complaints as a message or as a YError. Any other error was thrown by a command.
      if (error !== undefined && error.name !== 'YError') throw error;
      throw usageError(message ?? error?.message ?? 'the command line cannot be read', parser, line);
    });
}

function usageError(message: string, parser: Argv, { args, commands }: CommandLine): AppError {
  const words = parser.parsed === false ? [] : parser.parsed.argv._.map(String);
  const command = args.filter((arg) => commands.includes(arg)).slice(0, 1);
  const help = `see \`${['npx upshift', ...command, '--help'].join(' ')}\``;
  const invalid = (sentence: string, hint: string) => new AppError('invalid', sentence, { hint });

  const recommended = recommendedIn(message);
  if (recommended !== null) {
    const word = words[command.length] ?? '';
    const meant = `did you mean \`${['npx upshift', ...command, recommended].join(' ')}\`?`;
    return invalid(`unknown command "${word}"`, mayMean(word, recommended) ? meant : help);
  }
  const [, kind, list = ''] = /^Unknown (argument|command)s?: (.+)$/.exec(message) ?? [];
  const names = [...new Set(list.split(', '))];
  if (kind === 'command') {
    if (commands.includes(words[0] ?? '')) return invalid(`unexpected argument "${names.join('", "')}"`, help);
    return invalid(`unknown command "${words[0]}"`, `commands: ${commands.join(', ')}`);
  }
  if (kind === 'argument') {
    // yargs takes the `no-` off a word before it looks for an option.
    const typed = names.map((name) => (args.includes(`--no-${name}`) ? `no-${name}` : name));
    const near = nearest(typed[0] ?? '', optionsOf(parser));
    const flags = typed.map((name) => (name.length === 1 ? `-${name}` : `--${name}`));
    return invalid(`unknown option ${flags.join(', ')}`, near === null ? help : `did you mean --${near}? ${help}`);
  }
  return invalid(message, help);
}

/** All options that the named command takes, as yargs lists them. */
function optionsOf({ parsed }: Argv): string[] {
  // yargs adds camel case for every option that has a hyphen, and then also lists a mistyped one: these are new aliases.
  return parsed === false ? [] : Object.keys(parsed.aliases).filter((name) => !Object.hasOwn(parsed.newAliases, name));
}

/** The option that a mistyped one probably means: one that begins with it, or the one yargs recommends. Null if none does. */
function nearest(word: string, options: readonly string[]): string | null {
  const known = options.filter((name) => name.length > 1 && mayMean(word, name));
  const begun = known.find((name) => name.startsWith(word));
  if (begun !== undefined) return begun;
  // yargs recommends commands only. To have it recommend an option, the options are the commands of a parser of their own.
  let found: string | null = null;
  const guess = yargs([word]).help(false).version(false).exitProcess(false).recommendCommands();
  guess.fail((message: string) => (found ??= recommendedIn(message)));
  for (const name of known) guess.command(name, false);
  guess.parseSync();
  return found;
}

function recommendedIn(message: string): string | null {
  return /^Did you mean (.+)\?$/.exec(message)?.[1] ?? null;
}

/** yargs allows three changes, and three changes make any short word of any other: a short one must begin alike. */
function mayMean(word: string, name: string): boolean {
  return word.length > 4 || (word.length > 1 && word.startsWith(name.charAt(0)));
}
