import type { Argv, CommandModule } from 'yargs';
import { AppError } from '../../core/errors.ts';
import { runDemo } from '../demo/demo.ts';
import type { DemoOptions } from '../demo/options.ts';
import { VARIANT_NAMES, variantsText } from '../demo/variants.ts';

export const demoCommand: CommandModule<object, DemoOptions> = {
  command: 'demo',
  describe: 'A whole migration on this machine, in about two minutes: local Hugging Face, daemon, 64 agents',
  builder: (yargs) =>
    yargs
      .option('json', { type: 'boolean', default: false, describe: 'No live view; one JSON line at the end' })
      .option('manual', { type: 'boolean', default: false, describe: 'Leave the approvals to you' })
      .option('on-approval', {
        choices: ['approve', 'reject'] as const,
        default: 'approve' as const,
        describe: 'What the demo answers when it is asked',
      })
      .option('fault', { choices: VARIANT_NAMES, describe: 'Let something go wrong; see below' })
      .option('at', { type: 'number', default: 50, describe: 'With --fault dies: at which weight, in percent' })
      .option('load', {
        choices: ['full', 'half'] as const,
        default: 'full' as const,
        describe: 'How much of the trace',
      })
      .option('trace', { type: 'string', describe: 'Play this CSV file (t_ms, prompt_tokens, output_tokens) instead' })
      .option('policy', { type: 'string', default: 'policies/demo.yaml', describe: 'The policy file' })
      .option('scale', { type: 'number', default: 60, describe: 'How many times faster than real time' })
      .option('keep', { type: 'string', describe: 'Keep the ledger and the logs in this folder' })
      .example('npx upshift demo', 'watch a migration')
      .example('npx upshift demo --fault dies --at 50', 'watch it go back by itself')
      .example('npx upshift demo --manual', 'approve the steps yourself from a second terminal')
      .example('npx upshift demo --fault slow', 'or any other way to go wrong')
      .epilogue(
        `${variantsText()}\n\n` +
          'Exit: 0 promoted and no call failed because of the migration, 5 rolled back, 4 rejected, 1 anything else.\n' +
          'Failures that --fault makes unavoidable do not count: answers that hang half-way, errors of serverless itself.\n' +
          '--json: {"phase","calls","ledgerCalls","clientFailures","endpointsCreated","steps":[{"weight","measured","units"}],' +
          '"decisions","auditVerified"}; a run that went back also has "rollback".',
      ) as unknown as Argv<DemoOptions>,
  handler: async (options) => {
    if (!(options.scale > 0 && options.scale <= 200)) {
      throw new AppError('invalid', `--scale ${options.scale} is out of range`, {
        hint: 'expected a number from 1 to 200',
      });
    }
    if (options.fault !== undefined && !(options.at > 0 && options.at <= 100)) {
      throw new AppError('invalid', `--at ${options.at} is not a weight`, { hint: 'expected percent, such as 50' });
    }
    process.exitCode = await runDemo(options);
  },
};
