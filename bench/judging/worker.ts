import { parentPort, workerData } from 'node:worker_threads';
import { seedOf } from './chance.ts';
import { CONTESTANTS } from './contestants.ts';
import type { Ending } from './contest.ts';
import { MADE_SCENES, recordedScenes } from './scenes.ts';

/** What a worker is started with, what it is asked, and what it answers. */
export interface Settings {
  readonly seed: number;
  readonly folder: string;
}

export interface Job {
  /** Its place among the made scenes, followed by the recorded ones. */
  readonly scene: number;
  readonly first: number;
  readonly count: number;
}

export interface Done {
  readonly job: Job;
  /** For each contestant, for each trace. */
  readonly endings: readonly (readonly Ending[])[];
  /** For each contestant, what it took. */
  readonly ms: readonly number[];
}

const settings = workerData as Settings;
const scenes = [...MADE_SCENES, ...(recordedScenes(settings.folder) ?? [])];

parentPort?.on('message', (job: Job) => {
  const scene = scenes[job.scene];
  if (scene === undefined) throw new Error(`no scene ${job.scene}`);
  const endings: Ending[][] = CONTESTANTS.map(() => []);
  const ms = CONTESTANTS.map(() => 0);
  for (let i = job.first; i < job.first + job.count; i++) {
    const trace = scene.trace(seedOf(settings.seed, i));
    CONTESTANTS.forEach((contestant, c) => {
      const from = performance.now();
      endings[c]?.push(contestant.run(trace));
      ms[c] = (ms[c] ?? 0) + performance.now() - from;
    });
  }
  parentPort?.postMessage({ job, endings, ms } satisfies Done);
});
