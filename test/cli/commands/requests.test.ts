import assert from 'node:assert/strict';
import { userInfo } from 'node:os';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { wordsPath } from '../../../src/ledger/ownership.ts';
import { WordFolder } from '../../../src/ledger/words/word-folder.ts';
import { openAskingBook, openBook, upshift } from '../rig.ts';
import type { Book } from '../rig.ts';
import type { Observation } from '../../../src/core/decide/observation.ts';
import { ONE_APPROVAL } from '../../../src/core/policy/approvals.ts';
import { routePolicy, START } from '../../support/samples.ts';

/** The words that wait for the daemon. */
function pending(book: Book) {
  const folder = new WordFolder(wordsPath(book.path));
  const { words, notes } = folder.look();
  assert.deepEqual(notes, []);
  return words;
}

/** Runs a command while this process answers its request as the daemon would. */
async function whileDeciding(book: Book, args: readonly string[], seen: Partial<Observation> = {}) {
  const running = upshift([...args, '--db', book.path]);
  const state = { isOver: false };
  void running.finally(() => (state.isOver = true));
  while (!state.isOver) {
    const [request] = (await book.ledger.journal.pendingRequests(null)).requests;
    if (request !== undefined) await book.tick({ ...seen, request });
    await pause(5);
  }
  return running;
}

