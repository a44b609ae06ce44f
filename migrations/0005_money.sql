-- Money: what endpoints cost, minute by minute, and what serverless calls cost.

-- Endpoints of ours that were seen, and what the last reading saw. One that is deleted and made again is another endpoint.
CREATE TABLE endpoints (
  id INTEGER PRIMARY KEY,
  namespace TEXT NOT NULL,
  name TEXT NOT NULL,
  -- As the management API says.
  created_at INTEGER NOT NULL,
  model TEXT NOT NULL,
  rollout_id TEXT,
  -- e.g. aws us-east-1 nvidia-l4 x1
  instance TEXT NOT NULL,
  first_seen_at INTEGER NOT NULL,
  last_seen_at INTEGER NOT NULL,
  state TEXT NOT NULL,
  -- Those that are billed in that state.
  replicas INTEGER NOT NULL,
  -- Micro-dollars per replica and hour; null while nobody could tell.
  price_micros INTEGER,
  updated_at INTEGER,
  -- When a reading did not find it any more.
  gone_at INTEGER,
  UNIQUE (namespace, name, created_at)
) STRICT;
CREATE INDEX endpoints_by_model ON endpoints (model);

-- Minutes in a row (minutes since 1970) in which an endpoint was the same. A row a change, not a row a minute: an endpoint
-- that runs for months is a handful of rows, its money is one multiplication, and the view below gives the minutes.
CREATE TABLE endpoint_spans (
  endpoint_id INTEGER NOT NULL REFERENCES endpoints (id),
  from_minute INTEGER NOT NULL,
  -- The first minute that is not in it.
  until_minute INTEGER NOT NULL CHECK (until_minute > from_minute),
  state TEXT,
  -- Billed: the most at any moment of each minute.
  replicas INTEGER NOT NULL,
  price_micros INTEGER,
  -- reading: seen; metrics: settled after a gap from the API's graphs; estimate: from what was seen before and after.
  source TEXT NOT NULL CHECK (source IN ('reading', 'metrics', 'estimate')),
  PRIMARY KEY (endpoint_id, from_minute)
) STRICT, WITHOUT ROWID;

-- What providers ask for, micro-dollars per million tokens. A row a change: in force until the next of the same provider.
CREATE TABLE provider_prices (
  model TEXT NOT NULL,
  provider TEXT NOT NULL,
  from_at INTEGER NOT NULL,
  -- Null where the router's list does not tell.
  input_micros INTEGER,
  output_micros INTEGER,
  is_free INTEGER NOT NULL,
  -- 0: the list says that it is down, or has it no more.
  is_live INTEGER NOT NULL,
  PRIMARY KEY (model, provider, from_at)
) STRICT, WITHOUT ROWID;

-- An organization's bill for serverless, as the Hub tells it: all of its callers, not upshift's alone.
CREATE TABLE bills (
  org TEXT NOT NULL,
  -- e.g. 2026-11-24
  day TEXT NOT NULL,
  model TEXT NOT NULL,
  provider TEXT NOT NULL,
  calls INTEGER NOT NULL,
  micros INTEGER NOT NULL,
  seen_at INTEGER NOT NULL,
  PRIMARY KEY (org, day, model, provider)
) STRICT, WITHOUT ROWID;

