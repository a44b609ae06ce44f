import type { Gauge } from 'prom-client';
import type { EndpointLoadStatus } from '../core/overflow/load-status.ts';
import type { RouteStatus, StatusReport } from '../core/status.ts';

export type AddGauge = (
  name: string,
  help: string,
  read: (status: StatusReport, set: Gauge) => void,
  labelNames?: string[],
) => unknown;

/** Gauges of each route: its demand, its split, its endpoint, and what stands in its way. */
export function addRouteGauges(gauge: AddGauge): void {
  const perRoute = (name: string, help: string, value: (route: StatusReport['routes'][number]) => number | null) =>
    gauge(
      name,
      help,
      ({ routes }, set) => {
        for (const route of routes) {
          const number = value(route);
          if (number !== null) set.set({ model: route.model }, number);
        }
      },
      ['model'],
    );
  perRoute('upshift_demand_calls', 'Calls in the criteria window', (route) => route.demand.calls);
  perRoute('upshift_demand_agents', 'Agents in the criteria window', (route) => route.demand.agents);
  perRoute(
    'upshift_demand_refused_share',
    'Share refused in the criteria window',
    (route) => route.demand.refusedShare,
  );
  perRoute('upshift_weight', 'Share of eligible calls set for the endpoint', (route) => route.rollout?.weight ?? 0);
  perRoute(
    'upshift_assigned_share',
    'Share of eligible calls assigned to the endpoint in this step',
    (route) => route.rollout?.assignedShare ?? null,
  );
  addOverflowGauges(perRoute);
  perRoute('upshift_through_outage', '1 while serverless is out and its calls go to the endpoint', ({ rollout }) =>
    Number(rollout?.through !== undefined),
  );
  addCauseGauge(gauge);
  addFailureGauges(gauge);
  perRoute('upshift_awaiting_approval', '1 while a person is asked', (route) => (route.rollout?.ask ? 1 : 0));
}

/** Gauges of how full the endpoint of each route is. */
function addOverflowGauges(
  perRoute: (name: string, help: string, value: (route: RouteStatus) => number | null) => unknown,
) {
  const ofLoad = (name: string, help: string, value: (load: EndpointLoadStatus) => number | null) =>
    perRoute(name, help, ({ rollout }) => (rollout?.load === undefined ? null : value(rollout.load)));
  ofLoad('upshift_endpoint_in_flight', 'Calls and copies in flight at the endpoint', ({ inFlight }) => inFlight);
  ofLoad('upshift_endpoint_limit', 'Calls at once that the endpoint is thought to take', ({ limit }) => limit);
  ofLoad('upshift_endpoint_waiting', 'Calls that wait for a place at the endpoint', ({ waiting }) => waiting);
  ofLoad('upshift_saturated_total', 'Calls that the endpoint had no room for', ({ saturated }) => saturated);
  ofLoad('upshift_overflow_calls_total', 'Calls that went to serverless instead', ({ overflowed }) => overflowed);
  ofLoad('upshift_overflow_refused_total', 'Calls that neither side had room for', ({ refused }) => refused);
}

/** What stands in the way of each route. */
function addCauseGauge(gauge: AddGauge): void {
  gauge(
    'upshift_cause',
    '1 for what stands in the way of a route now: docs/causes.md',
    ({ routes }, set) => {
      for (const { model, decision } of routes) {
        if (decision?.cause !== undefined) set.set({ model, cause: decision.cause }, 1);
      }
    },
    ['model', 'cause'],
  );
}

/** How the endpoint of each route fails now, and what ended its last rollout. */
function addFailureGauges(gauge: AddGauge): void {
  gauge(
    'upshift_faults_in_row',
    'Faults of the endpoint since its last answer, by kind',
    ({ routes }, set) => {
      for (const { model, rollout } of routes) {
        for (const [kind, count] of Object.entries(rollout?.faultRow?.kinds ?? {})) set.set({ model, kind }, count);
      }
    },
    ['model', 'kind'],
  );
  gauge(
    'upshift_ended_cause',
    '1 for how the last rollout of a route ended, and why: docs/causes.md',
    ({ routes }, set) => {
      for (const { model, lastRollout } of routes) {
        if (lastRollout?.cause !== undefined) {
          set.set({ model, outcome: lastRollout.phase, cause: lastRollout.cause }, 1);
        }
      }
    },
    ['model', 'outcome', 'cause'],
  );
}
