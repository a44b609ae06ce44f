import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MODEL, SSE, ask, chat, chatAnswer, chatEvents, json, startRig, startUpstream } from './rig.ts';

test('passes an answer on in one piece and writes one row with its tokens', async () => {
  await using router = await startUpstream((res) => json(res, 200, chatAnswer(MODEL), { 'x-request-id': 'r-1' }));
  await using rig = await startRig({ router: router.url });
  const answer = await ask(rig.url, {
    body: chat(),
    headers: { authorization: 'Bearer hf_client', 'x-agent-id': 'a-1' },
  });
  assert.equal(answer.status, 200);
  assert.deepEqual(JSON.parse(answer.body), chatAnswer(MODEL));
  assert.equal(answer.headers['x-request-id'], 'r-1');
  assert.equal(answer.headers['x-upshift-upstream'], 'serverless');
  const [call] = await rig.recorded(1);
  assert.ok(call);
  assert.equal(call.status, 200);
  assert.equal(call.outcome, 'ok');
  assert.equal(call.finalOutcome, 'ok');
  assert.equal(call.agent, 'a-1');
  assert.equal(call.model, MODEL);
  assert.equal(call.shape, 'chat');
  assert.equal(call.servedBy, 'serverless');
  assert.equal(call.role, null);
  assert.equal(call.promptTokens, 7);
  assert.equal(call.outputTokens, 11);
  assert.equal(call.requestBytes, Buffer.byteLength(chat()));
  assert.equal(call.responseBytes, Buffer.byteLength(answer.body));
  assert.equal(call.attempts.length, 1);
  assert.ok(call.firstByteUs !== null && call.firstByteUs <= call.durationUs);
  // The answer comes in one piece at its end: it has neither a first token nor a time per token.
  assert.equal(call.firstTokenUs, null);
});

test('passes a stream on, and reads the usage after the finish reason', async () => {
  await using router = await startUpstream((res) => {
    res.writeHead(200, SSE);
    for (const event of chatEvents(MODEL, ['Hel', 'lo'])) res.write(event);
    res.end();
  });
  await using rig = await startRig({ router: router.url });
  const answer = await ask(rig.url, { body: chat({ stream: true }) });
  assert.equal(answer.body, chatEvents(MODEL, ['Hel', 'lo']).join(''));
  const [call] = await rig.recorded(1);
  assert.equal(call?.shape, 'chat+stream');
  assert.equal(call?.promptTokens, 7);
  assert.equal(call?.outputTokens, 2);
  assert.ok(call?.firstTokenUs !== null);
});
