import type { Argv, CommandModule } from 'yargs';
import { AppError } from '../../core/errors.ts';
import { runDemo } from '../demo/demo.ts';
import type { DemoOptions } from '../demo/options.ts';
import { VARIANT_NAMES, variantsText } from '../demo/variants.ts';

export const demoCommand: CommandModule<object, DemoOptions> = {
  command: 'demo',
  describe:
    'Play a whole migration on this machine, in two to three minutes, with a simulated Hugging Face and 64 agents',
  builder: (yargs) =>
    yargs
      .hide('db')
      .option('json', {
        type: 'boolean',
        default: false,
        describe: 'Print one line of JSON at the end, and no live view',
      })
      .option('manual', { type: 'boolean', default: false, describe: 'Let you approve the steps yourself' })
      .option('on-approval', {
        choices: ['approve', 'reject'] as const,
        default: 'approve' as const,
        describe: 'How the demo answers what the daemon asks',
      })
      .option('fault', { choices: VARIANT_NAMES, describe: 'Make something fail; see below' })
      .option('at', {
        type: 'number',
        default: 50,
        describe: 'With --fault dies: the weight, in percent, at which the endpoint fails',
      })
      .option('load', {
        choices: ['full', 'half'] as const,
        default: 'full' as const,
        describe: 'How many of the recorded calls to send',
      })
      .option('trace', {
        type: 'string',
        describe: 'Send the calls of this CSV file instead: t_ms, prompt_tokens, output_tokens',
      })
      .option('policy', { type: 'string', default: 'policies/demo.yaml', describe: 'Path of the policy file' })
      .option('scale', {
        type: 'number',
        requiresArg: true,
        describe: 'How many times faster than real time; without it, what this machine can keep up with',
      })
      .option('keep', { type: 'string', describe: 'Keep the ledger and the logs in this folder' })
      .example('npx upshift demo', 'watch a migration')
      .example('npx upshift demo --fault dies --at 50', 'watch it roll back by itself')
      .example('npx upshift demo --manual', 'approve the steps yourself from a second terminal')
      .example('npx upshift demo --fault slow', 'watch how a slow endpoint is found')
      .epilogue(
        `${variantsText()}\n\n` +
          'Exit status: 0 promoted, and no call failed because of the migration, 5 rolled\n' +
          'back, 4 rejected, 1 anything else. Failures that --fault makes unavoidable do\n' +
          'not count: answers that hang half-way, and errors of serverless itself.\n' +
          'A busy machine delays work, and the clock multiplies the delays. So the demo\n' +
          'measures the machine first and chooses a clock that it can keep up with.\n' +
          '--json: {"timeScale","phase","calls","ledgerCalls","clientFailures",\n' +
          '"endpointsCreated","steps":[{"weight","measured","units"}],"decisions",\n' +
          '"auditVerified","before":{"requests","refusedByServerlessShare",\n' +
          '"refusedByGatewayShare","heldByGatewayShare","p95Ms","serverlessDollarsPerHour",\n' +
          '"endpointDollarsPerHour"},"after":{the same}}: shares 0 to 1, ms and hours of the\n' +
          'clock; "before" ends with the first step, "after" begins with the promotion and\n' +
          'is null without one. A run that rolled back also has "rollback".',
      ) as unknown as Argv<DemoOptions>,
  handler: async (options) => {
    if (options.scale !== undefined && !(options.scale > 0 && options.scale <= 200)) {
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
