import type { CommandModule } from 'yargs';
import { sayOfRoute, WORD_EPILOGUE, wordOptions } from '../say-word.ts';
import type { WordOptions } from '../say-word.ts';

interface ProposeOptions extends WordOptions {
  readonly model: string;
}

export const proposeCommand: CommandModule<object, ProposeOptions> = {
  command: 'propose',
  describe:
    'Begin by hand what the criteria would begin: price and instance are read, budgets count, and the endpoint is asked about as always',
  builder: (yargs) =>
    wordOptions(yargs)
      .option('model', { type: 'string', requiresArg: true, demandOption: true, describe: 'The model' })
      .demandOption('reason')
      .example('npx upshift propose --model meta-llama/Llama-3.1-8B-Instruct --reason "a load test on Monday"', '')
      .epilogue(WORD_EPILOGUE),
  handler: (options) => sayOfRoute('propose', options),
};
