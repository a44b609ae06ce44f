import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decide } from '../../../src/core/decide/decide.ts';
import type { EndpointSeen } from '../../../src/core/decide/observation.ts';
import type { Rollout } from '../../../src/core/rollout/rollout.ts';
import {
  atStep,
  backAtStep,
  NO_REPLICAS,
  observation,
  promotedRollout,
  shadowingRollout,
  START,
  WARM,
} from '../../support/samples.ts';

/** A healthy reading of an endpoint. */
function seenAt(change: Partial<EndpointSeen>): EndpointSeen {
  return {
    at: START + 1,
    state: 'running',
    url: WARM.url,
    isHealthy: true,
    badReadings: 0,
    isOurs: true,
    message: null,
    ...NO_REPLICAS,
    ...change,
  };
}

const FOREIGN = { url: null, foreignUrl: 'https://example.com/', isHealthy: false, badReadings: 1 };
const MOVED = { url: 'https://other.us-east-1.aws.endpoints.huggingface.cloud' };

const rollouts: readonly (readonly [what: string, rollout: Rollout, action: string])[] = [
  ['gets copies of calls', shadowingRollout(), 'roll_back'],
  ['gets its first calls', atStep(1), 'roll_back'],
  ['gets nearly all calls', atStep(5), 'roll_back'],
  ['is promoted', promotedRollout(), 'roll_back'],
  ['is being left', backAtStep(1), 'leave_endpoint'],
];

describe('an endpoint that is elsewhere all of a sudden', () => {
  for (const [what, rollout, action] of rollouts) {
    it(`and ${what} loses its weight at once`, () => {
      for (const [change, reason] of [
        [FOREIGN, 'endpoint_url_refused'],
        [MOVED, 'endpoint_moved'],
      ] as const) {
        const decided = decide(rollout, observation({ endpoint: seenAt(change), now: START + 1 }));
        assert.equal(`${decided.action} ${decided.reason}`, `${action} ${reason}`);
        assert.match(decided.detail, /is at https:\/\/\S+/);
      }
    });

    it(`but where it was keeps its weight if it ${what}`, () => {
      for (const change of [{}, { url: null, state: 'updating' as const }]) {
        const decided = decide(rollout, observation({ endpoint: seenAt(change), now: START + 1 }));
        assert.ok(!['endpoint_url_refused', 'endpoint_moved'].includes(decided.reason), decided.reason);
        assert.notEqual(decided.action, action);
      }
    });
  }
});
