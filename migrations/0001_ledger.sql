-- The ledger: what became of every call, and why every step was taken.
-- Times: epoch microseconds in calls and attempts (..._us), epoch milliseconds elsewhere (..._at, at).

-- Dictionaries. calls and attempts hold their numbers; no foreign keys there, since a look-up per row would cost more
-- than writing the row, and dictionary rows are never deleted.
CREATE TABLE routes (id INTEGER PRIMARY KEY, model TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE agents (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  is_derived INTEGER NOT NULL,
  UNIQUE (name, is_derived)
) STRICT;
CREATE TABLE shapes (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE outcomes (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE rollout_names (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;

INSERT INTO outcomes (id, name) VALUES
  (0, 'ok'), (1, 'rate_limited'), (2, 'no_credits'), (3, 'client_error'), (4, 'unauthorized'), (5, 'not_found'),
  (6, 'paused'), (7, 'server_error'), (8, 'unavailable'), (9, 'connect_failed'), (10, 'first_byte_timeout'),
  (11, 'idle_timeout'), (12, 'broken_stream'), (13, 'client_left'), (14, 'cut'), (15, 'gateway_error');

CREATE TABLE calls (
  -- When the call ended, made unique: rows are appended in this order, so that time needs no index and pages stay full.
  id INTEGER PRIMARY KEY,
  -- id - duration_us is when it arrived, exactly: the key that assigned it to a role.
  duration_us INTEGER NOT NULL,
  route_id INTEGER,
  agent_id INTEGER NOT NULL,
  shape_id INTEGER NOT NULL,
  rollout_id INTEGER,
  step INTEGER NOT NULL,
  -- The canary's weight at the time, in ten-thousandths.
  weight INTEGER NOT NULL,
  -- 1 eligible, 2 has a role, 4 the role is canary, 8 was served, 16 by dedicated, 32 client left, 64 had no token.
  flags INTEGER NOT NULL,
  status INTEGER NOT NULL,
  outcome_id INTEGER NOT NULL,
  final_outcome_id INTEGER NOT NULL,
  first_byte_us INTEGER,
  first_token_us INTEGER,
  prompt_tokens INTEGER,
  output_tokens INTEGER,
  request_bytes INTEGER NOT NULL,
  response_bytes INTEGER NOT NULL,
  -- How much earlier the refused call that this one repeats had arrived.
  repeats_us INTEGER
) STRICT;

CREATE TABLE attempts (
  -- The call's id * 4 + n, n = 0..3.
  id INTEGER PRIMARY KEY,
  -- 0 serverless, 1 dedicated.
  upstream INTEGER NOT NULL,
  started_us INTEGER NOT NULL,
  status INTEGER NOT NULL,
  outcome_id INTEGER NOT NULL,
  first_byte_us INTEGER,
  duration_us INTEGER NOT NULL
) STRICT;

CREATE TABLE policies (
  -- SHA-256 of text, and of parsed.
  hash TEXT PRIMARY KEY,
  parsed_hash TEXT NOT NULL,
  path TEXT NOT NULL,
  text TEXT NOT NULL,
  parsed TEXT NOT NULL,
  first_seen_at INTEGER NOT NULL
) STRICT;

-- The newest snapshot of each rollout; events are what it is folded from.
CREATE TABLE rollouts (
  id TEXT PRIMARY KEY,
  route_id INTEGER NOT NULL REFERENCES routes (id),
  policy_hash TEXT NOT NULL,
  toward TEXT NOT NULL,
  phase TEXT NOT NULL,
  snapshot TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX rollouts_by_route ON rollouts (route_id, created_at);

-- Without rowid, so that no byte of a row is without meaning: the audit notices whichever is changed.
CREATE TABLE decisions (
  id INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  model TEXT NOT NULL,
  rollout_id TEXT,
  core_version INTEGER NOT NULL,
  policy_hash TEXT,
  -- policies.parsed_hash, where that policy was stored by then.
  parsed_hash TEXT,
  action TEXT NOT NULL,
  reason TEXT NOT NULL,
  -- How many ticks this row stands for.
  ticks INTEGER NOT NULL,
  -- What it saw and what came out of it, as JSON: enough to decide again offline.
  input TEXT NOT NULL,
  output TEXT NOT NULL,
  -- SHA-256 over the hash of the row before and every column above.
  hash TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX decisions_by_model ON decisions (model, id);
CREATE INDEX decisions_by_rollout ON decisions (rollout_id, id);

CREATE TABLE events (
  id INTEGER PRIMARY KEY,
  decision_id INTEGER REFERENCES decisions (id),
  rollout_id TEXT NOT NULL,
  at INTEGER NOT NULL,
  type TEXT NOT NULL,
  data TEXT NOT NULL
) STRICT;
CREATE INDEX events_by_rollout ON events (rollout_id, id);

CREATE TABLE asks (
  id INTEGER PRIMARY KEY,
  decision_id INTEGER REFERENCES decisions (id),
  rollout_id TEXT NOT NULL,
  step INTEGER NOT NULL,
  policy_hash TEXT NOT NULL,
  verdict TEXT NOT NULL,
  figures TEXT NOT NULL,
  at INTEGER NOT NULL
) STRICT;
CREATE INDEX asks_by_rollout ON asks (rollout_id, id);

CREATE TABLE requests (
  id INTEGER PRIMARY KEY,
  kind TEXT NOT NULL CHECK (kind IN ('approve', 'reject', 'pause', 'resume', 'abort')),
  rollout_id TEXT NOT NULL,
  ask_id INTEGER REFERENCES asks (id),
  step INTEGER,
  reason TEXT,
  by_user TEXT NOT NULL,
  by_host TEXT NOT NULL,
  at INTEGER NOT NULL
) STRICT;
CREATE INDEX requests_by_ask ON requests (ask_id);

CREATE TABLE request_outcomes (
  request_id INTEGER PRIMARY KEY REFERENCES requests (id),
  decision_id INTEGER REFERENCES decisions (id),
  result TEXT NOT NULL CHECK (result IN ('done', 'refused')),
  message TEXT NOT NULL,
  at INTEGER NOT NULL
) STRICT;

CREATE TABLE daemon_status (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  pid INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  status TEXT NOT NULL
) STRICT;

CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;

CREATE TRIGGER decisions_no_update BEFORE UPDATE ON decisions BEGIN SELECT raise(ABORT, 'decisions is append-only'); END;
CREATE TRIGGER decisions_no_delete BEFORE DELETE ON decisions BEGIN SELECT raise(ABORT, 'decisions is append-only'); END;
CREATE TRIGGER events_no_update BEFORE UPDATE ON events BEGIN SELECT raise(ABORT, 'events is append-only'); END;
CREATE TRIGGER events_no_delete BEFORE DELETE ON events BEGIN SELECT raise(ABORT, 'events is append-only'); END;
CREATE TRIGGER asks_no_update BEFORE UPDATE ON asks BEGIN SELECT raise(ABORT, 'asks is append-only'); END;
CREATE TRIGGER asks_no_delete BEFORE DELETE ON asks BEGIN SELECT raise(ABORT, 'asks is append-only'); END;
CREATE TRIGGER requests_no_update BEFORE UPDATE ON requests BEGIN SELECT raise(ABORT, 'requests is append-only'); END;
CREATE TRIGGER requests_no_delete BEFORE DELETE ON requests BEGIN SELECT raise(ABORT, 'requests is append-only'); END;
CREATE TRIGGER request_outcomes_no_update BEFORE UPDATE ON request_outcomes
  BEGIN SELECT raise(ABORT, 'request_outcomes is append-only'); END;
CREATE TRIGGER request_outcomes_no_delete BEFORE DELETE ON request_outcomes
  BEGIN SELECT raise(ABORT, 'request_outcomes is append-only'); END;
CREATE TRIGGER policies_no_update BEFORE UPDATE ON policies BEGIN SELECT raise(ABORT, 'policies is append-only'); END;
CREATE TRIGGER policies_no_delete BEFORE DELETE ON policies BEGIN SELECT raise(ABORT, 'policies is append-only'); END;

-- For people with an SQL prompt: names instead of numbers, ISO times, milliseconds.
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
  (SELECT count(*) FROM attempts t WHERE t.id BETWEEN c.id * 4 AND c.id * 4 + 3) AS attempts
FROM calls c
LEFT JOIN routes r ON r.id = c.route_id
LEFT JOIN agents a ON a.id = c.agent_id
LEFT JOIN shapes s ON s.id = c.shape_id
LEFT JOIN rollout_names n ON n.id = c.rollout_id
LEFT JOIN outcomes f ON f.id = c.outcome_id
LEFT JOIN outcomes l ON l.id = c.final_outcome_id;

CREATE VIEW attempt_log AS
SELECT
  t.id / 4 AS call_id,
  t.id % 4 + 1 AS attempt,
  CASE t.upstream WHEN 1 THEN 'dedicated' ELSE 'serverless' END AS upstream,
  t.started_us / 1000.0 AS started_after_ms,
  t.status AS status,
  o.name AS outcome,
  t.first_byte_us / 1000.0 AS first_byte_ms,
  t.duration_us / 1000.0 AS duration_ms
FROM attempts t
LEFT JOIN outcomes o ON o.id = t.outcome_id;

CREATE VIEW decision_log AS
SELECT
  id,
  strftime('%Y-%m-%dT%H:%M:%fZ', at / 1e3, 'unixepoch') AS at,
  model,
  rollout_id AS rollout,
  action,
  reason,
  output ->> 'detail' AS detail,
  ticks,
  core_version,
  policy_hash
FROM decisions;

CREATE VIEW rollout_timeline AS
SELECT
  e.rollout_id AS rollout,
  r.model AS model,
  strftime('%Y-%m-%dT%H:%M:%fZ', e.at / 1e3, 'unixepoch') AS at,
  e.type AS event,
  d.action AS action,
  d.reason AS reason,
  d.output ->> 'detail' AS detail,
  e.decision_id AS decision,
  q.by_user || '@' || q.by_host AS requested_by
FROM events e
LEFT JOIN rollouts p ON p.id = e.rollout_id
LEFT JOIN routes r ON r.id = p.route_id
LEFT JOIN decisions d ON d.id = e.decision_id
LEFT JOIN request_outcomes u ON u.decision_id = e.decision_id
LEFT JOIN requests q ON q.id = u.request_id
ORDER BY e.id;
