import type { CommandModule } from 'yargs';
import { loadPolicy } from '../../files/policy.ts';
import { withGlobals } from '../session.ts';
import type { GlobalOptions } from '../session.ts';
import { cleanAll, painter, printJson, printText, widthOf } from '../terminal/print.ts';
import { renderPolicy } from '../views/policy.ts';

interface CheckOptions extends GlobalOptions {
  readonly file: string;
}

const checkCommand: CommandModule<object, CheckOptions> = {
  command: 'check <file>',
  describe: 'Check a policy file, and show what it comes to',
  builder: (yargs) =>
    withGlobals(yargs)
      .positional('file', { type: 'string', demandOption: true, describe: 'The policy, YAML' })
      .hide('db')
      .example('npx upshift policy check policies/default.yaml', 'what holds for each route, defaults filled in')
      .epilogue(
        'Exit: 0 good, 2 with every mistake: file, line, column, path and what is\n' +
          'allowed.\n' +
          '--json: {"path","hash","policy"}; spans in ms, shares 0..1.',
      ),
  handler: async ({ file, json }) => {
    const { path, hash, policy } = await loadPolicy(file);
    if (json) {
      printJson({ path, hash, policy });
      return;
    }
    const shown = cleanAll({ path, hash, policy });
    printText(renderPolicy(shown, { width: widthOf(process.stdout), paint: painter(process.stdout) }));
  },
};

export const policyCommand: CommandModule<object, object> = {
  command: 'policy',
  describe: 'Work with policy files',
  builder: (yargs) =>
    yargs
      .command(checkCommand)
      .demandCommand(1, 'policy wants a command: check')
      .example('npx upshift policy check policies/default.yaml', 'check a file before the daemon reads it')
      .epilogue(
        'A running daemon reads its policy again when the file changes; a rollout keeps\n' +
          'the one it was proposed under.',
      ),
  handler: () => undefined,
};
