import { AppError, errorMessage } from '../../core/errors.ts';
import type { SweepDecision } from '../../core/sweep/sweep.ts';
import type { EndpointStatus } from '../../huggingface/management/status.ts';
import { EXIT } from '../exit.ts';
import { clean, printJson, printText } from '../terminal/print.ts';
import { describe } from './our-endpoints.ts';
import type { OurEndpoint, SweepContext } from './our-endpoints.ts';

interface Found {
  readonly namespace: string;
  readonly status: EndpointStatus;
}

interface SweepWish {
  readonly json: boolean;
  /** The command that does what is left undone. */
  readonly again: string;
  /** Asks before something is deleted; what it answers with false stays. */
  readonly confirm: (question: string) => Promise<boolean>;
}

type Result = 'paused' | 'deleted' | 'not confirmed' | 'changed meanwhile' | 'failed';

/** Pauses or deletes each endpoint as the policy says, and prints it. Sets the exit status if something was left undone. */
export async function sweepAll(found: readonly Found[], context: SweepContext, wish: SweepWish): Promise<void> {
  const results: Result[] = [];
  for (const { namespace, status } of found) {
    const { endpoint } = await describe(namespace, status, context);
    if (!isDoing(endpoint.action)) continue;
    const verb = endpoint.action === 'pause_endpoint' ? 'pause' : 'delete';
    if (!wish.json) printText(`${verb} ${namespace}/${clean(endpoint.name)}: ${clean(endpoint.detail)}`);
    const { result, message } = await sweepOne(endpoint, context, wish);
    results.push(result);
    if (wish.json) {
      const { name, finding, detail } = endpoint;
      printJson({ namespace, name, finding, action: endpoint.action, detail, result, message });
    } else printText(`  ${result}${message === null ? '' : `: ${clean(message)}`}`);
  }
  const isLeft = (result: Result) => result === 'not confirmed' || result === 'failed';
  if (results.includes('failed')) process.exitCode = EXIT.failed;
  else if (results.some((result) => isLeft(result))) process.exitCode = EXIT.refused;
  if (wish.json) return;
  const left = results.filter((result) => isLeft(result)).length;
  if (results.length === 0) printText('nothing to sweep; see all endpoints: npx upshift endpoints');
  else
    printText(
      left === 0 ? 'done; see what is left: npx upshift endpoints' : `${left} left; to try again: ${wish.again}`,
    );
}

async function sweepOne(
  { namespace, name, action, state }: OurEndpoint,
  context: SweepContext,
  { confirm }: SweepWish,
): Promise<{ readonly result: Result; readonly message: string | null }> {
  const { client } = context;
  if (
    action === 'delete_endpoint' &&
    !(await confirm(`Delete ${namespace}/${name}, which is ${state}, for good? [y/N] `))
  ) {
    return { result: 'not confirmed', message: 'use --yes, or answer on a terminal' };
  }
  try {
    // The answer may have taken its time: somebody may have changed it, or a rollout begun to use it.
    const status = await client.get(namespace, name);
    const now = status === null ? null : (await describe(namespace, status, context)).endpoint;
    if (now?.action !== action) return { result: 'changed meanwhile', message: now?.detail ?? 'it is gone' };
    if (action === 'pause_endpoint') await client.pause(namespace, name);
    else await client.delete(namespace, name);
    return { result: action === 'pause_endpoint' ? 'paused' : 'deleted', message: null };
  } catch (error) {
    const hint = error instanceof AppError ? error.hint : undefined;
    return { result: 'failed', message: `${errorMessage(error)}${hint === undefined ? '' : `: ${hint}`}` };
  }
}

function isDoing(action: SweepDecision['action']): boolean {
  return action === 'pause_endpoint' || action === 'delete_endpoint';
}
