import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Call } from '../core/call.ts';
import type { Outcome } from '../core/outcome.ts';
import { errorMessage } from '../core/errors.ts';
import { readBypassReport } from '../core/wire/bypass-schema.ts';
import { LONGEST_REPORT } from '../core/wire/bypass.ts';
import type { Bypass, BypassReport } from '../core/wire/bypass.ts';
import { outcomeOfStatus } from './attempt/outcome.ts';
import { Body } from './request/body.ts';
import { mayCall } from '../core/policy/gateway.ts';
import { foreignOrigin, sendReply, tooLarge, unknownPath } from './request/reply.ts';
import type { Reply } from './request/reply.ts';
import type { Shared } from './shared.ts';

/**
 * Stores calls that went past the gateway. Resolves with how many of them were new, when they are durable. Rejects if
 * they cannot be stored at the moment. `dropped`: how many further calls their callers could not keep.
 */
export type TakeBypassed = (calls: readonly Call[], dropped: number) => Promise<number>;

/** Answers a report of calls that went past the gateway, when they are durable. The same call may be reported again. */
export function answerReport(
  req: IncomingMessage,
  res: ServerResponse,
  take: TakeBypassed,
  shared: Pick<Shared, 'gatewayId' | 'nowUs' | 'log' | 'settings'>,
): void {
  const refuse = (reply: Reply) => {
    if (!res.headersSent) sendReply(res, reply);
  };
  const { origin } = req.headers;
  const isPost = req.method === 'POST';
  if (!isPost || (origin !== undefined && !mayCall(shared.settings(), origin))) {
    req.resume();
    refuse(isPost ? foreignOrigin(origin ?? '') : unknownPath(req.method ?? '', req.url ?? ''));
    return;
  }
  const flooded = () => {
    res.shouldKeepAlive = false;
    refuse(tooLarge(LONGEST_REPORT));
  };
  const received = async (body: Buffer | null): Promise<void> => {
    if (body === null) return flooded();
    const report = readBody(body, shared.nowUs());
    if ('code' in report) return refuse(report);
    try {
      const taken = await take(
        report.outcomes.map((bypass) => toCall(shared.gatewayId, bypass)),
        report.dropped,
      );
      res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ taken }));
    } catch (error) {
      shared.log('warn', 'a report of calls past the gateway could not be stored', { error: errorMessage(error) });
      refuse(NOT_NOW);
    }
  };
  // `received` handles its own errors: its promise never rejects.
  void new Body(req, LONGEST_REPORT, { flooded, received: (body) => void received(body) });
}

const NOT_NOW: Reply = {
  status: 503,
  code: 'ledger_unavailable',
  message: 'The ledger cannot be written at the moment. Report again after a few seconds.',
  headers: ['retry-after', '5'],
};

function readBody(body: Buffer, nowUs: number): BypassReport | Reply {
  try {
    return readBypassReport(JSON.parse(body.toString()), nowUs);
  } catch (error) {
    return { status: 400, code: 'invalid_report', message: `The report cannot be read: ${errorMessage(error)}` };
  }
}

/** What the ledger stores of it: a call served by serverless, without a role. */
function toCall(gatewayId: number, bypass: Bypass): Call {
  const { arrivedAtUs, startedAfterUs, durationUs, firstByteUs, status } = bypass;
  const outcome = outcomeOf(bypass);
  const attempt = {
    upstream: 'serverless',
    startedAfterUs,
    status,
    outcome,
    firstByteUs: firstByteUs === null ? null : firstByteUs - startedAfterUs,
    durationUs: durationUs - startedAfterUs,
  } as const;
  return {
    gatewayId,
    arrivedAtUs,
    durationUs,
    model: bypass.model,
    shape: bypass.shape,
    agent: bypass.agent,
    isAgentDerived: false,
    rolloutId: null,
    step: 0,
    weight: 0,
    role: null,
    isEligible: false,
    servedBy: status === 0 ? null : 'serverless',
    status,
    outcome,
    finalOutcome: outcome,
    hasClientLeft: bypass.end === 'left',
    hasNoToken: bypass.hasNoToken,
    firstByteUs,
    firstTokenUs: null,
    promptTokens: null,
    outputTokens: null,
    isEmpty: null,
    form: null,
    requestBytes: 0,
    responseBytes: 0,
    repeatOfUs: null,
    hasShadow: false,
    waitedUs: 0,
    isBypass: true,
    attempts: [attempt],
  };
}

function outcomeOf({ end, status }: Bypass): Outcome {
  if (end === 'left') return 'client_left';
  if (end === 'unreached') return 'connect_failed';
  return end === 'broken' ? 'broken_stream' : outcomeOfStatus(status, 'serverless');
}
