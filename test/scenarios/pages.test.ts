import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseTranscript, runTranscript } from './script.ts';

const POLICY = 'policy steps=10,50,100 bake=5m minCalls=100 calls=2000 agents=50';
const STEP = `${POLICY} judge=default
reach 10%
calls 2400 over 5m`;

/** Each new situation, as commands that lead into it. */
const SITUATIONS: Readonly<Record<string, string>> = {
  'the first step is asked about': `${POLICY}\nreach warming\nresult warm ok`,
  'the criteria were nearly met': `${POLICY}\ncalls 1900 over 5m\ncalls 5700 over 15m\ntick 6m`,
  'the criteria are not met': `${POLICY}\ncalls 100 over 5m`,
  'the criteria hold, but not for long enough': `${POLICY}\ncalls 2600 over 6m`,
  'paused by a person': `${STEP}\npause because a release\ntick 3h`,
  'frozen by a person': `${STEP}\nfreeze because release week\ntick 2m`,
  'frozen while it is only watched': `${POLICY}\nfreeze because release week\ntick 2m`,
  'aborted until somebody resumes': `${STEP}\nabort because callers complain\nresult pause ok\ntick 2m`,
  'no window is open, and nothing is asked': `${POLICY} windows=fri@09:00-09:04@Europe/Berlin\ncalls 7200 over 15m`,
  'no window is open, and a step is asked about': `${POLICY} windows=fri@09:00-09:16@Europe/Berlin\nreach 10%\ncalls 3000 over 8m`,
  'a window is open, and a step is asked about': `${POLICY} windows=fri@09:00-10:00@Europe/Berlin\nreach 10%\ncalls 3000 over 8m`,
  'entered over the evidence': `${STEP}\nover-evidence because the release cannot wait`,
  'no machine for the instance': `${POLICY}
alternatives nvidia-l4 nvidia-a10g-large
reach proposed
approve
result ensure ok
endpoint failed saying Scheduling failure: not enough hardware capacity`,
  'no machine for any instance': `${POLICY}
reach proposed
approve
result ensure ok
endpoint failed saying Scheduling failure: not enough hardware capacity
result pause ok
tick 1m`,
  'an endpoint that takes its time': `${POLICY}\nreach provisioning\ntick 12m`,
  'an endpoint that is warmed up': `${POLICY}\nreach warming`,
  'serverless is out while a step lasts': `${STEP}\noutage begins\ntick 1m`,
  'the endpoint takes the calls of serverless': `${STEP}\noutage begins\nthrough-outage because callers wait`,
  'serverless is out while it is only watched': `${POLICY}\ncalls 2600 over 4m\noutage begins\ntick 1m`,
  'no calls come': `${STEP}\ntick 41m`,
  'a step is too old': `${STEP}\ntick 3h`,
  'proposed by hand': `${POLICY}\ncalls 100 over 5m\npropose because the launch is tomorrow\nsurvey 1.30\nhear\ntick 1m`,
  'too expensive': `${POLICY} maxPricePerHour=1\ncalls 4800 over 10m\nsurvey 4.20`,
  'no instance fits': `${POLICY}\ncalls 4800 over 10m\nsurvey 1.30 no instance holds the model`,
  'the Hub refuses the token': `${POLICY}\naccount refused\ncalls 4800 over 10m`,
  'the endpoint was rolled back': `${POLICY}\nreach 50%\ncalls 30 over 10s endpoint fail\nresult pause ok\ntick 5m`,
  'the budget is nearly used up': `${POLICY} perRollout=1.4\nreach 10%\ncalls 2400 over 50m`,
  'a promoted endpoint without a trouble': `${POLICY}\nreach promoted`,
};

/** Labels of lines that say what a person can do, also if that is nothing. */
const ACTIONS = /^ (?:type|to do) {2,}\S/m;
/** Nothing is wrong and nothing is asked: the figures of the criteria, or of the promoted endpoint, say it all. */
const CALM = /^ now {2,}(?:criteria not met|sustaining|promoted): /m;

/** The pages of `status` and `explain` after these commands. */
async function pagesOf(commands: string): Promise<[status: string, explain: string]> {
  const blocks = [commands, 'status', 'explain'].map((block) => `${block}\n----\n`).join('\n');
  const ran = await runTranscript(parseTranscript(`# pages\n\n${blocks}`));
  return [ran.blocks.at(-2)?.expected ?? '', ran.blocks.at(-1)?.expected ?? ''];
}

describe('the pages of each situation', { concurrency: 2 }, () => {
  for (const [name, commands] of Object.entries(SITUATIONS)) {
    it(name, async () => {
      const [status, explain] = await pagesOf(commands);
      if (process.env['UPSHIFT_SHOW_PAGES'] === '1')
        process.stdout.write(`\n=== ${name}\n${status}\n--- explain\n${explain}\n`);
      for (const page of [status, explain]) {
        assert.deepEqual(
          page.split('\n').filter((line) => line.length > 80),
          [],
        );
      }
      assert.ok(ACTIONS.test(status) || CALM.test(status), `no line says what to do:\n${status}`);
    });
  }
});
