import type { CommandModule } from 'yargs';
import { loadPolicy } from '../../files/policy.ts';
import { withGlobals } from '../input/options.ts';
import type { GlobalOptions } from '../input/options.ts';
import { cleanAll, painter, printJson, printText, widthOf } from '../terminal/print.ts';
import { renderPolicy } from '../views/policy.ts';

interface CheckOptions extends GlobalOptions {
  readonly file: string;
}

const checkCommand: CommandModule<object, CheckOptions> = {
  command: 'check <file>',
  describe: 'Check a policy file, and show its settings with all defaults',
  builder: (yargs) =>
    withGlobals(yargs)
      .positional('file', { type: 'string', demandOption: true, describe: 'Path of the policy file (YAML)' })
      .hide('db')
      .example('npx upshift policy check policies/default.yaml', 'show the settings of each route')
      .epilogue(
        'Exit status: 0 the file is valid, 2 it is not. Then every mistake is listed with\n' +
          'line, column, path and allowed values.\n' +
          '--json: {"path","hash","policy"}; times in ms, shares 0..1.',
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
  describe: 'Check policy files',
  builder: (yargs) =>
    yargs
      .command(checkCommand)
      .demandCommand(1, 'a command is missing: policy check FILE')
      .example('npx upshift policy check policies/default.yaml', 'check a file before the daemon reads it')
      .epilogue(
        'A running daemon reads the file again when it changes. A rollout keeps the\n' +
          'policy under which it was proposed.',
      ),
  handler: () => undefined,
};
