-- The shadow stage: copies of live calls that were sent to the endpoint, their answers thrown away.

-- calls.flags gets 128: a copy of the call was sent to the endpoint. Only these calls are looked up by their arrival.
CREATE INDEX shadowed_calls ON calls (id - duration_us) WHERE flags & 128;

CREATE TABLE shadows (
  -- When the live call arrived: calls.id - calls.duration_us.
  id INTEGER PRIMARY KEY,
  rollout_id INTEGER NOT NULL,
  outcome_id INTEGER NOT NULL,
  status INTEGER NOT NULL,
  -- Spans from the live call's arrival, as if the copy had set out together with it.
  known_us INTEGER NOT NULL,
  first_byte_us INTEGER,
  first_token_us INTEGER,
  duration_us INTEGER NOT NULL,
  prompt_tokens INTEGER,
  output_tokens INTEGER
) STRICT;

-- Each copy beside its live call, whose columns begin with live_; those are null where the call is not in the ledger.
-- +s.id: a bare column would bring its affinity, and SQLite then does not use the index on an expression.
CREATE VIEW shadow_log AS
SELECT
  s.id AS id,
  strftime('%Y-%m-%dT%H:%M:%fZ', s.id / 1e6, 'unixepoch') AS arrived,
  strftime('%Y-%m-%dT%H:%M:%fZ', (s.id + s.duration_us) / 1e6, 'unixepoch') AS ended,
  n.name AS rollout,
  r.model AS model,
  h.name AS shape,
  a.name AS agent,
  s.status AS status,
  o.name AS outcome,
  s.known_us / 1000.0 AS known_after_ms,
  s.duration_us / 1000.0 AS duration_ms,
  s.first_byte_us / 1000.0 AS first_byte_ms,
  s.first_token_us / 1000.0 AS first_token_ms,
  s.prompt_tokens AS prompt_tokens,
  s.output_tokens AS output_tokens,
  c.id AS live_id,
  c.status AS live_status,
  l.name AS live_outcome,
  c.duration_us / 1000.0 AS live_duration_ms,
  c.first_byte_us / 1000.0 AS live_first_byte_ms,
  c.first_token_us / 1000.0 AS live_first_token_ms,
  c.prompt_tokens AS live_prompt_tokens,
  c.output_tokens AS live_output_tokens
FROM shadows s
LEFT JOIN calls c ON c.id - c.duration_us = +s.id AND c.flags & 128
LEFT JOIN rollout_names n ON n.id = s.rollout_id
LEFT JOIN outcomes o ON o.id = s.outcome_id
LEFT JOIN routes r ON r.id = c.route_id
LEFT JOIN shapes h ON h.id = c.shape_id
LEFT JOIN agents a ON a.id = c.agent_id
LEFT JOIN outcomes l ON l.id = c.outcome_id;
