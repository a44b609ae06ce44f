import { Chance } from './chance.ts';
import type { Odd } from './client.ts';
import { BEHAVIOURS } from './upstream.ts';

type Made = Omit<Odd, 'kind' | 'call'>;
type Maker = (chance: Chance, call: string) => Made;

const CHAT = '/v1/chat/completions';
const GOOD: Pick<Odd, 'parting' | 'answers' | 'allowed' | 'isEchoed'> = {
  parting: 'wait',
  answers: 1,
  allowed: [200],
  isEchoed: true,
};
const ANY: Pick<Odd, 'parting' | 'answers'> = { parting: 'wait', answers: 1 };

function bodyOf(chance: Chance, padding = 0): string {
  const model = chance.pick(['acme/split', 'acme/copied', 'other/model:groq']);
  return JSON.stringify({ model, stream: chance.roll() < 0.3, messages: [], padding: 'x'.repeat(padding) });
}

interface Parts {
  readonly method?: string;
  readonly path?: string;
  readonly version?: string;
  readonly headers?: readonly string[];
  readonly body?: string | Buffer;
  /** The `content-length` header, if it is not the body's length. */
  readonly length?: string | null;
}

function requestOf(call: string, { method = 'POST', path = CHAT, version = '1.1', ...parts }: Parts): Buffer {
  const { headers = [], body = '' } = parts;
  const { length = String(Buffer.byteLength(body)) } = parts;
  const lines = [`${method} ${path} HTTP/${version}`, 'host: gateway', `x-call: ${call}`, ...headers];
  if (length !== null) lines.push(`content-length: ${length}`);
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), Buffer.from(body)]);
}

const chunked = (body: Buffer, sizes: readonly Buffer[], end: string) =>
  Buffer.concat([
    ...sizes.flatMap((piece) => [Buffer.from(`${piece.length.toString(16)};odd="yes"\r\n`), piece, CRLF]),
    Buffer.from(end),
    body.subarray(body.length),
  ]);
const CRLF = Buffer.from('\r\n');

