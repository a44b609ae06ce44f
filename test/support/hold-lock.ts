// Run as a program: holds a write transaction on the ledger named, until it is killed.
import { connect } from '../../src/ledger/database.ts';

const path = process.argv[2] ?? '';
connect(path, { timeout: 5_000 }).exec('BEGIN IMMEDIATE');
process.stdout.write('held\n');
setInterval(() => undefined, 60_000);
