import { acquireLock } from '../../../src/ledger/lock.ts';

// Takes a ledger's lock and keeps it until it is killed.
acquireLock(process.argv[2] as string);
process.stdout.write('locked\n');
setInterval(() => undefined, 1_000);
