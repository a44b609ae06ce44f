import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { hasLeak } from '../../../src/core/form/leaks.ts';
import { hasThought, isGarbled, isRepeating } from '../../../src/core/form/text-form.ts';

const LEAKS: readonly string[] = [
  '<tool_call>\n{"name": "f", "arguments": {}}\n</tool_call>',
  'Sure.<|im_end|>',
  '<|python_tag|>f(1)',
  '[TOOL_CALLS][{"name": "f"}]',
  '[TOOL_CALLS]f{"a": 1}',
  '<function=get_weather><parameter=city>Oslo</parameter></function>',
  '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function',
  '<｜end▁of▁sentence｜>',
  '<|tool_calls_section_begin|>',
  '<|channel|>analysis<|message|>We must',
  '<minimax:tool_call>',
  '<end_of_turn>',
  '<arg_key>city</arg_key>',
  '<|START_ACTION|>',
];

const PLAIN: readonly string[] = [
  '',
  'if (a < b && c > d) return a[INSTANCE];',
  'xs <| f |> g, and x |> y',
  '<div class="tool">call</div>',
  'std::vector<int> [TOOLS] [INSTALL] a[i]',
  'Use <b>bold</b> and <tool> tags.',
  'type T = Array<Record<string, unknown>>;',
  'cat < in.txt | sort > out.txt',
  'a<|b|c',
];

const never = (): boolean => false;

describe('tokens of a chat template in a text', () => {
  it('are found, and ordinary code is none', () => {
    for (const text of LEAKS) assert.equal(hasLeak(text, never), true, text);
    for (const text of LEAKS) assert.equal(hasLeak(`Some words. ${text} more`, never), true, text);
    for (const text of PLAIN) assert.equal(hasLeak(text, never), false, text);
  });

  it('do not count if the request names them too', () => {
    const isNamed = (token: string) => '<tool_call> and </tool_call>'.includes(token);
    assert.equal(hasLeak('<tool_call>{}</tool_call>', isNamed), false);
    assert.equal(hasLeak('<tool_call>{}</tool_call><|im_end|>', isNamed), true);
  });

  it('are looked for a bounded number of times', () => {
    let asked = 0;
    assert.equal(
      hasLeak('<|x_y|>'.repeat(10_000), () => ++asked > 0),
      false,
    );
    assert.ok(asked <= 8);
  });
});

describe('characters that no writer means', () => {
  it('are replacement characters, controls and halves of pairs', () => {
    for (const text of ['a\ufffdb', 'a\u0000', '\u0090', 'a\ud83d', '\ude00a'])
      assert.equal(isGarbled(text), true, JSON.stringify(text));
    for (const text of ['', 'a\tb\r\n', 'é ü 你好 😀 \u200d ‏', '\u001b[31mred', '\ufeffa'])
      assert.equal(isGarbled(text), false, text);
  });
});

describe('a text that repeats itself at its end', () => {
  it('is told by its last characters, whatever the piece and what stands before', () => {
    const piece = fc.string({ minLength: 1, maxLength: 120 });
    fc.assert(
      fc.property(fc.string({ maxLength: 3_000 }), piece, (before, each) => {
        assert.equal(isRepeating(before + each.repeat(Math.ceil(1_024 / each.length) + 1)), true);
      }),
    );
  });

  it('is not one whose lines differ, nor a short one', () => {
    const lines = Array.from({ length: 400 }, (_, n) => `line ${n}: ${(n * 7_919) % 1_000}\n`).join('');
    const prose = 'The cat sat on the mat, and then the dog came in. ';
    for (const text of [
      lines,
      'ha'.repeat(100),
      `${prose.repeat(40)}That was the end, at last.`,
      `| a | b |\n${'-'.repeat(120)}\n`,
      '',
    ]) {
      assert.equal(isRepeating(text), false, text.slice(-60));
    }
  });
});

describe('reasoning within a text', () => {
  it('is told by its marks', () => {
    for (const text of ['<think>hm</think>a', '\n<think>hm', 'hm</think>\n\na', '<thinking>'])
      assert.equal(hasThought(text), true);
    for (const text of ['', 'I think <so>', 'the tag <think> opens it']) assert.equal(hasThought(text), false);
  });
});
