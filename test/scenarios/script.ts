import { LOOSE_JUDGE } from '../support/stage.ts';
import type { EffectName, EndpointSeen, Observation, OperatorRequest } from '../../src/core/decide/observation.ts';
import type { Alternative } from '../../src/core/rollout/instances.ts';
import { ENDPOINT_POLICY, INSTANCE } from '../support/samples.ts';
import type { Traffic } from './traffic.ts';
import { World } from './world.ts';

/** Some commands and what was decided while they ran. */
export interface Block {
  readonly commands: readonly string[];
  readonly expected: string;
}

/** A transcript: what it is about, and blocks of commands, `----`, and what was then decided. */
export interface Transcript {
  readonly about: readonly string[];
  readonly blocks: readonly Block[];
}

export function parseTranscript(text: string): Transcript {
  const paragraphs = text.trim().split(/\n\n+/);
  const about = (paragraphs[0] ?? '').split('\n').filter((line) => line.startsWith('#'));
  const blocks = paragraphs.slice(about.length > 0 ? 1 : 0).map((paragraph) => {
    const [commands = '', expected = ''] = paragraph.split(/^----$/m);
    return { commands: commands.trim().split('\n'), expected: expected.replace(/^\n|\n$/g, '') };
  });
  return { about, blocks };
}

export function formatTranscript({ about, blocks }: Transcript): string {
  const texts = blocks.map(({ commands, expected }) => {
    return `${commands.join('\n')}\n----${expected === '' ? '' : `\n${expected}`}\n`;
  });
  return [`${about.join('\n')}\n`, ...texts].join('\n');
}

/** Runs a transcript from its `policy` line to its end; returns it with the real decisions, block by block. */
export async function runTranscript({ about, blocks }: Transcript): Promise<Transcript> {
  const [policy = '', ...rest] = blocks[0]?.commands ?? [];
  await using world = await new World(policyOf(policy)).open();
  const script = new Script(world);
  const ran: Block[] = [];
  for (const [i, { commands }] of blocks.entries()) {
    for (const command of i === 0 ? rest : commands) await script.run(command);
    ran.push({ commands, expected: world.lines.join('\n') });
    world.lines = [];
  }
  await world.check();
  return { about, blocks: ran };
}

const UNITS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000 };

function spanOf(text = ''): number {
  const match = /^(\d+)([smh])$/.exec(text);
  if (match === null) throw new Error(`expected a span such as 30s, 5m or 6h, got "${text}"`);
  return Number(match[1]) * (UNITS[match[2] as string] as number);
}

const ENDPOINT_KEYS = ['maxPricePerHour', 'minReplica', 'maxReplica'];
const SCALING_KEYS = ['adjust', 'from', 'to', 'every', 'within'];
const BUDGET = ['perHour', 'perDay', 'perRollout'];
const CRITERIA = ['window', 'calls', 'agents', 'refused', 'sustain', 'cooldown'];

/** `slo=p95:20s,availability:99%`, `predictability=5`, `cost=20%`, `require=any`, `require=slo|cost+calls`. */
const FURTHER: Readonly<Record<string, (text: string) => unknown>> = {
  slo: (text) => Object.fromEntries(text.split(',').map((part) => part.split(':'))) as object,
  predictability: (text) => ({ ratio: Number(text) }),
  cost: (text) => ({ cheaperBy: text }),
  require: (text) => (text === 'all' || text === 'any' ? text : text.split('|').map((set) => set.split('+'))),
};

