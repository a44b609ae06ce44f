import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Agent, OpenAIProvider, Runner, tool } from '@openai/agents';
import { z } from 'zod';
import { LLAMA } from '../support/desk.ts';
import { TOKEN, errorOf, openDesk, factsOf, well } from './rig.ts';
import type { Desk } from './rig.ts';

const connect = (desk: Desk) => desk.line('`@openai/agents`', { Runner, OpenAIProvider, token: TOKEN }) as Runner;

/** An agent with one tool, and the cities that the tool was asked about. */
function forecaster(): { readonly agent: Agent; readonly asked: string[] } {
  const asked: string[] = [];
  const weather = tool({
    name: 'weather',
    description: 'The weather in a city.',
    parameters: z.object({ city: z.string() }),
    execute: ({ city }) => {
      asked.push(city);
      return 'Rain.';
    },
  });
  const agent = new Agent({
    name: 'Forecaster',
    instructions: 'Answer with the weather.',
    model: LLAMA,
    modelSettings: { maxTokens: 30 },
    tools: [weather],
  });
  return { agent, asked };
}

for (const stream of [false, true]) {
  test(`an agent of @openai/agents calls a tool, reads its result and answers${stream ? ', streamed' : ''}`, async (t) => {
    const desk = await openDesk(t);
    const { agent, asked } = forecaster();
    const runner = connect(desk);
    let output: string | undefined;
    if (stream) {
      const result = await runner.run(agent, 'Will it rain in Bergen?', { stream: true });
      let text = '';
      for await (const piece of result.toTextStream()) text += piece;
      await result.completed;
      output = result.finalOutput;
      assert.equal(text, output);
    } else {
      output = (await runner.run(agent, 'Will it rain in Bergen?')).finalOutput;
    }
    assert.deepEqual([output?.length, asked], [120, ['text']]);
    const shape = stream ? 'chat+stream+tools' : 'chat+tools';
    const rows = (await desk.rows(2)).map(factsOf);
    assert.deepEqual(
      rows.map((row) => ({ ...row, prompt: null })),
      [well(shape, { output: 30 }), well(shape, { output: 30 })],
    );
    assert.ok((rows[0]?.prompt ?? 0) < (rows[1]?.prompt ?? 0), 'the second call carries the result of the tool');
  });
}

test('an agent of @openai/agents is told why serverless refuses', async (t) => {
  const desk = await openDesk(t);
  await desk.sim.setFault({ target: 'router', kind: 'credits' });
  const error = (await errorOf(connect(desk).run(forecaster().agent, 'Hi'))) as Error & { readonly status: number };
  assert.match(error.message, /depleted your monthly included credits/);
  assert.equal(error.status, 402);
  assert.deepEqual((await desk.rows(1)).map(factsOf), [well('chat+tools', { outcome: 'no_credits', status: 402 })]);
});
