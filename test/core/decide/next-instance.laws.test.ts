import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { decide } from '../../../src/core/decide/decide.ts';
import type { EffectName, EndpointSeen, Observation } from '../../../src/core/decide/observation.ts';
import { evolve } from '../../../src/core/rollout/evolve.ts';
import type { Rollout } from '../../../src/core/rollout/rollout.ts';
import { INSTANCE, NO_REPLICAS, observation, PROPOSED, START, WARM } from '../../support/samples.ts';

/** What becomes of an instance: it runs, there is none, the quota is used up, or no machine ever comes. */
type Fate = 'fine' | 'exhausted' | 'no quota' | 'never';
type Step = 'tick' | 'finish' | 'read' | 'die' | 'die with the work done' | 'wait';

const NO_CAPACITY = 'Scheduling failure: not enough hardware capacity';

/** A management API, and a daemon of which only the rollout survives its death. */
class Play {
  readonly #fates: ReadonlyMap<string, Fate>;
  readonly #endpoints = new Map<string, EndpointSeen['state']>();
  readonly #running = new Set<EffectName>();
  #results: Observation['results'] = {};
  #endpoint: EndpointSeen | null = null;
  #now = START;
  rollout: Rollout;
  /** The instances on which an endpoint was asked for, in order; and what became of each. */
  readonly asked: string[] = [];

  constructor(fates: readonly Fate[]) {
    const [first = INSTANCE, ...rest] = fates.map((_, i) => ({ ...INSTANCE, instanceType: `type-${i}` }));
    this.#fates = new Map(fates.map((fate, i) => [`type-${i}`, fate]));
    assert.ok(PROPOSED.type === 'proposed');
    const alternatives = rest.map((instance) => ({ instance, pricePerHourMicros: 1_300_000 }));
    const proposed = {
      ...PROPOSED,
      rollout: { ...PROPOSED.rollout, instance: first, ...(rest.length > 0 && { alternatives }) },
    };
    this.rollout = evolve(evolve(null, proposed, START), { type: 'provisioning_started' }, START);
  }

  get isOver(): boolean {
    return this.rollout.phase !== 'provisioning';
  }

  take(step: Step): void {
    if (this.isOver) return;
    this.#now += step === 'wait' ? 1_900_000 : 5_000;
    if (step === 'tick') this.#tick();
    if (step === 'finish') this.#finish();
    if (step === 'read') this.#endpoint = this.#read();
    if (!step.startsWith('die')) return;
    if (step === 'die with the work done') for (const effect of this.#running) this.#work(effect);
    this.#running.clear();
    this.#results = {};
    this.#endpoint = null;
  }

  #tick(): void {
    const effects = [...this.#running];
    const seen = observation({ now: this.#now, endpoint: this.#endpoint, effects, results: this.#results });
    const { events, effect } = decide(this.rollout, seen);
    const { endpointName } = this.rollout;
    for (const event of events) this.rollout = evolve(this.rollout, event, this.#now);
    if (this.rollout.endpointName !== endpointName) [this.#results, this.#endpoint] = [{}, null];
    if (effect !== null) this.#running.add(effect);
  }

  #finish(): void {
    const [effect] = this.#running;
    if (effect === undefined) return;
    const said = this.#work(effect);
    this.#running.delete(effect);
    const problem = said === null ? null : { code: 'conflict' as const, message: said, hint: null };
    this.#results = { ...this.#results, [effect]: { effect, at: this.#now, problem } };
    if (said === null) this.#endpoint = this.#read();
  }

  #work(effect: EffectName): string | null {
    const { endpointName: name, instance } = this.rollout;
    if (effect === 'delete') this.#endpoints.delete(name);
    if (effect !== 'ensure' || this.#endpoints.has(name)) return null;
    assert.equal(this.#endpoints.size, 0, `${name} is made while there is ${[...this.#endpoints.keys()].join()}`);
    if (this.asked.at(-1) !== instance.instanceType) this.asked.push(instance.instanceType);
    const fate = this.#fates.get(instance.instanceType) ?? 'fine';
    if (fate === 'no quota') return 'Quota exceeded';
    this.#endpoints.set(name, fate === 'fine' ? 'running' : fate === 'exhausted' ? 'failed' : 'pending');
    return null;
  }

  #read(): EndpointSeen {
    const state = this.#endpoints.get(this.rollout.endpointName) ?? 'absent';
    const isHealthy = state === 'running';
    const url = isHealthy ? WARM.url : null;
    const message = state === 'failed' ? NO_CAPACITY : null;
    return { at: this.#now, state, url, isHealthy, badReadings: 1, isOurs: true, message, ...NO_REPLICAS };
  }
}

const fates = fc.array(fc.constantFrom<Fate>('fine', 'exhausted', 'no quota', 'never'), { minLength: 1, maxLength: 5 });
const steps = fc.array(
  fc.constantFrom<Step>('tick', 'tick', 'tick', 'finish', 'finish', 'read', 'die', 'die with the work done', 'wait'),
  { maxLength: 120 },
);
const ROUND: readonly Step[] = ['tick', 'finish', 'read'];
const CALM: readonly Step[] = [...Array.from({ length: 40 }, () => ROUND).flat(), 'wait', 'read'];

describe('whenever the daemon dies, the instances of one approval', () => {
  it('are tried in their order and one at a time, until one is had or none is left', () => {
    fc.assert(
      fc.property(fates, steps, (all, wild) => {
        const play = new Play(all);
        for (const step of wild) play.take(step);
        for (let i = 0; i < 8 && !play.isOver; i++) for (const step of CALM) play.take(step);
        const { rollout, asked } = play;
        // A machine that comes after its deadline is not waited for, so a wild play may pass over a fine one.
        assert.deepEqual(asked, asked.toSorted());
        assert.equal(new Set(asked).size, asked.length);
        assert.ok(rollout.phase === 'warming' || rollout.phase === 'draining', rollout.phase);
        if (rollout.phase === 'warming') {
          assert.equal(all[asked.length - 1], 'fine');
          assert.deepEqual(rollout.left?.length ?? 0, asked.length - 1);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it('lead to the first that can be had, if nothing goes wrong besides', () => {
    fc.assert(
      fc.property(fates, (all) => {
        const play = new Play(all);
        for (let i = 0; i < 8 && !play.isOver; i++) for (const step of CALM) play.take(step);
        const fine = all.indexOf('fine');
        assert.equal(play.rollout.phase, fine === -1 ? 'draining' : 'warming');
        assert.equal(play.asked.length, fine === -1 ? all.length : fine + 1);
      }),
    );
  });
});