/** `policy steps=10,50,100 bake=5m approval=manual`: a route's settings; all others are the defaults. */
function policyOf(line: string): object {
  const [name, ...settings] = line.split(' ');
  if (name !== 'policy') throw new Error(`a transcript begins with its policy, not with "${line}"`);
  const policy: Record<string, unknown> = {};
  const criteria: Record<string, unknown> = {};
  const limits: Record<string, unknown> = {};
  const budget: Record<string, unknown> = {};
  const scaling: Record<string, unknown> = {};
  const back: Record<string, unknown> = {};
  const slo: Record<string, unknown> = {};
  const endpoint: Record<string, unknown> = { ...ENDPOINT_POLICY };
  let hasEndpoint = true;
  for (const setting of settings) {
    const [key, value] = setting.split('=') as [string, string];
    const typed = /^\d+(\.\d+)?$/.test(value) ? Number(value) : value;
    if (key === 'steps') policy['steps'] = value.split(',').map((percent) => Number(percent) / 100);
    else if (key === 'approval' || key === 'affinity') policy[key] = value;
    else if (key === 'judge') policy['judge'] = value === 'default' ? {} : LOOSE_JUDGE;
    else if (key === 'windows') policy['windows'] = [windowOf(value)];
    else if (key === 'endpoint') hasEndpoint = value !== 'none';
    else if (ENDPOINT_KEYS.includes(key)) endpoint[key] = typed;
    else if (SCALING_KEYS.includes(key)) scaling[key] = typed;
    else if (key === 'sleep') scaling[key] = { after: value };
    else if (key in FURTHER) criteria[key] = (FURTHER[key] as (text: string) => unknown)(value);
    else if (BUDGET.includes(key)) budget[key] = typed;
    else if (key.startsWith('back.')) back[key.slice(5)] = typed;
    else if (key.startsWith('slo.')) slo[key.slice(4)] = typed;
    else if (CRITERIA.includes(key)) criteria[key] = typed;
    else limits[key] = typed;
  }
  const holdBack = { share: '2%', time: '5m' };
  return {
    shadow: { share: 0 },
    holdBack,
    judge: LOOSE_JUDGE,
    ...policy,
    criteria,
    limits,
    budget,
    scaling,
    back: { ...back, ...(Object.keys(slo).length > 0 && { slo }) },
    ...(hasEndpoint && { endpoint }),
  };
}

/** `fri,sat@09:00-09:30@Europe/Berlin` */
function windowOf(text: string): object {
  const [days = '', times = '', zone] = text.split('@');
  const [from, to] = times.split('-');
  return { days: days.split(','), from, to, zone };
}

/** `perDay=5`, in dollars. */
function budgetSetting(setting: string): [string, number] {
  const [key = '', value] = setting.split('=');
  if (!BUDGET.includes(key)) throw new Error(`no such budget: "${setting}"`);
  return [key, Number(value)];
}

/** An instance to try next: each is dearer by 50 cents than the one before. */
function alternative(instanceType: string, place: number): Alternative {
  return { instance: { ...INSTANCE, instanceType }, pricePerHourMicros: 1_300_000 + (place + 1) * 500_000 };
}

const QUIET: Traffic = { agents: 64, refused: 0.08, endpoint: 'ok', serverless: 'ok' };
/** In a rollout toward the endpoint, a transcript may name the upstreams by their roles. */
const SIDES: Readonly<Record<string, string>> = { canary: 'endpoint', stable: 'serverless' };

/** Runs the commands of a transcript. */
class Script {
  readonly #world: World;
  #traffic = QUIET;

  constructor(world: World) {
    this.#world = world;
  }

  async run(line: string): Promise<void> {
    const [word = '', ...rest] = line.split(' ');
    const world = this.#world;
    switch (word) {
      case 'calls':
        return this.#calls(rest);
      case 'tick':
        return world.pass(spanOf(rest[0]));
      case 'endpoint':
        return world.see(
          rest[0] as EndpointSeen['state'],
          rest[0] === 'running' && rest[1] !== 'unhealthy',
          rest[1] === 'ready' ? Number(rest[2]) : undefined,
          rest[1] === 'saying' ? rest.slice(2).join(' ') : null,
        );
      case 'file':
        return world.setBudget(Object.fromEntries(rest.map((setting) => budgetSetting(setting))));
      case 'windows':
        return world.openWindows();
      case 'account':
        return world.setAccount(rest[0] as Observation['account']);
      case 'limit':
        return world.setLimit(rest[0] === 'unknown' ? null : Number(rest[0]));
      case 'break-even':
        return world.setBreakEven(rest[0] === 'unknown' ? null : Number(rest[0]));
      case 'survey':
        return world.survey(Number(rest[0]), rest.length > 1 ? rest.slice(1).join(' ') : null);
      case 'alternatives':
        world.alternatives = rest.map((name, i) => alternative(name, i));
        return;
      case 'result':
        return this.#result(rest);
      case 'approve':
      case 'reject':
      case 'pause':
      case 'resume':
      case 'abort':
        return this.#request(word, rest);
      case 'over-evidence':
      case 'through-outage':
        return this.#request(word === 'over-evidence' ? 'over_evidence' : 'through_outage', rest);
      case 'hear':
        return world.hear();
      case 'outage':
        return world.setOut(rest[0] === 'begins');
      case 'freeze':
      case 'thaw':
      case 'lift':
      case 'propose':
        return world.requestOfRoute(
          word === 'lift' ? 'resume' : word,
          rest.length === 0 ? null : rest.slice(1).join(' '),
        );
      case 'restart':
        return world.restart();
      case 'costs':
        return this.#costs(rest);
      case 'status':
        world.lines.push(...world.status());
        return;
      case 'explain':
        world.lines.push(...world.explain());
        return;
      case 'figures':
        world.lines.push(world.figures());
        return;
      case 'reach':
        return this.#reach(rest.join(' '));
      default:
        throw new Error(`no such command: "${line}"`);
    }
  }

