import Database from 'better-sqlite3';

// Holds a write transaction on a file for some ms, as a stray program would.
const [path, ms] = process.argv.slice(2) as [string, string];
const db = new Database(path, { timeout: 5_000 });
db.exec('BEGIN IMMEDIATE');
process.stdout.write('held\n');
setTimeout(() => {
  db.exec('ROLLBACK');
  process.stdout.write('let go\n');
}, Number(ms));