const MAKERS: Readonly<Record<string, Maker>> = {
  'good call': (chance, call) => ({ ...GOOD, pieces: [requestOf(call, { body: bodyOf(chance) })] }),

  'body of any size': (chance, call) => {
    const size = chance.pick([0, 1, 1_000, 60_000, 250_000, 300_000, 900_000, 1_500_000]);
    const body = size === 0 ? '' : bodyOf(chance, size);
    const pieces = chance.cut(requestOf(call, { body }), 65_536);
    if (size > 250_000) return { ...ANY, pieces, allowed: [413] };
    return size === 0 ? { ...ANY, pieces, allowed: [400] } : { ...GOOD, pieces };
  },

  'chunked body in odd pieces': (chance, call) => {
    const body = Buffer.from(bodyOf(chance, chance.below(3_000)));
    const head = requestOf(call, { headers: ['transfer-encoding: chunked'], length: null });
    const end = chance.pick(['0\r\n\r\n', '0\r\nx-trailer: yes\r\n\r\n', '000;last\r\n\r\n']);
    const whole = Buffer.concat([head, chunked(body, chance.cut(body, 700), end)]);
    return { ...GOOD, pieces: chance.cut(whole, 500) };
  },

  'wrong chunks': (chance, call) => {
    const head = requestOf(call, { headers: ['transfer-encoding: chunked'], length: null });
    const wrong = ['zz\r\n{}\r\n', '-1\r\n', 'ffffffffffffffffff\r\n{}', '2\r\n{}xx\r\n', '2\n{}\n0\n\n'];
    return { ...ANY, parting: 'half', pieces: [head, Buffer.from(chance.pick(wrong))] };
  },

  'bad JSON': (chance, call) => {
    const whole = bodyOf(chance);
    const body = chance.pick([
      Buffer.from(whole.slice(0, chance.below(whole.length))),
      chance.bytes(chance.below(2_000)),
      Buffer.from('[1,2]'),
      Buffer.from('{"model":"acme/split"'),
      Buffer.from('{"model":7}'),
      Buffer.from('{"model":""}'),
      Buffer.from('{"model":"\\ud800"}'),
      Buffer.from('{'.repeat(50_000)),
      Buffer.from('\u{feff}\u{feff}{"model":"acme/split"}'),
    ]);
    return { ...ANY, pieces: [requestOf(call, { body })], allowed: [400] };
  },

  'huge headers': (chance, call) => {
    const count = chance.pick([1, 50, 3_000]);
    const size = chance.pick([10, 1_000, 20_000, 100_000]);
    const headers = Array.from({ length: count }, (_, at) => `x-${at}: ${'h'.repeat(size / count)}`);
    return {
      ...ANY,
      pieces: chance.cut(requestOf(call, { headers, body: bodyOf(chance) }), 40_000),
      mayBeLost: true,
      allowed: [200, 431],
    };
  },

  pipelining: (chance, call) => {
    const answers = 2 + chance.below(5);
    const all = Array.from({ length: answers }, (_, at) => requestOf(`${call}.${at}`, { body: bodyOf(chance) }));
    const pieces = chance.pick([[Buffer.concat(all)], chance.cut(Buffer.concat(all), 300)]);
    return { ...GOOD, pieces, answers };
  },

  'pipelining behind nonsense': (chance, call) => ({
    ...ANY,
    pieces: [requestOf(call, { body: bodyOf(chance) }), chance.bytes(40), requestOf(call, { body: bodyOf(chance) })],
  }),

  'half-closed': (chance, call) => ({ ...ANY, parting: 'half', pieces: [requestOf(call, { body: bodyOf(chance) })] }),

  'absurd length': (chance, call) => {
    const length = chance.pick([
      '-1',
      '1e3',
      'abc',
      '',
      '99999999999999999999',
      '+5',
      '5, 6',
      '0x10',
      '4611686018427387904',
    ]);
    return { ...ANY, parting: 'half', pieces: [requestOf(call, { body: bodyOf(chance), length })] };
  },

  'both lengths': (chance, call) => {
    const headers = chance.pick([
      ['transfer-encoding: chunked'],
      ['transfer-encoding: gzip, chunked'],
      ['content-length: 3'],
    ]);
    return { ...ANY, parting: 'half', pieces: [requestOf(call, { headers, body: bodyOf(chance) })] };
  },

  'another method': (chance, call) => {
    const methods = [
      'GET',
      'HEAD',
      'PUT',
      'PATCH',
      'DELETE',
      'OPTIONS',
      'TRACE',
      'CONNECT',
      'PROPFIND',
      'BREW',
      'get',
      '',
    ];
    const path = chance.pick([CHAT, '/v1/models', '/', '*', 'gateway:443', '/models/acme/tiny']);
    return { ...ANY, parting: 'half', pieces: [requestOf(call, { method: chance.pick(methods), path, length: '0' })] };
  },

  garbage: (chance) => {
    const hello = Buffer.from([22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3]);
    const old = Buffer.from('GET / HTTP/9.9\r\n\r\n');
    const h2 = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    return { ...ANY, parting: 'half', pieces: [chance.pick([chance.bytes(chance.below(5_000)), hello, old, h2])] };
  },

  'asks before it sends': (chance, call) => {
    const body = bodyOf(chance, chance.below(20_000));
    const expect = chance.pick(['100-continue', '100-Continue', 'banana']);
    const whole = requestOf(call, { headers: [`expect: ${expect}`], body });
    const head = whole.indexOf('\r\n\r\n') + 4;
    const pieces = [whole.subarray(0, head), whole.subarray(head)];
    return expect === 'banana' ? { ...ANY, pieces, allowed: [417] } : { ...GOOD, pieces };
  },

  'asks and never sends': (_, call) => ({
    ...ANY,
    parting: 'half',
    pieces: [requestOf(call, { headers: ['expect: 100-continue'], length: '500' })],
  }),

  'duplicate headers': (chance, call) => {
    const twice = [
      'authorization',
      'x-agent-id',
      'content-type',
      'host',
      'origin',
      'x-api-key',
      'cookie',
      'connection',
    ];
    const name = chance.pick(twice);
    const headers = [`${name}: one`, `${name.toUpperCase()}: two`, 'connection: x-call, close'];
    return { ...ANY, pieces: [requestOf(call, { headers, body: bodyOf(chance) })], allowed: [200, 400, 403] };
  },

  'header of odd bytes': (chance, call) => {
    const value = chance.pick(['\u00e9\u00ff', 'a\tb', '\u0001', 'a\u0000b', ' ', 'x\r\n y', '\u007f']);
    const name = chance.pick(['x-agent-id', 'x-odd', 'authorization', 'content-encoding', 'user-agent']);
    return { ...ANY, pieces: [requestOf(call, { headers: [`${name}: ${value}`], body: bodyOf(chance) })] };
  },

  'slow body': (chance, call) => ({ ...GOOD, pieces: chance.cut(requestOf(call, { body: bodyOf(chance) }), 7) }),

  'odd path': (chance, call) => {
    const paths = [
      '/models/../../v1/models',
      '/models/%2e%2e/x',
      '/models/acme%2ftiny',
      '/models/acme/%ff',
      'http://elsewhere.invalid/v1/chat/completions',
      '//v1/chat/completions',
      '/agents//v1/chat/completions',
      '/agents/%zz/v1/chat/completions',
      `/models/${'a'.repeat(9_000)}`,
      '/together/\u00e9',
      '/hf-inference/models/a/b?x=%00#y',
      '/v1/chat/completions?a=b',
      '/v1/models/\u0001',
    ];
    return { ...ANY, parting: 'half', pieces: [requestOf(call, { path: chance.pick(paths), body: bodyOf(chance) })] };
  },

  'older HTTP': (chance, call) => {
    const headers = chance.pick([[], ['connection: keep-alive'], ['connection: close']]);
    const body = bodyOf(chance);
    return { ...ANY, pieces: [requestOf(call, { version: '1.0', headers, body })], allowed: [200] };
  },

  'wishes to upgrade': (chance, call) => {
    const headers = ['connection: upgrade', `upgrade: ${chance.pick(['websocket', 'h2c'])}`];
    return { ...ANY, pieces: [requestOf(call, { headers, body: bodyOf(chance) })] };
  },

  'odd upstream': (chance, call) => {
    const behaviour = chance.pick(BEHAVIOURS.filter((each) => each !== 'mute'));
    return { ...ANY, pieces: [requestOf(call, { headers: [`x-behave: ${behaviour}`], body: bodyOf(chance) })] };
  },

  'leaves a silent upstream': (chance, call) => ({
    ...ANY,
    parting: 'left',
    pieces: [requestOf(call, { headers: ['x-behave: mute'], body: bodyOf(chance) })],
  }),

  'leaves in the midst of an answer': (chance, call) => {
    const behaviour = chance.pick(['big', 'informed', 'broken']);
    const pieces = [requestOf(call, { headers: [`x-behave: ${behaviour}`], body: bodyOf(chance) })];
    return { ...ANY, parting: 'left', pieces };
  },

  'does not read': (chance, call) => ({
    ...ANY,
    parting: 'left',
    isDeaf: true,
    pieces: [requestOf(call, { headers: ['x-behave: big'], body: bodyOf(chance) })],
  }),

  'closes early': (chance, call) => {
    const { pieces } = chance.pick(Object.values(MAKERS).slice(0, 8))(chance, call);
    const whole = Buffer.concat(pieces);
    const part = whole.subarray(0, chance.below(whole.length));
    return { ...ANY, parting: chance.pick(['gone', 'reset', 'half']), pieces: chance.cut(part, 2_000) };
  },
};

/** So many odd requests of all kinds, the same for the same chance. */
export function oddRequests(count: number, roll: () => number): Odd[] {
  const chance = new Chance(roll);
  const kinds = Object.keys(MAKERS);
  return Array.from({ length: count }, (_, at) => {
    const kind = at < kinds.length ? (kinds[at] as string) : chance.pick(kinds);
    const call = `call-${at}-`;
    return { kind, call, ...(MAKERS[kind] as Maker)(chance, call) };
  });
}
