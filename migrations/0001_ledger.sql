-- The ledger: every call, every decision and why it was made, and what everything cost.
--
-- Names of columns carry their unit. `_at_us` and `_at_ms`: a moment, in microseconds or milliseconds since 1970.
-- `_us` and `_ms`: a span. `_minute`: a whole minute since 1970. `_micros`: millionths of a US dollar. `_bytes`: bytes.
-- Every table, view and column has a comment; a test checks it.

-- Dictionaries. Calls, attempts and copies store the number of a name instead of the name. They have no foreign keys,
-- because a look-up for each row would cost more than writing the row. Rows of dictionaries are never deleted.

-- Gateways that write calls. Their calls are told apart by gateway and time.
CREATE TABLE gateways (
  -- Number of the gateway.
  id INTEGER PRIMARY KEY,
  -- Name of the gateway. It never changes.
  name TEXT NOT NULL UNIQUE
) STRICT;

-- There is one gateway today. src/core/call.ts knows it by this number.
INSERT INTO gateways (id, name) VALUES (1, 'gateway-1');

-- Models that were called or had a rollout.
CREATE TABLE routes (
  -- Number of the model.
  id INTEGER PRIMARY KEY,
  -- Name of the model, e.g. org/model.
  model TEXT NOT NULL UNIQUE
) STRICT;

-- Agents that sent calls.
CREATE TABLE agents (
  -- Number of the agent.
  id INTEGER PRIMARY KEY,
  -- Name of the agent: as it was sent, or a hash of token and user agent.
  name TEXT NOT NULL,
  -- 1 if the name is such a hash, 0 if the agent sent it.
  is_derived INTEGER NOT NULL,
  UNIQUE (name, is_derived)
) STRICT;

-- Shapes of calls: what a call asks for, and the features it uses.
CREATE TABLE shapes (
  -- Number of the shape.
  id INTEGER PRIMARY KEY,
  -- Name of the shape, e.g. chat+stream.
  name TEXT NOT NULL UNIQUE
) STRICT;

-- How an attempt or a call ended. The numbers are the positions in OUTCOMES of src/core/call.ts.
CREATE TABLE outcomes (
  -- Number of the outcome.
  id INTEGER PRIMARY KEY,
  -- Name of the outcome.
  name TEXT NOT NULL UNIQUE
) STRICT;

INSERT INTO outcomes (id, name) VALUES
  (0, 'ok'), (1, 'rate_limited'), (2, 'no_credits'), (3, 'client_error'), (4, 'unauthorized'), (5, 'not_found'),
  (6, 'paused'), (7, 'server_error'), (8, 'unavailable'), (9, 'connect_failed'), (10, 'first_byte_timeout'),
  (11, 'idle_timeout'), (12, 'broken_stream'), (13, 'client_left'), (14, 'cut'), (15, 'gateway_error'),
  (16, 'total_timeout'), (17, 'incomplete_answer'), (18, 'empty_answer'), (19, 'rejected_by_endpoint'),
  (20, 'local_error'), (21, 'circuit_open'), (22, 'saturated');

-- Why the endpoint of a call's model could not get the call. The numbers are the positions in INELIGIBLE_REASONS of
-- src/core/eligibility.ts.
CREATE TABLE ineligible_reasons (
  -- Number of the reason.
  id INTEGER PRIMARY KEY,
  -- Name of the reason.
  name TEXT NOT NULL UNIQUE
) STRICT;

INSERT INTO ineligible_reasons (id, name) VALUES
  (0, 'unchangeable'), (1, 'provider'), (2, 'media'), (3, 'shape'), (4, 'too_large'), (5, 'too_long'),
  (6, 'rejected');

-- Ids of rollouts, as calls and copies refer to them.
CREATE TABLE rollout_names (
  -- Number of the rollout.
  id INTEGER PRIMARY KEY,
  -- Id of the rollout: rollouts.id.
  name TEXT NOT NULL UNIQUE
) STRICT;

-- Inference providers behind the serverless router.
CREATE TABLE providers (
  -- Number of the provider.
  id INTEGER PRIMARY KEY,
  -- Name of the provider, e.g. together.
  name TEXT NOT NULL UNIQUE
) STRICT;

-- Calls that have ended. The time comes first in the key, so that rows are appended in the order of their ends and a
-- range of time needs no index, whatever the number of gateways. WITHOUT ROWID, because a rowid with a unique index
-- beside it would store each key twice: that file was measured to be 35 % larger, and no faster to write.
CREATE TABLE calls (
  -- When the call ended. Moved on by a few microseconds if another call of the gateway already has that time.
  ended_at_us INTEGER NOT NULL,
  -- The gateway that took the call: gateways.id.
  gateway_id INTEGER NOT NULL,
  -- From arrival to end. ended_at_us - duration_us is exactly when the call arrived, which assigned it to a role.
  duration_us INTEGER NOT NULL,
  -- Model that was called: routes.id. Null if the request named none.
  route_id INTEGER,
  -- Agent that sent the call: agents.id.
  agent_id INTEGER NOT NULL,
  -- Shape of the call: shapes.id.
  shape_id INTEGER NOT NULL,
  -- Rollout whose weights were in force: rollout_names.id. Null if there was none.
  rollout_name_id INTEGER,
  -- Step of that rollout.
  step INTEGER NOT NULL,
  -- Weight of the canary at that time, in ten-thousandths.
  weight_per_10000 INTEGER NOT NULL,
  -- Sum of: 1 eligible; 2 has a role; 4 the role is canary; 8 an upstream's answer reached the client; 16 that upstream
  -- is dedicated; 32 the client left; 64 had no token; 128 a copy was sent to the endpoint; 256 went past the gateway
  -- straight to serverless and was reported later, with the caller's times; 512 the role is one of a way back; 1024 it
  -- is known whether the answer held any output; 2048 it held none; 4096 it waited because serverless was
  -- out; 8192 it would have been drawn for the endpoint, which was full; 16384 it was given to the endpoint, without a
  -- role, because serverless was out; 32768 it got no role because the endpoint was full.
  flags INTEGER NOT NULL,
  -- HTTP status that the client got; 0 if none.
  status INTEGER NOT NULL,
  -- How the first attempt ended: outcomes.id. This counts for the role.
  outcome_id INTEGER NOT NULL,
  -- How the call ended for the client: outcomes.id.
  final_outcome_id INTEGER NOT NULL,
  -- From arrival to the first byte that the client got. Null if it got none.
  first_byte_us INTEGER,
  -- From arrival to the first token of a stream. Null if the answer was no stream.
  first_token_us INTEGER,
  -- Tokens of the prompt, as the upstream counted them. Null if it did not say.
  prompt_tokens INTEGER,
  -- Tokens of the answer, as the upstream counted them. Null if it did not say.
  output_tokens INTEGER,
  -- Length of the request's body.
  request_bytes INTEGER NOT NULL,
  -- Length of the answer's body.
  response_bytes INTEGER NOT NULL,
  -- If the call repeats one that was refused at the same gateway: from that call's arrival to this one's. Else null.
  repeat_gap_us INTEGER,
  -- How long the call was held before its first attempt, to keep a limit. Null if it was not held.
  waited_us INTEGER,
  -- Number of attempts if they were more than four. Null otherwise: then the table attempts has all of them.
  attempt_count INTEGER,
  -- Provider that served the call behind the router: providers.id. Null if not known.
  provider_id INTEGER,
  -- Why the endpoint of the model could not get the call: ineligible_reasons.id. Null if it could, or if there was none.
  ineligible_reason_id INTEGER,
  -- Hash of the unit that was assigned: the agent in a block of time, or the conversation (with a key). Null if it was
  -- assigned by itself.
  unit_id INTEGER,
  -- Form of the first attempt's answer, as a number that the view form_log reads. Null if it is not known.
  form INTEGER,
  -- How far the answer agrees with that of its copy, as a number that the view shadow_log reads. Null if it ended before
  -- the copy, or has none.
  agreement INTEGER,
  PRIMARY KEY (ended_at_us, gateway_id)
) STRICT, WITHOUT ROWID;

