import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import yargs from 'yargs';
import { refuseUnknown } from '../../../src/cli/input/usage-error.ts';
import { AppError } from '../../../src/core/errors.ts';

/** What a command line is refused with: its message and its hint. */
async function refusal(line: string): Promise<readonly [string, string | undefined]> {
  const args = line.split(' ');
  const parser = yargs(args)
    .option('json', { type: 'boolean' })
    .command('start', 'x', (built) => built.option('port', { type: 'number', requiresArg: true, alias: 'p' }))
    .command('status', 'x', (built) => built.option('wait', { type: 'boolean' }).option('no-wait', { type: 'boolean' }))
    .command('policy', 'x', (built) =>
      built.command('check <file>', 'x', (inner) => inner.option('max-calls', { choices: [1, 2] })).demandCommand(1),
    )
    .exitProcess(false);
  const refusing = refuseUnknown(parser, { args, commands: ['start', 'status', 'policy'] });
  try {
    await refusing.parseAsync();
  } catch (error) {
    assert.ok(error instanceof AppError);
    assert.equal(error.code, 'invalid');
    return [error.message, error.hint];
  }
  return assert.fail(`${line} was not refused`);
}

describe('a command line that cannot be read', () => {
  const cases: Readonly<Record<string, readonly [string, string]>> = {
    statsu: ['unknown command "statsu"', 'did you mean `npx upshift status`?'],
    'policy chekc a.yaml': ['unknown command "chekc"', 'did you mean `npx upshift policy check`?'],
    xyz: ['unknown command "xyz"', 'commands: start, status, policy'],
    'status now': ['unexpected argument "now"', 'see `npx upshift status --help`'],
    'policy other': ['unexpected argument "other"', 'see `npx upshift policy --help`'],
    'start --prot 1': ['unknown option --prot', 'did you mean --port? see `npx upshift start --help`'],
    'start --jsno': ['unknown option --jsno', 'did you mean --json? see `npx upshift start --help`'],
    'policy check a --max 1': ['unknown option --max', 'did you mean --max-calls? see `npx upshift policy --help`'],
    'policy check a --maxcals 1': [
      'unknown option --maxcals',
      'did you mean --max-calls? see `npx upshift policy --help`',
    ],
    'status --no-wiat': ['unknown option --no-wiat', 'did you mean --no-wait? see `npx upshift status --help`'],
    'start --port': ['--port needs a value', 'see `npx upshift start --help`'],
    'policy check': ['an argument is missing: 0 given, 1 needed', 'see `npx upshift policy --help`'],
    'policy check a --max-calls 3': [
      'invalid value:\n  --max-calls cannot be 3; choose from 1, 2',
      'see `npx upshift policy --help`',
    ],
  };
  for (const [line, expected] of Object.entries(cases)) {
    it(`upshift ${line}: ${expected[0].replaceAll('\n', '')}`, async () => {
      assert.deepEqual(await refusal(line), expected);
    });
  }

  it('is not answered with a guess when nothing known is near', async () => {
    for (const line of ['start --foo 1', 'start -x', 'start --unheard-of', 'status --port 1']) {
      const command = line.split(' ')[0] ?? '';
      assert.deepEqual((await refusal(line))[1], `see \`npx upshift ${command} --help\``, line);
    }
  });
});
