import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { notToBeHad } from '../../src/core/endpoint-failure.ts';

const SAID: readonly [message: string, cause: ReturnType<typeof notToBeHad>][] = [
  ['Scheduling failure: not enough hardware capacity', 'capacity_exhausted'],
  ['Scheduling failure: unable to schedule', 'capacity_exhausted'],
  ['Unschedulable: 0/12 nodes are available: 12 Insufficient nvidia.com/gpu.', 'capacity_exhausted'],
  ['FailedScheduling', 'capacity_exhausted'],
  ['InsufficientInstanceCapacity: no g6.xlarge in us-east-1', 'capacity_exhausted'],
  ['We currently do not have sufficient p5.48xlarge capacity', null],
  ['the zone does not have enough resources available to fulfill the request', 'capacity_exhausted'],
  ['ZONE_RESOURCE_POOL_EXHAUSTED', 'capacity_exhausted'],
  ['ZonalAllocationFailed', 'capacity_exhausted'],
  ['Out of capacity', 'capacity_exhausted'],
  [
    'creating endpoint up-x in acme: the management API answered 400: Instance nvidia-l4 x1 is not available',
    'capacity_exhausted',
  ],
  ['Quota exceeded for nvidia-h100: 0 of 0 accelerators in use, 1 requested', 'quota'],
  ['Endpoint failed to deploy', null],
  ['torch.OutOfMemoryError: CUDA out of memory', null],
  ['Insufficient memory: the container was killed', null],
  ['Repository not found: acme/writer', null],
  ['OSError: disk quota exceeded', null],
  ['KV cache: not enough capacity for max_model_len 131072', null],
  ['failed to schedule request: engine dead', null],
  ['', null],
];

describe('what the management API says of an instance', () => {
  for (const [message, cause] of SAID) {
    it(`${cause ?? 'nothing about capacity'}: ${message}`, () => assert.equal(notToBeHad(message), cause));
  }
});