-- Who served a call behind the router, where it is known.
CREATE TABLE providers (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
ALTER TABLE calls ADD COLUMN provider_id INTEGER;

CREATE VIEW endpoint_minutes AS
WITH RECURSIVE minutes AS (
  SELECT endpoint_id, from_minute AS minute, until_minute, state, replicas, price_micros, source FROM endpoint_spans
  UNION ALL
  SELECT endpoint_id, minute + 1, until_minute, state, replicas, price_micros, source FROM minutes
  WHERE minute + 1 < until_minute
)
SELECT
  strftime('%Y-%m-%dT%H:%MZ', m.minute * 60, 'unixepoch') AS minute,
  e.namespace AS namespace,
  e.name AS endpoint,
  e.model AS model,
  e.rollout_id AS rollout,
  e.instance AS instance,
  m.state AS state,
  m.replicas AS replicas,
  m.price_micros / 1e6 AS dollars_per_replica_hour,
  m.replicas * m.price_micros / 60e6 AS dollars,
  m.source AS source
FROM minutes m
JOIN endpoints e ON e.id = m.endpoint_id;

-- What each endpoint has cost, and how much of it is an estimate.
CREATE VIEW endpoint_costs AS
SELECT
  e.namespace AS namespace,
  e.name AS endpoint,
  e.model AS model,
  e.rollout_id AS rollout,
  e.instance AS instance,
  e.state AS state,
  strftime('%Y-%m-%dT%H:%M:%fZ', e.last_seen_at / 1e3, 'unixepoch') AS last_seen,
  strftime('%Y-%m-%dT%H:%M:%fZ', e.gone_at / 1e3, 'unixepoch') AS gone,
  total((s.until_minute - s.from_minute) * (s.replicas > 0)) AS billed_minutes,
  total((s.until_minute - s.from_minute) * s.replicas * s.price_micros) / 60e6 AS dollars,
  total((s.until_minute - s.from_minute) * s.replicas * s.price_micros * (s.source = 'estimate')) / 60e6
    AS estimated_dollars,
  total((s.until_minute - s.from_minute) * s.replicas * (s.price_micros IS NULL)) AS minutes_without_price
FROM endpoints e
LEFT JOIN endpoint_spans s ON s.endpoint_id = e.id
GROUP BY e.id;

CREATE VIEW price_log AS
SELECT
  strftime('%Y-%m-%dT%H:%M:%fZ', from_at / 1e3, 'unixepoch') AS since,
  model,
  provider,
  input_micros / 1e6 AS dollars_per_million_input,
  output_micros / 1e6 AS dollars_per_million_output,
  is_free,
  is_live
FROM provider_prices
ORDER BY from_at;

DROP VIEW call_log;
CREATE VIEW call_log AS
SELECT
  c.id AS id,
  strftime('%Y-%m-%dT%H:%M:%fZ', (c.id - c.duration_us) / 1e6, 'unixepoch') AS arrived,
  strftime('%Y-%m-%dT%H:%M:%fZ', c.id / 1e6, 'unixepoch') AS ended,
  r.model AS model,
  s.name AS shape,
  a.name AS agent,
  a.is_derived AS agent_is_derived,
  n.name AS rollout,
  c.step AS step,
  c.weight / 10000.0 AS weight,
  CASE WHEN c.flags & 2 = 0 THEN NULL WHEN c.flags & 4 THEN 'canary' ELSE 'stable' END AS role,
  c.flags & 1 AS is_eligible,
  CASE WHEN c.flags & 8 = 0 THEN NULL WHEN c.flags & 16 THEN 'dedicated' ELSE 'serverless' END AS served_by,
  c.status AS status,
  f.name AS outcome,
  l.name AS final_outcome,
  c.duration_us / 1000.0 AS duration_ms,
  c.first_byte_us / 1000.0 AS first_byte_ms,
  c.first_token_us / 1000.0 AS first_token_ms,
  c.prompt_tokens AS prompt_tokens,
  c.output_tokens AS output_tokens,
  c.request_bytes AS request_bytes,
  c.response_bytes AS response_bytes,
  c.flags & 32 <> 0 AS client_left,
  c.flags & 64 <> 0 AS had_no_token,
  strftime('%Y-%m-%dT%H:%M:%fZ', (c.id - c.duration_us - c.repeats_us) / 1e6, 'unixepoch') AS repeats_call_of,
  ifnull(c.tries, (SELECT count(*) FROM attempts t WHERE t.id BETWEEN c.id * 4 AND c.id * 4 + 3)) AS attempts,
  ifnull(c.waited_us, 0) / 1000.0 AS waited_ms,
  c.flags & 256 <> 0 AS bypassed_gateway,
  p.name AS provider
FROM calls c
LEFT JOIN routes r ON r.id = c.route_id
LEFT JOIN agents a ON a.id = c.agent_id
LEFT JOIN shapes s ON s.id = c.shape_id
LEFT JOIN rollout_names n ON n.id = c.rollout_id
LEFT JOIN outcomes f ON f.id = c.outcome_id
LEFT JOIN outcomes l ON l.id = c.final_outcome_id
LEFT JOIN providers p ON p.id = c.provider_id;

-- What the daemon has learned and the next one goes on from. Nothing here needs to be exact: it is learned again.
CREATE TABLE learned (
  -- lane: limits and breaker of one lane to serverless; concurrency: what an endpoint can carry, and the shape of the day;
  -- call_cost: what a call costs on serverless; traffic: the span for which every call of the route was seen.
  what TEXT NOT NULL CHECK (what IN ('lane', 'concurrency', 'call_cost', 'traffic')),
  model TEXT NOT NULL,
  -- Of a lane, '' where the router chooses; '' for everything else.
  provider TEXT NOT NULL,
  -- JSON; src/core/learned.ts has the shape of each kind.
  value TEXT NOT NULL,
  -- When the value last changed.
  learned_at_ms INTEGER NOT NULL,
  PRIMARY KEY (what, model, provider)
) STRICT, WITHOUT ROWID;
