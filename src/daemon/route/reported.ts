import type { EffectName, EffectResult, EndpointSeen, Survey } from '../../core/decide/observation.ts';

/** What effects, and readings of the endpoint, have told about a route. */
export class Reported {
  readonly #running = new Set<EffectName>();
  #results: Readonly<Partial<Record<EffectName, EffectResult>>> = {};
  #endpoint: EndpointSeen | null = null;
  #survey: Survey | null = null;

  /** The effects that are under way. */
  get running(): readonly EffectName[] {
    return [...this.#running];
  }

  isRunning(effect: EffectName): boolean {
    return this.#running.has(effect);
  }

  /** How the last effect of each kind ended that began in the present rollout. */
  get results(): Readonly<Partial<Record<EffectName, EffectResult>>> {
    return this.#results;
  }

  /** The last reading of the rollout's endpoint; null before the first. */
  get endpoint(): EndpointSeen | null {
    return this.#endpoint;
  }

  get survey(): Survey | null {
    return this.#survey;
  }

  began(effect: EffectName): void {
    this.#running.add(effect);
  }

  /** `isCurrent`: whether the rollout is still the one in which the effect began. */
  ended(result: EffectResult, isCurrent = true): void {
    this.#running.delete(result.effect);
    if (isCurrent) this.#results = { ...this.#results, [result.effect]: result };
  }

  saw(endpoint: EndpointSeen): void {
    this.#endpoint = endpoint;
  }

  surveyed(survey: Survey): void {
    this.#survey = survey;
  }

  /**
   * Another rollout is active, or the rollout has another endpoint. What effects do goes on, and the survey is about the
   * model, so both stay.
   */
  beginAgain(): void {
    this.#results = {};
    this.#endpoint = null;
  }
}