describe('requests', { concurrency: 4 }, () => {
  it('approve answers the open question and says what the daemon made of it', async (context: TestContext) => {
    const book = await openAskingBook(context);
    const { code, out, err } = await whileDeciding(book, ['approve', '--step', '0', '--reason', 'go']);
    assert.deepEqual(
      { code, out, err },
      {
        code: 0,
        out: 'question 1: step 0: no figures\ndone: approve aaaabbbb: the endpoint writer-aaaabbbb is being created\n',
        err: '',
      },
    );
    const [event] =
      (await upshift(['explain', '4', '--json', '--db', book.path])).out.match(/"type":"approved"[^}]*/) ?? [];
    assert.match(event ?? '', /"step":0,"by":"[^"]+@[^"]+","reason":"go"/);
  });

  it('one of two approvals is counted, exit 0, and the same person is not counted twice, exit 4', async (context) => {
    const book = await openAskingBook(context);
    const seen = { policy: routePolicy({ approvals: { ...ONE_APPROVAL, provision: 2 } }) };
    const first = await whileDeciding(book, ['approve'], seen);
    assert.deepEqual([first.code, first.err], [0, '']);
    assert.match(first.out, /\ncounted: approve aaaabbbb: 1 of 2 approvals: \S+@\S+; one more person is needed\n$/);
    const again = await whileDeciding(book, ['approve'], seen);
    assert.equal(again.code, 4);
    assert.match(again.err, /approve refused: you have already approved it; one more person is needed/);
    const { out } = await upshift(['explain', '5', '--db', book.path]);
    assert.match(out, /asks\s+about\s+step\s+0\s+since[^]*1\s+of\s+2\s+approvals/);
  });

  it('pause and resume are carried out, and refused where they change nothing, exit 4', async (context) => {
    const book = await openAskingBook(context);
    const paused = await whileDeciding(book, ['pause', 'aaaa', '--json']);
    assert.equal(paused.code, 0);
    const { result, kind, rollout } = JSON.parse(paused.out) as Record<string, string>;
    assert.deepEqual({ result, kind, rollout }, { result: 'done', kind: 'pause', rollout: 'aaaabbbb' });
    const again = await whileDeciding(book, ['pause']);
    assert.equal(again.code, 4);
    assert.match(again.err, /pause refused: rollout aaaabbbb is already paused/);
    assert.equal((await whileDeciding(book, ['resume'])).code, 0);
  });

  it('an answer to another step is refused at once, exit 4', async (context) => {
    const book = await openAskingBook(context);
    const { code, err } = await upshift(['approve', '--step', '3', '--db', book.path]);
    assert.equal(code, 4);
    assert.match(err, /asks about step 0, not 3\nhint: .*approve aaaabbbb --step 0/);
    assert.deepEqual(pending(book), []);
  });

  it('an answer to no question is refused at once, exit 4', async (context) => {
    const book = await openAskingBook(context);
    assert.equal((await whileDeciding(book, ['approve'])).code, 0);
    const { code, err } = await upshift(['reject', '--db', book.path]);
    assert.equal(code, 4);
    assert.match(err, /asks nothing now[^]*npx upshift abort aaaabbbb/);
  });

  it('without a daemon the request waits, with a warning, exit 0', async (context) => {
    const book = await openAskingBook(context);
    await book.close();
    const { code, out, err } = await upshift(['abort', '--reason', 'too expensive', '--db', book.path, '--json']);
    assert.equal(code, 0);
    const { result, request: word } = JSON.parse(out) as Record<string, unknown>;
    assert.equal(result, 'queued');
    assert.match(err, /warning: no daemon is running/);
    const [request] = pending(book);
    assert.equal(request?.name, word);
    assert.equal(request?.kind, 'abort');
    assert.equal(request?.reason, 'too expensive');
    assert.equal(request?.uid, process.getuid?.());
  });

  it('--no-wait leaves the request to the daemon, exit 0', async (context) => {
    const book = await openAskingBook(context);
    const { code, out, err } = await upshift(['pause', '--no-wait', '--db', book.path]);
    assert.deepEqual({ code, err }, { code: 0, err: '' });
    assert.match(out, /queued for the daemon/);
    assert.equal(pending(book).length, 1);
  });

  it('freeze and thaw are answered without a decision, and refused where they change nothing, exit 4', async (context) => {
    const book = await openAskingBook(context);
    const say = (...args: string[]) => whileDeciding(book, args);
    const frozen = await say('freeze', '--reason', 'release week', '--json');
    assert.equal(frozen.code, 0, frozen.err);
    const { kind, rollout, model, result } = JSON.parse(frozen.out) as Record<string, unknown>;
    assert.deepEqual([kind, rollout, model, result], ['freeze', null, null, 'done']);
    const { by, reason } = (await book.ledger.journal.pendingRequests(null)).frozen ?? {};
    assert.deepEqual([by?.split('@')[0], reason], [userInfo().username, 'release week']);
    const again = await say('freeze');
    assert.equal(again.code, 4);
    assert.match(again.err, /freeze refused: \S+ has frozen all routes already/);
    assert.equal((await say('thaw')).code, 0);
    assert.equal((await book.ledger.journal.pendingRequests(null)).frozen, null);
    assert.match((await say('thaw')).err, /thaw refused: nothing is frozen/);
  });

  it('resume --model lifts an abort, exit 0, and nothing else, exit 4', async (context) => {
    const book = await openAskingBook(context);
    const none = await whileDeciding(book, ['resume', '--model', 'acme/writer']);
    assert.equal(none.code, 4);
    assert.match(none.err, /nobody has aborted the last rollout/);
    const held = { rolloutId: 'aaaabbbb', toward: 'serverless' as const, at: START, by: 'ann@desk', reason: null };
    const { code, err } = await whileDeciding(book, ['resume', '--model', 'acme/writer', 'aaaabbbb'], { held });
    assert.equal(code, 2, err);
  });

  it('what is done by hand needs a reason, and over the evidence also a step, exit 2', async (context) => {
    const book = await openAskingBook(context);
    for (const [args, what] of [
      [['approve', '--over-evidence'], /--over-evidence needs --step and --reason\nhint: .*--step N --reason TEXT/],
      [['approve', '--over-evidence', '--step', '2'], /--over-evidence needs --step and --reason/],
      [['approve', '--over-evidence', '--reason', 'x'], /--over-evidence needs --step and --reason/],
      [['propose', '--model', 'acme/writer'], /--reason is required/],
      [['propose', '--reason', 'x'], /--model is required/],
      [['propose', '--model', '', '--reason', 'x'], /--model is empty/],
    ] as const) {
      const { code, err } = await upshift([...args, '--db', book.path]);
      assert.equal(code, 2, `${args.join(' ')}: ${err}`);
      assert.match(err, what);
    }
    assert.deepEqual(pending(book), []);
  });

  it('approve --over-evidence and propose are words of their own, refused where they do not fit, exit 4', async (context) => {
    const book = await openAskingBook(context);
    const over = await whileDeciding(book, ['approve', '--over-evidence', '--step', '1', '--reason', 'x', '--json']);
    assert.equal(over.code, 4, over.err);
    const { kind, rollout, message } = JSON.parse(over.out) as Record<string, unknown>;
    assert.deepEqual([kind, rollout], ['over_evidence', 'aaaabbbb']);
    assert.match(String(message), /is proposed: it has no step/);
    const beside = await whileDeciding(book, ['propose', '--model', 'acme/writer', '--reason', 'x']);
    assert.equal(beside.code, 4);
    assert.match(beside.err, /nothing can be proposed beside it/);
  });

  it('what is empty, as an unset variable of a script is, is no word, exit 2', async (context) => {
    const book = await openAskingBook(context);
    for (const args of [['--step', ''], ['--step', ' '], ['--reason', ''], ['--reason', ' '], [''], [' ']]) {
      for (const kind of ['approve', 'reject', ...(args[0] === '--step' ? [] : ['abort', 'pause'])]) {
        const { code, err } = await upshift([kind, ...args, '--db', book.path]);
        assert.equal(code, 2, `${kind} ${args.join(' ')}: ${err}`);
        assert.match(err, /(the rollout|--step|--reason) is empty\nhint: leave it out/);
      }
    }
    assert.deepEqual(pending(book), []);
  });

  it('an unknown rollout, and none at all, exit 2', async (context) => {
    const book = await openAskingBook(context);
    const unknown = await upshift(['pause', 'zzz', '--db', book.path]);
    assert.equal(unknown.code, 2);
    assert.match(unknown.err, /there is no rollout "zzz"\nhint: active: aaaabbbb \(acme\/writer, proposed\)/);
    const empty = await openBook(context);
    const none = await upshift(['pause', '--db', empty.path]);
    assert.equal(none.code, 2);
    assert.match(none.err, /no rollout is active/);
  });

  it('nothing can be asked of a rollout that is over, exit 4', async (context) => {
    const book = await openAskingBook(context);
    assert.equal((await whileDeciding(book, ['reject', '--reason', 'no'])).code, 0);
    const { code, err } = await upshift(['abort', 'aaaabbbb', '--db', book.path]);
    assert.equal(code, 4);
    assert.match(err, /rollout aaaabbbb is over: it is aborted/);
  });
});
