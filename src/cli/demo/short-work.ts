import { parentPort } from 'node:worker_threads';
import { MEASURE_MS, shortWork } from './pace.ts';

/** The thread of `measureLateness`. */
parentPort?.postMessage(await shortWork(MEASURE_MS));
