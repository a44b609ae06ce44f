import { setPriority } from 'node:os';
import { errorMessage } from '../core/errors.ts';
import { copyLedger } from './copy.ts';
import { openForReading } from './open.ts';

const LOW_PRIORITY = 10;

const [path = '', target = '', group = ''] = process.argv.slice(2);
process.umask(0o077);
setPriority(LOW_PRIORITY);
try {
  const db = openForReading(path);
  try {
    copyLedger(db, target, group);
  } finally {
    db.close();
  }
} catch (error) {
  process.stderr.write(errorMessage(error));
  process.exitCode = 1;
}
