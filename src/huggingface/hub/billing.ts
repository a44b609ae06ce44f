import { AppError } from '../../core/errors.ts';
import type { BillLine } from '../../core/money/cost.ts';
import { jsonOrText } from '../../core/wire/error-text.ts';
import { noAnswer, saidIn } from '../failure.ts';
import { bearer, limited } from '../http.ts';
import { at, number, text } from '../json.ts';

const BILL_MS = 15_000;

/**
 * The serverless calls on an organization's bill between two days (`2026-11-24`, both included), added up over its
 * members: `GET {hub}/api/organizations/{org}/billing/usage/inference` answers `[{period, usage: [{user, model,
 * provider, requestCount, costCents}]}]`. Null if the namespace is not an organization whose bill the token may read.
 * There is no such route for Inference Endpoints. Throws AppError `unavailable` or `timeout`.
 */
export async function readBill(
  { hubUrl, token }: { readonly hubUrl: string; readonly token: string },
  org: string,
  days: { readonly from: string; readonly until: string },
): Promise<BillLine[] | null> {
  const action = `reading the bill of ${org}`;
  const query = `startDate=${days.from}T00:00:00.000Z&endDate=${days.until}T23:59:59.999Z&limit=31`;
  const path = `/api/organizations/${encodeURIComponent(org)}/billing/usage/inference?${query}`;
  let status: number;
  let body: unknown;
  try {
    const response = await fetch(`${hubUrl}${path}`, {
      headers: bearer(token),
      redirect: 'manual',
      signal: limited(BILL_MS, undefined),
    });
    status = response.status;
    body = jsonOrText(await response.text());
  } catch (cause) {
    throw noAnswer(action, hubUrl, cause);
  }
  if (status >= 400 && status < 500 && status !== 429) return null;
  if (status !== 200 || !Array.isArray(body)) {
    throw new AppError('unavailable', `${action}: the Hub answered ${status}: ${saidIn(body)}`, {
      hint: 'see https://status.huggingface.co; upshift asks again in an hour',
    });
  }
  return added(body.flatMap((period) => linesIn(org, period)));
}

function linesIn(org: string, period: unknown): BillLine[] {
  const day = text(at(period, 'period'))?.slice(0, 10);
  const usage = at(period, 'usage');
  if (day === undefined || !Array.isArray(usage)) return [];
  return usage.map((one) => ({
    org,
    day,
    model: text(at(one, 'model')) ?? '',
    provider: text(at(one, 'provider')) ?? '',
    calls: number(at(one, 'requestCount')) ?? 0,
    micros: (number(at(one, 'costCents')) ?? 0) * 10_000,
  }));
}

/** One line for each day, model and provider, over all users. */
function added(lines: readonly BillLine[]): BillLine[] {
  const sums = new Map<string, BillLine>();
  for (const line of lines) {
    const key = [line.day, line.model, line.provider].join(' ');
    const sum = sums.get(key);
    sums.set(
      key,
      sum === undefined ? line : { ...sum, calls: sum.calls + line.calls, micros: sum.micros + line.micros },
    );
  }
  return [...sums.values()].map((line) => ({ ...line, micros: Math.round(line.micros) }));
}
