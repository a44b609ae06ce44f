/** The states of an Inference Endpoint, spelled as the management API spells them. */
export const ENDPOINT_STATES = [
  'pending',
  'initializing',
  'updating',
  'updateFailed',
  'running',
  'paused',
  'failed',
  'scaledToZero',
] as const;

export type EndpointState = (typeof ENDPOINT_STATES)[number];
