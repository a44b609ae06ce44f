import { parentPort, workerData } from 'node:worker_threads';
import { seedOf } from './chance.ts';
import { CONTESTANTS } from './contestants.ts';
import type { Ending } from './contest.ts';
import { MADE_SCENES, recordedScenes } from './scenes.ts';
import type { Scene } from './scenes.ts';

/** What a worker is started with, what it is asked, and what it answers. */
export interface Settings {
  readonly seed: number;
  readonly folder: string;
}

export interface Job {
  /** Their places among the made scenes, followed by the recorded ones; of one world, so that they share what was drawn. */
  readonly scenes: readonly number[];
  /** Which of their traces. */
  readonly trace: number;
}

export interface Done {
  readonly job: Job;
  /** For each scene, for each contestant; null where it was not tried. */
  readonly endings: readonly (readonly (Ending | null)[])[];
  /** For each contestant, what all scenes took. */
  readonly ms: readonly number[];
}

const settings = workerData as Settings;
const scenes = [...MADE_SCENES, ...(recordedScenes(settings.folder) ?? [])];

parentPort?.on('message', (job: Job) => {
  const ms = CONTESTANTS.map(() => 0);
  const endings = job.scenes.map((index) => {
    const scene = scenes[index] as Scene;
    const trace = scene.trace(seedOf(settings.seed, job.trace));
    return CONTESTANTS.map((contestant, c) => {
      if (contestant.isForGrossOnly && !scene.isGross) return null;
      const from = performance.now();
      const ending = contestant.run(trace);
      ms[c] = (ms[c] ?? 0) + performance.now() - from;
      return ending;
    });
  });
  parentPort?.postMessage({ job, endings, ms } satisfies Done);
});
