import type { Observation } from '../../core/decide/observation.ts';
import { errorCode, errorMessage } from '../../core/errors.ts';
import type { HubClient } from '../../huggingface/hub/hub.ts';
import type { Log } from '../log.ts';

const PATIENCE_MS = 10_000;

/** The account that the token belongs to, as far as the Hub could be reached. */
export class Account {
  readonly #hub: HubClient;
  readonly #hasToken: boolean;
  readonly #log: Log;
  state: Observation['account'] = 'unchecked';
  name: string | null = null;

  constructor(hub: HubClient, token: string | null, log: Log) {
    this.#hub = hub;
    this.#hasToken = token !== null;
    this.#log = log;
    if (!this.#hasToken) log('warn', 'no HF_TOKEN: calls are served and counted, nothing is proposed');
  }

  /**
   * Asks the Hub, unless the account is known already. Throws AppError `unauthorized` if the Hub refuses the token. If
   * the Hub cannot be reached, the account stays unchecked.
   */
  async check(): Promise<void> {
    if (this.state !== 'unchecked' || !this.#hasToken) return;
    try {
      this.name = (await this.#hub.whoAmI(AbortSignal.timeout(PATIENCE_MS))).name;
      this.state = 'ok';
    } catch (error) {
      if (errorCode(error) === 'unauthorized') {
        this.state = 'refused';
        throw error;
      }
      this.#log('warn', 'the Hub cannot be reached: nothing is proposed until it can', { error: errorMessage(error) });
    }
  }
}