  /** `costs unknown`, `costs 12.40 against 1.30`: dollars per hour of serverless, and of an endpoint. */
  #costs([serverless = '', , dedicated = '']: string[]): void {
    const micros = (dollars: string) => Math.round(Number(dollars) * 1_000_000);
    const costs = { serverlessPerHourMicros: micros(serverless), dedicatedPerHourMicros: micros(dedicated) };
    this.#world.demandCosts = serverless === 'unknown' ? null : costs;
  }

  /**
   * `calls 2100 over 5m [agents 64] [refused 8%] [endpoint ok|fail|slow] [serverless ok|fail|slow|down] [lasting 30s]
   * [took 8s] [spread 9]`: how long the endpoint and serverless take, and how many times as long for every fiftieth call.
   */
  async #calls([count, , span, ...options]: string[]): Promise<void> {
    const traffic: Record<string, string | number> = { ...QUIET };
    for (let i = 0; i < options.length; i += 2) {
      const [name, value] = [options[i] as string, options[i + 1] as string];
      const key = SIDES[name] ?? name;
      const read = {
        agents: Number,
        spread: Number,
        refused: (text: string) => Number.parseFloat(text) / 100,
        lasting: spanOf,
        took: spanOf,
      }[key];
      traffic[key] = read === undefined ? value : read(value);
    }
    this.#traffic = traffic as unknown as Traffic;
    await this.#world.call(Number(count), spanOf(span), this.#traffic);
  }

  /** `result ensure ok`, `result ensure problem conflict no quota left` */
  #result([effect, outcome, code = '', ...message]: string[]): Promise<void> {
    const problem = { code, message: `${effect}: ${message.join(' ')}` };
    return this.#world.finish(effect as EffectName, outcome === 'ok' ? 'ok' : problem);
  }

  /** `approve`, `approve ask 1`, `abort because it is late` */
  #request(kind: OperatorRequest['kind'], [word, ...rest]: string[]): Promise<void> {
    if (word === 'ask') return this.#world.request(kind, null, Number(rest[0]));
    return this.#world.request(kind, word === 'because' ? rest.join(' ') : null);
  }

  /**
   * `reach proposed`, `reach provisioning`, `reach warming`, `reach 50%`, `reach promoted`: goes there with
   * good traffic and an approval of every question, and writes one line.
   */
  async #reach(where: string): Promise<void> {
    const world = this.#world;
    const linesBefore = [...world.lines];
    const perMinute = Math.ceil((world.policy.criteria.calls * 1.2 * 60_000) / world.policy.criteria.window);
    for (let minute = 0; !this.#isAt(where); minute++) {
      if (minute > 600) throw new Error(`cannot reach ${where}: ${world.lines.at(-1)}`);
      await this.#help(where);
      if (this.#isAt(where)) break;
      await world.call(perMinute, 60_000, QUIET);
    }
    world.lines = [...linesBefore, `        reached ${where}`];
  }

  #isAt(where: string): boolean {
    const { rollout, policy } = this.#world.watch;
    if (where === 'proposed') return rollout?.phase === 'proposed' && rollout.ask !== null;
    if (rollout?.phase !== 'stepping' || !where.endsWith('%')) return rollout?.phase === where;
    return (rollout.step === 0 ? 0 : (policy.steps[rollout.step - 1] ?? 1)) * 100 === Number.parseFloat(where);
  }

  /** Ends effects and answers questions until the phase is reached or nothing is left to do. */
  async #help(where: string): Promise<void> {
    const world = this.#world;
    for (let i = 0; i < 10 && !this.#isAt(where); i++) {
      const { watch } = world;
      const [effect] = watch.reported.running;
      if (effect === 'survey') await world.survey(1.3, null);
      else if (effect !== undefined) await world.finish(effect, 'ok');
      else if (watch.rollout?.ask != null) await world.request('approve', null);
      else if (watch.rollout?.phase === 'provisioning' && watch.endpoint?.state === 'pending') {
        await world.see('running', true);
      } else return;
    }
  }
}
