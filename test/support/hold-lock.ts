// Run as a program: holds a write transaction on the ledger named, until it is killed.
import { connect } from '../../src/ledger/database.ts';

const path = process.argv[2] ?? '';
const db = connect(path, { timeout: 5_000 });
db.exec('BEGIN IMMEDIATE');
process.stdout.write('held\n');
// A connection that nothing refers to is closed when memory is collected, and its lock with it.
setInterval(() => db.inTransaction, 60_000);
