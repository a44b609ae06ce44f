-- Calls that went past the gateway, straight to serverless, while it was away, and were reported once it was back: bit 256
-- of calls.flags. They have no role, and their times are the caller's.

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
  c.flags & 256 <> 0 AS bypassed_gateway
FROM calls c
LEFT JOIN routes r ON r.id = c.route_id
LEFT JOIN agents a ON a.id = c.agent_id
LEFT JOIN shapes s ON s.id = c.shape_id
LEFT JOIN rollout_names n ON n.id = c.rollout_id
LEFT JOIN outcomes f ON f.id = c.outcome_id
LEFT JOIN outcomes l ON l.id = c.final_outcome_id;

