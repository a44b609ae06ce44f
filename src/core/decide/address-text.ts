/** What to do if an endpoint is where no call may go. */
export const FOREIGN_HINT = 'if the domain is yours, name it in endpoint.domains of the policy';

/** Says that an endpoint is where no call may go. */
export function foreignText(name: string, url: string): string {
  return `${name} is at ${url}, which is below no domain of Inference Endpoints or of endpoint.domains: nothing is sent there`;
}

/** Says that an endpoint is no longer where it was warmed up. */
export function movedText(name: string, url: string): string {
  return `${name} is at ${url} now, and was not warmed up there`;
}
