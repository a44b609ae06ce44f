import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import Database from 'better-sqlite3';
import { decodeAgreement } from '../../../src/core/form/agreement.ts';
import { decodeForm } from '../../../src/core/form/form.ts';
import type { AnswerForm } from '../../../src/core/form/form.ts';
import { CallWriter } from '../../../src/ledger/calls/call-writer.ts';
import { readMigrations } from '../../../src/ledger/migrate.ts';
import { makeCall, makeShadow } from '../rig.ts';

function open(): Database.Database {
  const db = new Database(':memory:');
  for (const { sql } of readMigrations()) db.exec(sql);
  return db;
}

/** Numbers that stand for forms or agreements, spread over all that there are. */
const SPREAD = Array.from({ length: 400 }, (_, n) => Math.imul(n + 1, 0x9e37_79b1) >>> 1);
const asNumber = (value: boolean | null): number | null => (value === null ? null : Number(value));

/** The columns of `form_log` that are read out of the number. */
function columnsOf({ tools, ...form }: AnswerForm): object {
  return {
    finish: form.finish,
    asked_tools: Number(tools !== null),
    demanded_tools: Number(tools?.isDemanded ?? false),
    tool_calls: tools?.called ?? null,
    arguments_parse: asNumber(tools?.areParsed ?? null),
    tools_offered: asNumber(tools?.areOffered ?? null),
    arguments_schema: tools?.schema ?? null,
    json_format: form.format,
    has_leak: asNumber(form.hasLeak),
    has_reasoning: asNumber(form.hasReasoning),
    is_repeating: asNumber(form.isRepeating),
    is_garbled: asNumber(form.isGarbled),
    chars_per_token: form.charsPerToken,
  };
}

describe('the view form_log', () => {
  it('says of each answer that was read what the core reads out of its number', () => {
    const db = open();
    const forms = SPREAD.map(decodeForm);
    const calls = forms.map((form, n) => {
      const call = makeCall(n, { form });
      return { call, endedAtUs: call.arrivedAtUs + call.durationUs };
    });
    const shadows = forms.map((form, n) => makeShadow(n, { form }));
    new CallWriter(db).write(
      [...calls, { call: makeCall(9_000, { form: null }), endedAtUs: 1 }],
      [...shadows, makeShadow(9_000, { form: null })],
    );
    for (const isCopy of [0, 1]) {
      const rows = db.prepare('SELECT * FROM form_log WHERE is_copy = ? ORDER BY arrived').all(isCopy) as Record<
        string,
        unknown
      >[];
      assert.equal(rows.length, forms.length);
      rows.forEach(({ gateway, arrived, rollout, is_copy: copy, upstream, ...read }, n) => {
        assert.deepEqual(read, columnsOf(forms[n] as AnswerForm));
        const dedicated = copy === 1 || n % 4 === 0;
        assert.deepEqual(
          [gateway, rollout, upstream],
          ['gateway-1', 'abcdefgh', dedicated ? 'dedicated' : 'serverless'],
        );
        assert.equal(arrived, new Date(Math.floor(makeCall(n).arrivedAtUs / 1_000)).toISOString());
      });
    }
    db.close();
  });
});

describe('the view shadow_log', () => {
  it('says how far the answers of a pair agree, whichever half has it', () => {
    const db = open();
    const given = SPREAD.map((stored) => decodeAgreement(stored % 2 ** 21));
    given.forEach((agreement, n) => {
      const isLive = n % 2 === 0;
      const call = makeCall(n, { hasShadow: true, ...(isLive && { agreement }) });
      new CallWriter(db).write(
        [{ call, endedAtUs: call.arrivedAtUs + call.durationUs }],
        [makeShadow(n, { agreement: isLive ? null : agreement })],
      );
    });
    const sql = `SELECT same_finish AS finish, same_tools AS tools, same_arguments AS args, same_text AS text, cosine_digits
      FROM shadow_log ORDER BY arrived_at_us`;
    const rows = db.prepare(sql).all() as Record<string, number | null>[];
    assert.equal(rows.length, given.length);
    rows.forEach(({ cosine_digits: digits, text, ...bits }, n) => {
      const { cosine, ...expected } = given[n] as (typeof given)[number];
      const { finish, tools, args } = expected;
      assert.deepEqual(bits, { finish: asNumber(finish), tools: asNumber(tools), args: asNumber(args) });
      assert.equal(text ?? null, expected.text);
      if (digits == null) assert.equal(cosine, null);
      else assert.ok(Math.abs(digits + Math.log10(1 - (cosine as number))) < 1e-6, `${digits} ${cosine}`);
    });
    db.close();
  });
});