-- Calls that have a copy are looked up by their arrival.
CREATE INDEX shadowed_calls ON calls (ended_at_us - duration_us, gateway_id) WHERE flags & 128;

-- Attempts of calls. Of more than four attempts the first three and the last are stored.
CREATE TABLE attempts (
  -- The call: calls.ended_at_us.
  call_ended_at_us INTEGER NOT NULL,
  -- The call: calls.gateway_id.
  gateway_id INTEGER NOT NULL,
  -- Position among the stored attempts of the call, 0 to 3.
  position INTEGER NOT NULL,
  -- Where the attempt was sent: 0 serverless, 1 dedicated.
  upstream INTEGER NOT NULL,
  -- From the call's arrival to the start of the attempt.
  started_after_us INTEGER NOT NULL,
  -- HTTP status of the upstream; 0 if none.
  status INTEGER NOT NULL,
  -- How the attempt ended: outcomes.id.
  outcome_id INTEGER NOT NULL,
  -- From the start of the attempt to the first byte of its answer. Null if there was none.
  first_byte_us INTEGER,
  -- From the start of the attempt to its end.
  duration_us INTEGER NOT NULL,
  PRIMARY KEY (call_ended_at_us, gateway_id, position)
) STRICT, WITHOUT ROWID;

-- Copies of live calls that were sent to the endpoint in the shadow stage or in a step. Their answers were measured and thrown away.
-- All spans begin with the arrival of the live call, as if the copy had been sent at the same moment as the call.
CREATE TABLE shadows (
  -- When the live call arrived: calls.ended_at_us - calls.duration_us.
  arrived_at_us INTEGER NOT NULL,
  -- Gateway of the live call: gateways.id.
  gateway_id INTEGER NOT NULL,
  -- Rollout that the copy was sent for: rollout_names.id.
  rollout_name_id INTEGER NOT NULL,
  -- How the copy ended: outcomes.id.
  outcome_id INTEGER NOT NULL,
  -- HTTP status of the endpoint; 0 if none.
  status INTEGER NOT NULL,
  -- Until the outcome was known.
  known_after_us INTEGER NOT NULL,
  -- Until the first byte of the answer. Null if there was none.
  first_byte_us INTEGER,
  -- Until the first token of a stream. Null if the answer was no stream.
  first_token_us INTEGER,
  -- Until the end of the answer.
  duration_us INTEGER NOT NULL,
  -- Tokens of the prompt, as the endpoint counted them. Null if it did not say.
  prompt_tokens INTEGER,
  -- Tokens of the answer, as the endpoint counted them. Null if it did not say.
  output_tokens INTEGER,
  -- Whether the answer held no output: 1 or 0. Null if it could not be read.
  is_empty INTEGER,
  -- Form of the answer, as a number that the view form_log reads. Null if it is not known.
  form INTEGER,
  -- How far the answer agrees with the live call's, as a number that the view shadow_log reads. Null if it ended before
  -- the live call, which then has it.
  agreement INTEGER,
  PRIMARY KEY (arrived_at_us, gateway_id)
) STRICT, WITHOUT ROWID;

-- Closings of calls. Each takes the calls and copies of a day in UTC into the audit, some time after the day has ended.
-- Rows that come later are late, and belong to the next closing.
CREATE TABLE call_closings (
  -- Counts from 1 without gaps.
  id INTEGER PRIMARY KEY,
  -- It covers the rows before this time that no closing before it covers, except for late ones of later closings.
  until_us INTEGER NOT NULL,
  -- When it was complete and sealed. Null while it is being made.
  closed_at_ms INTEGER
) STRICT;

-- What a closing covers, block by block. A block begins where the one before it ends.
CREATE TABLE call_blocks (
  -- The closing: call_closings.id.
  closing_id INTEGER NOT NULL REFERENCES call_closings (id),
  -- 1 if the block has late rows, 0 if it has those of the day.
  is_late INTEGER NOT NULL,
  -- First moment after the block: calls.ended_at_us and shadows.arrived_at_us are before it.
  until_us INTEGER NOT NULL,
  -- Calls in the block.
  call_count INTEGER NOT NULL,
  -- Attempts in the block.
  attempt_count INTEGER NOT NULL,
  -- Copies in the block.
  shadow_count INTEGER NOT NULL,
  -- SHA-256, as hex, of all columns of these rows, with names instead of their numbers.
  digest TEXT NOT NULL,
  PRIMARY KEY (closing_id, is_late, until_us)
) STRICT, WITHOUT ROWID;

-- Calls and copies that were written after the closing that would have covered them had begun.
CREATE TABLE late_calls (
  -- The call: calls.ended_at_us. The copy: shadows.arrived_at_us.
  key_at_us INTEGER NOT NULL,
  -- The call: calls.gateway_id. The copy: shadows.gateway_id.
  gateway_id INTEGER NOT NULL,
  -- 1 for a copy, 0 for a call with its attempts.
  is_copy INTEGER NOT NULL,
  -- The closing that covers it: call_closings.id.
  closing_id INTEGER NOT NULL,
  PRIMARY KEY (key_at_us, gateway_id, is_copy)
) STRICT, WITHOUT ROWID;
CREATE INDEX late_calls_by_closing ON late_calls (closing_id, key_at_us);

-- Policy files under which a rollout was proposed.
CREATE TABLE policies (
  -- SHA-256 of the column text, as hex.
  hash TEXT PRIMARY KEY,
  -- SHA-256 of the column parsed, as hex.
  parsed_hash TEXT NOT NULL,
  -- Where the file was.
  path TEXT NOT NULL,
  -- The file, as it was read.
  text TEXT NOT NULL,
  -- JSON: Policy of src/core/policy/policy.ts, with all defaults filled in.
  parsed TEXT NOT NULL,
  -- When the first rollout under this policy was proposed.
  first_seen_at_ms INTEGER NOT NULL
) STRICT;

