import type { CommandModule } from 'yargs';
import { sayOfRoute, WORD_EPILOGUE, wordOptions } from '../say-word.ts';
import type { WordOptions } from '../say-word.ts';

export const freezeCommand = command(
  'freeze',
  'Stop every change of every route: nothing is proposed, asked, approved or entered until `thaw`. Going back works',
  'npx upshift freeze --reason "release week"',
);

export const thawCommand = command('thaw', 'End a freeze: every route goes on where it was', 'npx upshift thaw');

function command(kind: 'freeze' | 'thaw', describe: string, example: string): CommandModule<object, WordOptions> {
  return {
    command: kind,
    describe,
    builder: (yargs) => wordOptions(yargs).example(example, '').epilogue(WORD_EPILOGUE),
    handler: (options) => sayOfRoute(kind, options),
  };
}
