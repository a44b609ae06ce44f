import assert from 'node:assert/strict';
import test from 'node:test';
import type { OurEndpoint } from '../../../src/cli/endpoints/our-endpoints.ts';
import { createPaint } from '../../../src/cli/terminal/print.ts';
import { renderEndpoints } from '../../../src/cli/views/endpoints.ts';

const ENDPOINT: OurEndpoint = {
  namespace: 'acme',
  name: 'up-writer-k3v9q2ab',
  state: 'running',
  url: 'https://k3v9.aws.endpoints.huggingface.cloud',
  model: 'acme/writer',
  instance: 'aws us-east-1 nvidia-l4 x1',
  replicas: 1,
  pricePerHourMicros: 800_000,
  rollout: 'k3v9q2ab',
  createdAt: 1_800_000_000_000,
  message: null,
  finding: 'in_use',
  action: 'wait',
  detail: 'rollout k3v9q2ab is stepping',
};
const PAGE = { namespaces: ['acme'], others: 0, width: 80, paint: createPaint(false), commandSuffix: '' };

test('an endpoint is shown with its URL, on a line of its own, once it has one', () => {
  const shown = renderEndpoints([ENDPOINT], PAGE).split('\n');
  assert.ok(shown.includes('  https://k3v9.aws.endpoints.huggingface.cloud'), shown.join('\n'));
  const without = renderEndpoints([{ ...ENDPOINT, url: null }], PAGE).split('\n');
  assert.deepEqual(
    without,
    shown.filter((line) => !line.includes('https://')),
  );
});
