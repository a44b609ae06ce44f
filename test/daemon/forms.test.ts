import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { openDaemon } from '../support/inside.ts';
import { runUpshift } from '../support/processes.ts';
import { inPhase } from '../support/rollout.ts';
import type { Stage } from '../support/stage.ts';
import { AT_ONCE, MODEL, NO_REFUSALS, openStage } from '../support/stage.ts';
import { startTraffic } from '../support/traffic.ts';
import { PATIENT, eventually } from '../support/waiting.ts';

/** What must not be found anywhere, by the place in a call where it stands. */
const SECRET = {
  prompt: 'zanzibar-prompt',
  system: 'zanzibar-system',
  tool: 'zanzibar_tool',
  argument: 'zanzibar-argument',
  key: 'zanzibar-key',
  description: 'zanzibar-description',
  answer: 'zanzibar-answer',
};
const MESSAGES = [
  { role: 'system', content: SECRET.system },
  { role: 'user', content: SECRET.prompt },
];
const object = (value: unknown) => ({
  type: 'object',
  description: SECRET.description,
  properties: { [SECRET.key]: value },
  required: [SECRET.key],
  additionalProperties: false,
});
const CALLS_TOOLS = {
  messages: MESSAGES,
  temperature: 0,
  tools: [{ type: 'function', function: { name: SECRET.tool, parameters: object({ enum: [SECRET.argument] }) } }],
  tool_choice: 'required',
};
const DEMANDS_JSON = {
  messages: MESSAGES,
  temperature: 0,
  response_format: { type: 'json_schema', json_schema: { name: 'a', schema: object({ enum: [SECRET.answer] }) } },
};

const POLICY = {
  ...AT_ONCE,
  endpoint: { args: ['--enable-auto-tool-choice', '--tool-call-parser', 'llama3_json'] },
  defaults: { ...AT_ONCE.defaults, shadow: { share: 1, continue: 1, time: '2m', concurrency: 64, calls: 100_000 } },
};

test(
  'answers are compared by their form, the ledger says the same again, and nothing of them is stored or told',
  PATIENT,
  async (t) => {
    const stage = await openStage(t, { limits: NO_REFUSALS, policy: POLICY });
    const logged: string[] = [];
    const log = (...line: unknown[]) => void logged.push(JSON.stringify(line));
    const daemon = await openDaemon(t, stage, { log });
    const traffic = [CALLS_TOOLS, DEMANDS_JSON].map((extra, n) =>
      startTraffic(t, { url: daemon.gateway, model: MODEL, extra, rate: 12, maxTokens: 200, prefix: `kind-${n}` }),
    );
    const rollout = await inPhase(stage, 'promoted');
    await eventually('answers have a form', () => formsOf(stage).good > 20);
    const told = await Promise.all(
      ['metrics', 'status', 'healthz'].map(async (path) => (await fetch(`${daemon.admin}/${path}`)).text()),
    );
    await Promise.all(traffic.map((each) => each.stop()));
    const { same } = formsOf(stage);
    assert.ok(same > 0, 'copies were compared with their calls');
    assert.ok(copiesInSteps(stage) > 0, 'copies were sent in the steps too');
    const texts = [
      ...logged,
      ...told,
      ...readdirSync(stage.folder, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1')),
    ];
    assert.ok(
      texts.some((text) => text.includes(MODEL)),
      'what is searched holds what it should',
    );
    for (const secret of Object.values(SECRET)) {
      assert.equal(texts.filter((text) => text.includes(secret)).length, 0, secret);
    }
    await daemon.close();
    const replayed = await runUpshift(t, ['judge', '--replay', rollout.id, '--db', stage.dbPath], stage.env);
    assert.equal(replayed.code, 0, replayed.stdout);
  },
);

/** How many answers satisfied what was asked for, and in how many pairs both called the same tool with the same arguments. */
function formsOf(stage: Stage): { readonly good: number; readonly same: number } {
  const sql = `SELECT (SELECT count(*) FROM form_log WHERE arguments_schema = 'good' OR json_format = 'good') AS good,
    (SELECT count(*) FROM shadow_log WHERE same_tools AND same_arguments) AS same`;
  return stage.read((db) => db.prepare<[], ReturnType<typeof formsOf>>(sql).get()) as ReturnType<typeof formsOf>;
}

function copiesInSteps(stage: Stage): number {
  const sql = `SELECT count(*) FROM shadows s JOIN calls c
    ON c.ended_at_us - c.duration_us = s.arrived_at_us AND c.gateway_id = s.gateway_id AND c.step > 0`;
  return stage.read((db) => db.prepare<[], number>(sql).pluck().get()) ?? 0;
}