-- The current state of each rollout. It follows from the rollout's events.
CREATE TABLE rollouts (
  -- Eight characters.
  id TEXT PRIMARY KEY,
  -- Model that the rollout is for.
  route_id INTEGER NOT NULL REFERENCES routes (id),
  -- Policy that the rollout keeps: policies.hash.
  policy_hash TEXT NOT NULL,
  -- Where traffic goes: dedicated, or serverless for a way back.
  toward TEXT NOT NULL,
  -- Phase of the rollout.
  phase TEXT NOT NULL,
  -- JSON: Rollout of src/core/rollout/rollout.ts.
  snapshot TEXT NOT NULL,
  -- When the rollout was proposed.
  created_at_ms INTEGER NOT NULL,
  -- When the rollout last changed.
  updated_at_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX rollouts_by_route ON rollouts (route_id, created_at_ms);

-- What the daemon decided and why. One row stands for all ticks in a row that came to the same decision. WITHOUT ROWID,
-- so that no byte of a row is without meaning: the audit then notices every changed byte.
CREATE TABLE decisions (
  -- Counts from 1 without gaps.
  id INTEGER PRIMARY KEY,
  -- When it was decided.
  decided_at_ms INTEGER NOT NULL,
  -- Model that the decision is about.
  model TEXT NOT NULL,
  -- Rollout that the decision is about: rollouts.id. Null if there was none.
  rollout_id TEXT,
  -- Version of the deciding code: CORE_VERSION of src/core/decide/decision.ts.
  core_version INTEGER NOT NULL,
  -- Policy that was in force: policies.hash, if it is stored there. Null if none was in force.
  policy_hash TEXT,
  -- policies.parsed_hash, if that policy was stored by then. Null otherwise.
  parsed_hash TEXT,
  -- What was decided to do.
  action TEXT NOT NULL,
  -- Why.
  reason TEXT NOT NULL,
  -- How many ticks the row stands for.
  ticks INTEGER NOT NULL,
  -- JSON of what was seen, enough to decide again: {rollout: Rollout or null, observation: Observation}, or
  -- {sweep: SweepSeen} if it was about an endpoint that no rollout uses.
  input TEXT NOT NULL,
  -- JSON of what was decided: Decision, or SweepDecision for a sweep.
  output TEXT NOT NULL,
  -- What stands in the way: one of the causes of docs/causes.md. Null if nothing does. It is read from output, which a
  -- seal covers and which comes out the same when it is decided again.
  cause TEXT GENERATED ALWAYS AS (output ->> 'cause') VIRTUAL
) STRICT, WITHOUT ROWID;
CREATE INDEX decisions_by_model ON decisions (model, id);
CREATE INDEX decisions_by_rollout ON decisions (rollout_id, id);

-- What happened to rollouts, in order.
CREATE TABLE events (
  -- Counts up in the order in which things happened.
  id INTEGER PRIMARY KEY,
  -- Decision that led to the event. Null if none did.
  decision_id INTEGER REFERENCES decisions (id),
  -- Rollout that it happened to: rollouts.id.
  rollout_id TEXT NOT NULL,
  -- When it happened.
  happened_at_ms INTEGER NOT NULL,
  -- Kind of the event: the field type of the column data.
  type TEXT NOT NULL,
  -- JSON: RolloutEvent of src/core/rollout/event.ts.
  data TEXT NOT NULL
) STRICT;
CREATE INDEX events_by_rollout ON events (rollout_id, id);
-- A seal covers a decision with its events and its question.
CREATE INDEX events_by_decision ON events (decision_id, id);

-- Questions that the daemon asks its operators. A newer question of the same rollout makes an older one stale.
CREATE TABLE asks (
  -- Counts up in the order in which questions were asked.
  id INTEGER PRIMARY KEY,
  -- Decision that asked. Null if none did.
  decision_id INTEGER REFERENCES decisions (id),
  -- Rollout that the question is about: rollouts.id.
  rollout_id TEXT NOT NULL,
  -- Step that the question is about.
  step INTEGER NOT NULL,
  -- Policy that the rollout keeps: policies.hash.
  policy_hash TEXT NOT NULL,
  -- Status of the judge's verdict at that time; none if there was no verdict.
  verdict TEXT NOT NULL,
  -- JSON of what the operator should look at: {about?: AskAbout, detail: string, verdict: Verdict or null,
  -- figures: StepFigures or null, shadow?: ShadowFigures, terms?: Terms, scaling?: Scaling}.
  figures TEXT NOT NULL,
  -- When the question was asked.
  asked_at_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX asks_by_rollout ON asks (rollout_id, id);
CREATE INDEX asks_by_decision ON asks (decision_id, id);

-- What operators ask of the daemon. Only the daemon writes rows: each was a word, a file of whoever said it, and has a seal.
-- The daemon reads those without an outcome at every tick.
CREATE TABLE requests (
  -- Counts up in the order in which requests came.
  id INTEGER PRIMARY KEY,
  -- What is requested.
  kind TEXT NOT NULL CHECK (kind IN ('approve', 'reject', 'pause', 'resume', 'abort', 'through_outage', 'over_evidence',
    'propose', 'freeze', 'thaw')),
  -- Rollout that it is requested of: rollouts.id. Null if it is about a whole route, or about all.
  rollout_id TEXT,
  -- Model whose route it is about. Null if it is about a rollout, or about all routes.
  model TEXT,
  -- Question that an approval or a rejection answers. Null for other kinds.
  ask_id INTEGER REFERENCES asks (id),
  -- SHA-256, as hex, of that question as the operator saw it. Null for other kinds.
  ask_digest TEXT,
  -- Step that the operator saw. Null if the request is not about a step.
  step INTEGER,
  -- Why, in the operator's words. Null if they gave no reason.
  reason TEXT,
  -- User that owned the file of the word, as the operating system calls them.
  by_user TEXT NOT NULL,
  -- Host that knows the user by this name: the one that the daemon runs on.
  by_host TEXT NOT NULL,
  -- Number of the user that owned the file of the word.
  by_uid INTEGER NOT NULL,
  -- Name of the word: its file's, without the end.
  word TEXT NOT NULL UNIQUE,
  -- When the file was written. On a simulated clock: when the daemon read it.
  requested_at_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX requests_by_ask ON requests (ask_id);

-- What became of requests.
CREATE TABLE request_outcomes (
  -- The request.
  request_id INTEGER PRIMARY KEY REFERENCES requests (id),
  -- Decision that carried it out or refused it. Null if none did.
  decision_id INTEGER REFERENCES decisions (id),
  -- What became of it: done, refused, or counted: it was one of several approvals that are needed, and not the last.
  result TEXT NOT NULL CHECK (result IN ('done', 'counted', 'refused')),
  -- What the operator was told.
  message TEXT NOT NULL,
  -- When that was settled.
  settled_at_ms INTEGER NOT NULL
) STRICT;

-- What was sealed, in order: each seal fixes some rows of other tables, and all seals before it. It is signed with a key
-- that is not in this file. WITHOUT ROWID, so that no byte of a row is without meaning.
CREATE TABLE seals (
  -- Counts from 1 without gaps.
  id INTEGER PRIMARY KEY,
  -- What the rows are: a kind of src/ledger/journal/seals.ts.
  what TEXT NOT NULL,
  -- Which rows: a JSON array of the key. The newest seal of a key holds.
  key TEXT NOT NULL,
  -- SHA-256, as hex, of all columns of the rows.
  digest TEXT NOT NULL,
  -- When they were sealed.
  sealed_at_ms INTEGER NOT NULL,
  -- SHA-256, as hex, over the hash of the seal before and all columns above.
  hash TEXT NOT NULL,
  -- Ed25519 signature of the hash, as base64.
  signature TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX seals_by_key ON seals (what, key, id);

-- What the daemon last said of itself; the command status reads it. One row.
CREATE TABLE daemon_status (
  -- Always 1.
  id INTEGER PRIMARY KEY CHECK (id = 1),
  -- Process id of the daemon.
  pid INTEGER NOT NULL,
  -- When the daemon wrote this row.
  updated_at_ms INTEGER NOT NULL,
  -- JSON: StatusReport of src/core/status.ts.
  status TEXT NOT NULL
) STRICT;

-- What the daemon has learned, so that the next process goes on from it. Losing it costs nothing but the time to learn it
-- again.
CREATE TABLE learned (
  -- What was learned. lane: limits and breaker of a lane to serverless. concurrency: what an endpoint can carry, and how
  -- traffic changes over the day. call_cost: what a call costs on serverless. traffic: since when every call is known. rejections: which calls an
  -- endpoint rejects. near_miss: how near the criteria came to a proposal.
  what TEXT NOT NULL CHECK (what IN ('lane', 'concurrency', 'call_cost', 'traffic', 'rejections', 'near_miss')),
  -- Model that it was learned of.
  model TEXT NOT NULL,
  -- Provider of a lane; empty if the router chooses it, and for everything but lanes.
  provider TEXT NOT NULL,
  -- JSON: what src/core/learned.ts says for each kind.
  value TEXT NOT NULL,
  -- When the value last changed.
  learned_at_ms INTEGER NOT NULL,
  PRIMARY KEY (what, model, provider)
) STRICT, WITHOUT ROWID;

-- Facts about the file itself: agent_salt, ledger_id, time.
CREATE TABLE meta (
  -- Name of the fact.
  key TEXT PRIMARY KEY,
  -- agent_salt: hex, keys the hashes of agents without a name. ledger_id: hex, tells endpoints of this ledger from
  -- those of others. time: real, or simulated if the file was made by a simulation.
  value TEXT NOT NULL
) STRICT;

-- Endpoints that were seen, and what the last reading said. One that is deleted and created again is another endpoint.
CREATE TABLE endpoints (
  -- Number of the endpoint.
  id INTEGER PRIMARY KEY,
  -- Namespace that the endpoint belongs to.
  namespace TEXT NOT NULL,
  -- Name of the endpoint.
  name TEXT NOT NULL,
  -- When it was created, as the management API says.
  created_at_ms INTEGER NOT NULL,
  -- Model that it serves.
  model TEXT NOT NULL,
  -- Rollout that created it: rollouts.id. Null if none did.
  rollout_id TEXT,
  -- What it runs on, e.g. aws us-east-1 nvidia-l4 x1.
  instance TEXT NOT NULL,
  -- When it was first seen.
  first_seen_at_ms INTEGER NOT NULL,
  -- When it was last seen.
  last_seen_at_ms INTEGER NOT NULL,
  -- State that the API last said.
  state TEXT NOT NULL,
  -- Replicas that are billed in that state.
  replicas INTEGER NOT NULL,
  -- Price of one replica for one hour. Null while it is not known.
  hourly_price_micros INTEGER,
  -- When the endpoint last changed, as the API says. Null if it does not say.
  updated_at_ms INTEGER,
  -- When it was first missed. Null while it exists.
  gone_at_ms INTEGER,
  UNIQUE (namespace, name, created_at_ms)
) STRICT;
CREATE INDEX endpoints_by_model ON endpoints (model);

-- Minutes in a row in which an endpoint was the same. A new row begins with each change, not with each minute: an
-- endpoint that runs for months is a handful of rows. The view endpoint_minutes gives single minutes.
CREATE TABLE endpoint_spans (
  -- The endpoint.
  endpoint_id INTEGER NOT NULL REFERENCES endpoints (id),
  -- First minute of the span.
  from_minute INTEGER NOT NULL,
  -- First minute after the span.
  until_minute INTEGER NOT NULL CHECK (until_minute > from_minute),
  -- State of the endpoint. Null if not known.
  state TEXT,
  -- Billed replicas: the most at any moment of each minute.
  replicas INTEGER NOT NULL,
  -- Price of one replica for one hour. Null if not known.
  hourly_price_micros INTEGER,
  -- How it is known. reading: the endpoint was seen. metrics: a gap was filled from the API's graphs. estimate: a gap was
  -- filled from what was seen before and after it.
  source TEXT NOT NULL CHECK (source IN ('reading', 'metrics', 'estimate')),
  PRIMARY KEY (endpoint_id, from_minute)
) STRICT, WITHOUT ROWID;

-- What providers charge for a million tokens. A row is in force until the next one of the same provider.
CREATE TABLE provider_prices (
  -- Model that the price is for.
  model TEXT NOT NULL,
  -- Name of the provider.
  provider TEXT NOT NULL,
  -- Since when.
  from_at_ms INTEGER NOT NULL,
  -- Price of a million tokens of prompt. Null if the router's list does not say.
  input_micros INTEGER,
  -- Price of a million tokens of answer. Null if the router's list does not say.
  output_micros INTEGER,
  -- 1 if the list says that it is free.
  is_free INTEGER NOT NULL,
  -- 0 if the list says that it is down, or no longer has it.
  is_live INTEGER NOT NULL,
  PRIMARY KEY (model, provider, from_at_ms)
) STRICT, WITHOUT ROWID;

-- An organization's bill for serverless, as the Hub gives it. It covers all callers of the organization, not only those
-- that call through upshift.
CREATE TABLE bills (
  -- Name of the organization.
  org TEXT NOT NULL,
  -- Day in UTC, e.g. 2026-11-24.
  day TEXT NOT NULL,
  -- Model that was called.
  model TEXT NOT NULL,
  -- Provider that served it.
  provider TEXT NOT NULL,
  -- Number of calls.
  calls INTEGER NOT NULL,
  -- What they cost.
  cost_micros INTEGER NOT NULL,
  -- When the bill was read.
  seen_at_ms INTEGER NOT NULL,
  PRIMARY KEY (org, day, model, provider)
) STRICT, WITHOUT ROWID;

-- Rows of these tables are only ever added. The audit checks that the triggers are there.
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
CREATE TRIGGER seals_no_update BEFORE UPDATE ON seals BEGIN SELECT raise(ABORT, 'seals is append-only'); END;
CREATE TRIGGER seals_no_delete BEFORE DELETE ON seals BEGIN SELECT raise(ABORT, 'seals is append-only'); END;
CREATE TRIGGER policies_no_update BEFORE UPDATE ON policies BEGIN SELECT raise(ABORT, 'policies is append-only'); END;
CREATE TRIGGER policies_no_delete BEFORE DELETE ON policies BEGIN SELECT raise(ABORT, 'policies is append-only'); END;

-- The views are for people at an SQL prompt: names instead of numbers, ISO times in UTC, milliseconds and dollars.

-- Calls.
CREATE VIEW call_log AS
SELECT
  g.name AS gateway, -- gateway that took the call
  c.ended_at_us AS ended_at_us, -- with the gateway: key of the call
  strftime('%Y-%m-%dT%H:%M:%fZ', (c.ended_at_us - c.duration_us) / 1e6, 'unixepoch') AS arrived, -- ISO time
  strftime('%Y-%m-%dT%H:%M:%fZ', c.ended_at_us / 1e6, 'unixepoch') AS ended, -- ISO time
  r.model AS model, -- model that was called
  s.name AS shape, -- shape of the call
  a.name AS agent, -- agent that sent it
  a.is_derived AS agent_is_derived, -- 1 if the agent sent no name
  n.name AS rollout, -- id of the rollout whose weights were in force
  c.step AS step, -- step of that rollout
  c.weight_per_10000 / 10000.0 AS weight, -- weight of the canary, 0 to 1
  CASE WHEN c.flags & 2 = 0 THEN NULL WHEN c.flags & 4 THEN 'canary' ELSE 'stable' END AS role, -- role it was assigned
  c.unit_id AS unit_id, -- hash of the unit that was assigned; null: the call by itself
  c.flags & 1 AS is_eligible, -- 1 if it could be split
  i.name AS ineligible_reason, -- why the endpoint of its model could not get it
  -- upstream whose answer the client got
  CASE WHEN c.flags & 8 = 0 THEN NULL WHEN c.flags & 16 THEN 'dedicated' ELSE 'serverless' END AS served_by,
  c.status AS status, -- HTTP status that the client got
  f.name AS outcome, -- how the first attempt ended
  l.name AS final_outcome, -- how the call ended for the client
  c.duration_us / 1000.0 AS duration_ms, -- from arrival to end
  c.first_byte_us / 1000.0 AS first_byte_ms, -- from arrival to the first byte
  c.first_token_us / 1000.0 AS first_token_ms, -- from arrival to the first token of a stream
  c.prompt_tokens AS prompt_tokens, -- tokens of the prompt
  c.output_tokens AS output_tokens, -- tokens of the answer
  -- 1 if the answer held no text, tool call, reasoning or data; null if that is not known
  CASE WHEN c.flags & 1024 THEN c.flags & 2048 <> 0 END AS is_empty,
  c.request_bytes AS request_bytes, -- length of the request's body
  c.response_bytes AS response_bytes, -- length of the answer's body
  c.flags & 32 <> 0 AS client_left, -- 1 if the client left before the end
  c.flags & 64 <> 0 AS had_no_token, -- 1 if it went out without credentials
  -- when the refused call that it repeats had arrived, ISO time
  strftime('%Y-%m-%dT%H:%M:%fZ', (c.ended_at_us - c.duration_us - c.repeat_gap_us) / 1e6, 'unixepoch')
    AS repeats_call_of,
  ifnull(
    c.attempt_count,
    (SELECT count(*) FROM attempts t WHERE t.call_ended_at_us = c.ended_at_us AND t.gateway_id = c.gateway_id)
  ) AS attempts, -- number of attempts
  ifnull(c.waited_us, 0) / 1000.0 AS waited_ms, -- how long it was held before the first attempt
  c.flags & 256 <> 0 AS bypassed_gateway, -- 1 if it went past the gateway
  c.flags & 16384 <> 0 AS through_outage, -- 1 if the endpoint got it, without a role, because serverless was out
  c.flags & 32768 <> 0 AS found_full, -- 1 if it got no role because the endpoint was full
  c.flags & 8192 <> 0 AS is_overflow, -- 1 if it would have been drawn for the endpoint, had that not been full
  p.name AS provider -- provider that served it behind the router
FROM calls c
LEFT JOIN gateways g ON g.id = c.gateway_id
LEFT JOIN routes r ON r.id = c.route_id
LEFT JOIN agents a ON a.id = c.agent_id
LEFT JOIN shapes s ON s.id = c.shape_id
LEFT JOIN rollout_names n ON n.id = c.rollout_name_id
LEFT JOIN outcomes f ON f.id = c.outcome_id
LEFT JOIN outcomes l ON l.id = c.final_outcome_id
LEFT JOIN providers p ON p.id = c.provider_id
LEFT JOIN ineligible_reasons i ON i.id = c.ineligible_reason_id;

-- Attempts of calls.
CREATE VIEW attempt_log AS
SELECT
  g.name AS gateway, -- gateway that took the call
  t.call_ended_at_us AS call_ended_at_us, -- with the gateway: key of the call
  t.position + 1 AS attempt, -- position among the stored attempts, from 1
  CASE t.upstream WHEN 1 THEN 'dedicated' ELSE 'serverless' END AS upstream, -- where it was sent
  t.started_after_us / 1000.0 AS started_after_ms, -- from the call's arrival to its start
  t.status AS status, -- HTTP status of the upstream
  o.name AS outcome, -- how it ended
  t.first_byte_us / 1000.0 AS first_byte_ms, -- from its start to the first byte
  t.duration_us / 1000.0 AS duration_ms -- from its start to its end
FROM attempts t
LEFT JOIN gateways g ON g.id = t.gateway_id
LEFT JOIN outcomes o ON o.id = t.outcome_id;

-- Each copy beside its live call. Columns of the live call begin with live_ and are null if it is not in the ledger.
-- The plus in +s.arrived_at_us makes SQLite use the index: a bare column would bring its affinity, and the index is on
-- an expression without one.
CREATE VIEW shadow_log AS
SELECT
  g.name AS gateway, -- gateway of the live call
  s.arrived_at_us AS arrived_at_us, -- with the gateway: key of the copy
  strftime('%Y-%m-%dT%H:%M:%fZ', s.arrived_at_us / 1e6, 'unixepoch') AS arrived, -- when the live call arrived, ISO time
  strftime('%Y-%m-%dT%H:%M:%fZ', (s.arrived_at_us + s.duration_us) / 1e6, 'unixepoch') AS ended, -- ISO time
  n.name AS rollout, -- id of the rollout
  r.model AS model, -- model that was called
  h.name AS shape, -- shape of the call
  a.name AS agent, -- agent that sent the call
  s.status AS status, -- HTTP status of the endpoint
  o.name AS outcome, -- how the copy ended
  s.known_after_us / 1000.0 AS known_after_ms, -- until the outcome was known
  s.duration_us / 1000.0 AS duration_ms, -- until the end of the answer
  s.first_byte_us / 1000.0 AS first_byte_ms, -- until the first byte
  s.first_token_us / 1000.0 AS first_token_ms, -- until the first token of a stream
  s.prompt_tokens AS prompt_tokens, -- tokens of the prompt
  s.output_tokens AS output_tokens, -- tokens of the answer
  s.is_empty AS is_empty, -- 1 if the answer held no output; null if that is not known
  -- 1 if both answers stopped for the same reason; null if that is not known
  nullif(ifnull(s.agreement, c.agreement) & 3, 0) - 1 AS same_finish,
  -- 1 if both called the same tools in the same order; null if that is not known
  nullif(ifnull(s.agreement, c.agreement) >> 2 & 3, 0) - 1 AS same_tools,
  -- 1 if the arguments of these calls are the same JSON; null if that is not known
  nullif(ifnull(s.agreement, c.agreement) >> 4 & 3, 0) - 1 AS same_arguments,
  -- part of the longer text, 0 to 1, that both have in common from the beginning; null if that is not known
  (nullif(ifnull(s.agreement, c.agreement) >> 6 & 127, 0) - 1) / 126.0 AS same_text,
  -- decimal digits to which the embeddings agree: -log10(1 - least cosine), 7 at most; null if that is not known
  7 - (nullif(ifnull(s.agreement, c.agreement) >> 13 & 255, 0) - 1) / 254.0 * 7.301029995663981 AS cosine_digits,
  c.ended_at_us AS live_ended_at_us, -- with the gateway: key of the live call
  c.status AS live_status, -- HTTP status that the client got
  l.name AS live_outcome, -- how its first attempt ended
  c.duration_us / 1000.0 AS live_duration_ms, -- from arrival to end
  c.first_byte_us / 1000.0 AS live_first_byte_ms, -- from arrival to the first byte
  c.first_token_us / 1000.0 AS live_first_token_ms, -- from arrival to the first token of a stream
  c.prompt_tokens AS live_prompt_tokens, -- tokens of the prompt
  c.output_tokens AS live_output_tokens -- tokens of the answer
FROM shadows s
LEFT JOIN calls c
  ON c.ended_at_us - c.duration_us = +s.arrived_at_us AND c.gateway_id = s.gateway_id AND c.flags & 128
LEFT JOIN gateways g ON g.id = s.gateway_id
LEFT JOIN rollout_names n ON n.id = s.rollout_name_id
LEFT JOIN outcomes o ON o.id = s.outcome_id
LEFT JOIN routes r ON r.id = c.route_id
LEFT JOIN shapes h ON h.id = c.shape_id
LEFT JOIN agents a ON a.id = c.agent_id
LEFT JOIN outcomes l ON l.id = c.outcome_id;

-- The form of each answer that was read, of calls and of copies. No text is kept, only what it was like.
CREATE VIEW form_log AS
SELECT
  g.name AS gateway, -- gateway of the call
  strftime('%Y-%m-%dT%H:%M:%fZ', f.arrived_at_us / 1e6, 'unixepoch') AS arrived, -- when the call arrived, ISO time
  n.name AS rollout, -- id of the rollout whose weights were in force
  f.is_copy AS is_copy, -- 1 if it is the answer to a copy
  -- upstream that answered
  CASE WHEN f.is_dedicated THEN 'dedicated' ELSE 'serverless' END AS upstream,
  -- why the model stopped: stop, length, tool_calls, content_filter or other; null if the answer does not say
  CASE f.form & 7 WHEN 1 THEN 'stop' WHEN 2 THEN 'length' WHEN 3 THEN 'tool_calls' WHEN 4 THEN 'content_filter'
    WHEN 5 THEN 'other' END AS finish,
  f.form >> 3 & 1 AS asked_tools, -- 1 if the request offered tools and did not forbid their use
  f.form >> 4 & 1 AS demanded_tools, -- 1 if it demanded a call
  CASE WHEN f.form & 8 THEN f.form >> 5 & 15 END AS tool_calls, -- how many tools the answer called, up to 15
  CASE WHEN f.form & 8 THEN f.form >> 9 & 1 END AS arguments_parse, -- 1 if all arguments are JSON objects
  CASE WHEN f.form & 8 THEN f.form >> 10 & 1 END AS tools_offered, -- 1 if all tools that were called were offered
  -- whether the arguments satisfy the schemas of the request: good, bad or unscored; null if no tool was called
  CASE f.form >> 11 & 3 WHEN 1 THEN 'good' WHEN 2 THEN 'bad' WHEN 3 THEN 'unscored' END AS arguments_schema,
  -- whether JSON that was demanded parses and satisfies its schema: good, bad or unscored; null if none was demanded
  CASE f.form >> 13 & 3 WHEN 1 THEN 'good' WHEN 2 THEN 'bad' WHEN 3 THEN 'unscored' END AS json_format,
  nullif(f.form >> 15 & 3, 0) - 1 AS has_leak, -- 1 if tokens of the chat template stand in the text
  nullif(f.form >> 17 & 3, 0) - 1 AS has_reasoning, -- 1 if the answer holds reasoning
  nullif(f.form >> 19 & 3, 0) - 1 AS is_repeating, -- 1 if the end of the text repeats itself over and over
  nullif(f.form >> 21 & 3, 0) - 1 AS is_garbled, -- 1 if the text holds characters that no writer means
  nullif(f.form >> 23 & 255, 0) / 4.0 AS chars_per_token -- characters of output for each token of output
FROM (
  SELECT gateway_id, ended_at_us - duration_us AS arrived_at_us, rollout_name_id, 0 AS is_copy, flags & 16 AS is_dedicated,
    form FROM calls WHERE form IS NOT NULL
  UNION ALL
  SELECT gateway_id, arrived_at_us, rollout_name_id, 1, 1, form FROM shadows WHERE form IS NOT NULL
) f
LEFT JOIN gateways g ON g.id = f.gateway_id
LEFT JOIN rollout_names n ON n.id = f.rollout_name_id;

-- Decisions.
CREATE VIEW decision_log AS
SELECT
  id AS id, -- number of the decision
  strftime('%Y-%m-%dT%H:%M:%fZ', decided_at_ms / 1e3, 'unixepoch') AS decided, -- ISO time
  model AS model, -- model that it is about
  rollout_id AS rollout, -- rollout that it is about
  action AS action, -- what was decided to do
  reason AS reason, -- why
  cause AS cause, -- what stands in the way: docs/causes.md; null if nothing does
  output ->> 'detail' AS detail, -- the figures, in a sentence
  ticks AS ticks, -- how many ticks the row stands for
  core_version AS core_version, -- version of the deciding code
  policy_hash AS policy_hash -- policy that was in force
FROM decisions;

-- What happened to rollouts, by which decision and on whose request.
CREATE VIEW rollout_timeline AS
SELECT
  e.rollout_id AS rollout, -- id of the rollout
  r.model AS model, -- model that the rollout is for
  strftime('%Y-%m-%dT%H:%M:%fZ', e.happened_at_ms / 1e3, 'unixepoch') AS happened, -- ISO time
  e.type AS event, -- what happened
  d.action AS action, -- what was decided to do
  d.reason AS reason, -- why
  d.cause AS cause, -- what stands in the way: docs/causes.md; null if nothing does
  d.output ->> 'detail' AS detail, -- the figures, in a sentence
  e.decision_id AS decision, -- number of the decision
  q.by_user || '@' || q.by_host AS requested_by -- operator that requested it
FROM events e
LEFT JOIN rollouts p ON p.id = e.rollout_id
LEFT JOIN routes r ON r.id = p.route_id
LEFT JOIN decisions d ON d.id = e.decision_id
LEFT JOIN request_outcomes u ON u.decision_id = e.decision_id
LEFT JOIN requests q ON q.id = u.request_id
ORDER BY e.id;

-- Minutes of endpoints and what each of them cost.
CREATE VIEW endpoint_minutes AS
WITH RECURSIVE minutes AS (
  SELECT endpoint_id, from_minute AS minute, until_minute, state, replicas, hourly_price_micros, source
  FROM endpoint_spans
  UNION ALL
  SELECT endpoint_id, minute + 1, until_minute, state, replicas, hourly_price_micros, source FROM minutes
  WHERE minute + 1 < until_minute
)
SELECT
  strftime('%Y-%m-%dT%H:%MZ', m.minute * 60, 'unixepoch') AS minute, -- ISO time
  e.namespace AS namespace, -- namespace of the endpoint
  e.name AS endpoint, -- name of the endpoint
  e.model AS model, -- model that it serves
  e.rollout_id AS rollout, -- rollout that created it
  e.instance AS instance, -- what it runs on
  m.state AS state, -- its state
  m.replicas AS replicas, -- billed replicas
  m.hourly_price_micros / 1e6 AS dollars_per_replica_hour, -- price
  m.replicas * m.hourly_price_micros / 60e6 AS dollars, -- what the minute cost
  m.source AS source -- how it is known: endpoint_spans.source
FROM minutes m
JOIN endpoints e ON e.id = m.endpoint_id;

-- What each endpoint has cost, and how much of that is an estimate.
CREATE VIEW endpoint_costs AS
SELECT
  e.namespace AS namespace, -- namespace of the endpoint
  e.name AS endpoint, -- name of the endpoint
  e.model AS model, -- model that it serves
  e.rollout_id AS rollout, -- rollout that created it
  e.instance AS instance, -- what it runs on
  e.state AS state, -- state that the API last said
  strftime('%Y-%m-%dT%H:%M:%fZ', e.last_seen_at_ms / 1e3, 'unixepoch') AS last_seen, -- ISO time
  strftime('%Y-%m-%dT%H:%M:%fZ', e.gone_at_ms / 1e3, 'unixepoch') AS gone, -- when it was first missed, ISO time
  total((s.until_minute - s.from_minute) * (s.replicas > 0)) AS billed_minutes, -- minutes with a billed replica
  total((s.until_minute - s.from_minute) * s.replicas * s.hourly_price_micros) / 60e6 AS dollars, -- what it cost
  total((s.until_minute - s.from_minute) * s.replicas * s.hourly_price_micros * (s.source = 'estimate')) / 60e6
    AS estimated_dollars, -- how much of that is an estimate
  total((s.until_minute - s.from_minute) * s.replicas * (s.hourly_price_micros IS NULL))
    AS minutes_without_price -- replica minutes whose price is not known
FROM endpoints e
LEFT JOIN endpoint_spans s ON s.endpoint_id = e.id
GROUP BY e.id;

-- What providers charge, in the order of time.
CREATE VIEW price_log AS
SELECT
  strftime('%Y-%m-%dT%H:%M:%fZ', from_at_ms / 1e3, 'unixepoch') AS since, -- ISO time
  model AS model, -- model that the price is for
  provider AS provider, -- name of the provider
  input_micros / 1e6 AS dollars_per_million_input, -- price of a million tokens of prompt
  output_micros / 1e6 AS dollars_per_million_output, -- price of a million tokens of answer
  is_free AS is_free, -- 1 if it is free
  is_live AS is_live -- 0 if it is down or no longer listed
FROM provider_prices
ORDER BY from_at_ms;

-- Each approval: who gave it, how that is known, and what they saw. Automatic ones are those that the policy gave.
CREATE VIEW approvals AS
SELECT
  e.rollout_id AS rollout, -- id of the rollout
  r.model AS model, -- model that the rollout is for
  strftime('%Y-%m-%dT%H:%M:%fZ', e.happened_at_ms / 1e3, 'unixepoch') AS approved, -- when it took effect, ISO time
  ifnull(e.data ->> 'about', 'step') AS about, -- what it is about: step, budget or scaling
  e.data ->> 'step' AS step, -- step that was approved, or in which it was
  e.data ->> 'by' = 'policy' AS is_automatic, -- 1 if the policy gave it, not a person
  e.type = 'approved' AS is_last, -- 0 if more people had to approve after it
  CASE WHEN e.data ->> 'by' = 'policy' THEN 'policy' ELSE q.by_user || '@' || q.by_host END AS approved_by, -- who gave it
  q.by_uid AS uid, -- number of the user
  -- how it is known who gave it: owner of a file, or the policy that the rollout keeps
  CASE WHEN e.data ->> 'by' = 'policy' THEN 'policy' WHEN q.id IS NOT NULL THEN 'owner of a file' END AS proven_by,
  q.word AS word, -- name of that file
  strftime('%Y-%m-%dT%H:%M:%fZ', q.requested_at_ms / 1e3, 'unixepoch') AS said, -- when the file was written, ISO time
  q.reason AS reason, -- why, in the words of who gave it
  q.ask_id AS question, -- question that was answered: asks.id
  strftime('%Y-%m-%dT%H:%M:%fZ', a.asked_at_ms / 1e3, 'unixepoch') AS asked, -- when it was asked, ISO time
  ifnull(a.verdict, d.output -> 'verdict' ->> 'status') AS verdict, -- status of the verdict that they saw
  ifnull(a.figures ->> 'detail', d.output ->> 'detail') AS saw, -- what they saw, in a sentence
  q.ask_digest AS saw_digest, -- SHA-256, as hex, of the question that they saw
  ifnull(a.figures, d.input -> 'observation') -> 'figures' -> 'stable' ->> 'decided' AS stable_calls, -- compared calls
  ifnull(a.figures, d.input -> 'observation') -> 'figures' -> 'canary' ->> 'decided' AS canary_calls, -- compared calls
  ifnull(a.figures, d.input -> 'observation') -> 'figures' -> 'stable' ->> 'faults' AS stable_faults, -- failed calls
  ifnull(a.figures, d.input -> 'observation') -> 'figures' -> 'canary' ->> 'faults' AS canary_faults, -- failed calls
  ifnull(a.figures, d.input -> 'observation') -> 'figures' -> 'stable' ->> 'p95' AS stable_p95_ms, -- latency
  ifnull(a.figures, d.input -> 'observation') -> 'figures' -> 'canary' ->> 'p95' AS canary_p95_ms, -- latency
  e.decision_id AS decision, -- decision that carried it out
  d.policy_hash AS policy_hash, -- policy that was in force
  y.path AS policy_path -- where that policy was
FROM events e
LEFT JOIN rollouts p ON p.id = e.rollout_id
LEFT JOIN routes r ON r.id = p.route_id
LEFT JOIN decisions d ON d.id = e.decision_id
LEFT JOIN request_outcomes u ON u.decision_id = e.decision_id AND e.data ->> 'by' <> 'policy'
LEFT JOIN requests q ON q.id = u.request_id
LEFT JOIN asks a ON a.id = q.ask_id
LEFT JOIN policies y ON y.hash = d.policy_hash
WHERE e.type IN ('approved', 'approval_added')
ORDER BY e.id;

-- The evidence on which each step was asked about, or approved by the policy: one row for each metric of the verdict, and
-- one with null in its place if there was no verdict.
CREATE VIEW step_evidence AS
WITH evidence AS (
  SELECT decision_id, rollout_id, id AS question, asked_at_ms AS at_ms, ifnull(figures ->> 'about', 'step') AS about, step,
    figures -> 'verdict' AS judged, figures -> 'figures' AS figures
  FROM asks
  UNION ALL
  SELECT e.decision_id, e.rollout_id, NULL, e.happened_at_ms, ifnull(e.data ->> 'about', 'step'), e.data ->> 'step',
    d.output -> 'verdict', d.input -> 'observation' -> 'figures'
  FROM events e JOIN decisions d ON d.id = e.decision_id
  WHERE e.type = 'approved' AND e.data ->> 'by' = 'policy'
)
SELECT
  v.rollout_id AS rollout, -- id of the rollout
  r.model AS model, -- model that the rollout is for
  strftime('%Y-%m-%dT%H:%M:%fZ', v.at_ms / 1e3, 'unixepoch') AS seen, -- when it was asked or approved, ISO time
  v.about AS about, -- what it is about: step, budget or scaling
  v.step AS step, -- step that is to be entered
  v.question AS question, -- asks.id; null if the policy approved
  v.decision_id AS decision, -- decision that asked or approved
  v.judged ->> 'status' AS verdict, -- status of the verdict; null without one
  v.judged ->> 'summary' AS summary, -- the verdict in a sentence
  v.judged ->> 'step' AS judged_step, -- step that was judged
  v.judged ->> 'stableCalls' AS stable_judged_calls, -- calls judged in that step
  v.judged ->> 'canaryCalls' AS canary_judged_calls, -- calls judged in that step
  v.figures -> 'stable' ->> 'decided' AS stable_calls, -- calls of that step that are compared
  v.figures -> 'canary' ->> 'decided' AS canary_calls, -- calls of that step that are compared
  v.figures -> 'stable' ->> 'faults' AS stable_faults, -- failed calls
  v.figures -> 'canary' ->> 'faults' AS canary_faults, -- failed calls
  v.figures -> 'stable' ->> 'refused' AS stable_refused, -- calls refused with 429
  v.figures -> 'canary' ->> 'refused' AS canary_refused, -- calls refused with 429
  v.figures -> 'stable' ->> 'saturated' AS stable_saturated, -- calls that found the endpoint full
  v.figures -> 'canary' ->> 'saturated' AS canary_saturated, -- calls that found the endpoint full
  v.figures -> 'stable' ->> 'p50' AS stable_p50_ms, -- median latency
  v.figures -> 'canary' ->> 'p50' AS canary_p50_ms, -- median latency
  v.figures -> 'stable' ->> 'p95' AS stable_p95_ms, -- latency
  v.figures -> 'canary' ->> 'p95' AS canary_p95_ms, -- latency
  m.value ->> 'metric' AS metric, -- metric that was judged; the columns below are about it
  m.value ->> 'judge' AS judge, -- act, or advise if it is only shown
  m.value ->> 'status' AS status, -- pass, fail or open
  -- unit of the two levels
  CASE m.value ->> 'metric'
    WHEN 'speed' THEN 'ms' WHEN 'firstToken' THEN 'ms' WHEN 'perToken' THEN 'ms per token' WHEN 'length' THEN 'tokens'
    ELSE iif(m.value IS NULL, NULL, 'share') END AS unit,
  m.value ->> 'stable' AS stable_level, -- level of serverless, or of the endpoint on a way back
  m.value ->> 'canary' AS canary_level, -- level of the endpoint, or of serverless on a way back
  m.value ->> 'effect' AS effect_share, -- canary against stable: difference of shares, or ratio less 1
  m.value ->> 'low' AS effect_low_share, -- lower end of its 95 % range
  m.value ->> 'high' AS effect_high_share, -- upper end of its 95 % range
  m.value ->> 'margin' AS margin_share, -- how much worse the canary may be
  m.value ->> 'passOdds' AS pass_odds, -- odds that it is within the margin
  m.value ->> 'passAt' AS pass_odds_needed, -- odds that a pass needs
  m.value ->> 'failOdds' AS fail_odds, -- odds against the canary
  m.value ->> 'failAt' AS fail_odds_limit -- odds at which the metric rolls back
FROM evidence v
LEFT JOIN rollouts p ON p.id = v.rollout_id
LEFT JOIN routes r ON r.id = p.route_id
LEFT JOIN json_each(v.judged, '$.metrics') m
ORDER BY v.at_ms, v.decision_id, m.key;

-- Of the calls that could be split, which share each upstream got and really served, for each weight of each step.
CREATE VIEW served_shares AS
SELECT
  n.name AS rollout, -- id of the rollout
  r.model AS model, -- model that was called
  c.step AS step, -- step of the rollout
  c.flags & 512 <> 0 AS is_way_back, -- 1 if the rollout led back to serverless
  strftime('%Y-%m-%dT%H:%M:%fZ', min(c.ended_at_us) / 1e6, 'unixepoch') AS first_ended, -- end of the first call, ISO time
  strftime('%Y-%m-%dT%H:%M:%fZ', max(c.ended_at_us) / 1e6, 'unixepoch') AS last_ended, -- end of the last call, ISO time
  count(*) AS calls, -- calls that had a role
  -- share that the endpoint should get, 0 to 1
  iif(c.flags & 512, 1 - c.weight_per_10000 / 10000.0, c.weight_per_10000 / 10000.0) AS wanted_dedicated_share,
  avg((c.flags & 4 <> 0) <> (c.flags & 512 <> 0)) AS assigned_dedicated_share, -- share that was sent there first
  avg(o.name = 'saturated') AS saturated_share, -- share that found the endpoint full
  avg(c.flags & 24 = 24) AS dedicated_share, -- share that the endpoint served in the end
  avg(c.flags & 24 = 8) AS serverless_share, -- share that serverless served in the end
  avg(c.flags & 8 = 0) AS unserved_share -- share that got no answer of either
FROM calls c
JOIN rollout_names n ON n.id = c.rollout_name_id
JOIN outcomes o ON o.id = c.outcome_id
LEFT JOIN routes r ON r.id = c.route_id
WHERE c.flags & 3 = 3
GROUP BY c.rollout_name_id, c.route_id, c.flags & 512, c.step, c.weight_per_10000
ORDER BY min(c.ended_at_us);

-- What calls to serverless cost, by model, provider and day in UTC. Each call is priced as of its end. It is an estimate if
-- its provider or the price at that time is not known (then the model's cheapest one counts, or the provider's first), or if the
-- answer did not say its tokens (then the model's mean counts).
CREATE VIEW serverless_costs AS
WITH prices AS (
  SELECT model, lower(provider) AS provider, from_at_ms, is_live,
    -- The first price counts for the time before it, as an estimate.
    iif(lag(from_at_ms) OVER history IS NULL, 0, from_at_ms) AS counts_from_ms,
    lead(from_at_ms, 1, 9e15) OVER history AS until_ms,
    iif(is_free, 0, input_micros) AS input_micros, iif(is_free, 0, output_micros) AS output_micros
  FROM provider_prices WINDOW history AS (PARTITION BY model, lower(provider) ORDER BY from_at_ms)
), served AS (
  SELECT c.ended_at_us / 1000 AS ended_at_ms, r.model, p.name AS provider, c.flags & 16 <> 0 AS is_dedicated,
    s.name <> 'native' AS has_tokens, c.prompt_tokens, c.output_tokens, c.request_bytes, c.response_bytes,
    c.prompt_tokens IS NULL AND c.output_tokens IS NULL AS is_untold
  FROM calls c
  JOIN routes r ON r.id = c.route_id
  JOIN shapes s ON s.id = c.shape_id
  LEFT JOIN providers p ON p.id = c.provider_id
  WHERE c.flags & 8 AND c.status < 400 AND s.name <> 'models'
), means AS (
  SELECT model, avg(ifnull(prompt_tokens, 0)) AS prompt, avg(ifnull(output_tokens, 0)) AS output
  FROM served WHERE NOT is_untold GROUP BY model
), tokened AS (
  -- Where no answer said its tokens, four bytes are one.
  SELECT c.*, iif(c.is_untold, ifnull(m.prompt, c.request_bytes / 4.0), ifnull(c.prompt_tokens, 0)) AS prompt,
    iif(c.is_untold, ifnull(m.output, c.response_bytes / 4.0), ifnull(c.output_tokens, 0)) AS output
  FROM served c LEFT JOIN means m ON m.model = c.model
  WHERE NOT c.is_dedicated
), priced AS (
  -- Millionths of micro-dollars.
  SELECT c.*, c.prompt * x.input_micros + iif(c.output = 0, 0, c.output * x.output_micros) AS exact,
    ifnull(x.from_at_ms > c.ended_at_ms, 1) OR c.is_untold AS is_estimate
  FROM tokened c
  LEFT JOIN prices x ON c.has_tokens AND x.model = c.model AND x.provider = lower(c.provider)
    AND x.counts_from_ms <= c.ended_at_ms AND x.until_ms > c.ended_at_ms
), estimated AS (
  SELECT c.*, ifnull(c.exact, (
    SELECT c.prompt * y.input_micros + iif(c.output = 0, 0, c.output * y.output_micros) AS cost FROM prices y
    WHERE c.has_tokens AND y.model = c.model AND y.counts_from_ms <= c.ended_at_ms AND y.until_ms > c.ended_at_ms
      AND cost IS NOT NULL
    ORDER BY y.is_live DESC, cost LIMIT 1
  )) AS cost
  FROM priced c
)
SELECT
  strftime('%Y-%m-%d', ended_at_ms / 1e3, 'unixepoch') AS day, -- day in UTC
  model AS model, -- model that was called
  provider AS provider, -- provider that served; null if not known
  count(*) AS calls, -- calls that were served without an error
  sum(is_untold) AS calls_without_tokens, -- of these: calls whose answer did not say its tokens
  sum(cost IS NULL) AS calls_without_price, -- of these: calls that are not in the dollars, because no price is known
  total(prompt_tokens) AS prompt_tokens, -- tokens of prompts, as providers counted them
  total(output_tokens) AS output_tokens, -- tokens of answers, as providers counted them
  total(cost) / 1e12 AS dollars, -- what the calls cost
  total(iif(is_estimate OR exact IS NULL, cost, 0)) / 1e12 AS estimated_dollars -- how much of that is an estimate
FROM estimated
GROUP BY 1, model, provider
ORDER BY 1, model, provider;
