import type { Argv, CommandModule } from 'yargs';
import { AppError } from '../../core/errors.ts';
import { Daemon } from '../../daemon/daemon.ts';
import { createLog } from '../../daemon/log.ts';
import { proxiesInUse } from '../../daemon/proxies.ts';
import { createClock } from '../../files/clock.ts';
import { readEnvironment } from '../../files/environment.ts';
import { nextSignal, stopAtSecondSignal } from '../terminal/signals.ts';
import { VERSION } from '../version.ts';

interface StartOptions {
  readonly db: string;
  readonly json: boolean;
  readonly policy: string;
  readonly key: string | undefined;
  readonly port: number;
  readonly adminPort: number;
  readonly host: string;
  readonly group: string | undefined;
}

const LOOPBACK = new Set(['127.0.0.1', 'localhost', '::1']);

export const startCommand: CommandModule<object, StartOptions> = {
  command: 'start',
  describe: 'Run the gateway and the daemon that migrates traffic as the policy says',
  builder: (yargs) =>
    yargs
      .option('json', { type: 'boolean', default: false, describe: 'Print the addresses as one line of JSON' })
      .option('policy', { type: 'string', default: 'policies/default.yaml', describe: 'Path of the policy file' })
      .option('key', {
        type: 'string',
        requiresArg: true,
        describe:
          'File with the key that signs what the ledger says. It is made if it is missing. Default: beside the ledger',
      })
      .option('port', { type: 'number', default: 8787, describe: 'Port of the gateway' })
      .option('admin-port', { type: 'number', default: 8788, describe: 'Port that serves /healthz and /metrics' })
      .option('host', {
        type: 'string',
        default: '127.0.0.1',
        describe: 'Address of the gateway: 127.0.0.1, which localhost stands for, or ::1',
      })
      .option('group', {
        type: 'string',
        requiresArg: true,
        describe: 'Group of users who may approve and reject, without reading or writing the ledger',
      })
      .example(
        'HF_TOKEN=... npx upshift start --policy policies/default.yaml',
        'then set the base URL of your agents to http://127.0.0.1:8787/v1',
      )
      .epilogue(
        'Environment:\n' +
          '  HF_TOKEN              your token. It pays for the endpoint. The gateway also\n' +
          '                        uses it for calls that carry no token\n' +
          '  UPSHIFT_ROUTER_URL, UPSHIFT_ENDPOINTS_URL, HF_ENDPOINT\n' +
          '                        other base URLs than those of Hugging Face\n' +
          '  HTTPS_PROXY, HTTP_PROXY, NO_PROXY\n' +
          '                        proxies between upshift and Hugging Face; localhost,\n' +
          '                        127.0.0.1 and ::1 never take one\n' +
          '  CREDENTIALS_DIRECTORY folder of systemd credentials: if it has upshift.key, this is\n' +
          '                        the key\n' +
          '  NODE_EXTRA_CA_CERTS   file with further certificates to trust (PEM)\n' +
          'The log goes to standard error, as lines of JSON.\n' +
          'After SIGTERM or Ctrl-C, running calls get 30 s to end. A second signal stops\n' +
          'the daemon at once.\n' +
          '--json: one line {"gateway","admin","pid","db","policy"} once it listens.',
      ) as unknown as Argv<StartOptions>,
  handler: async (options) => {
    if (!LOOPBACK.has(options.host)) {
      throw new AppError('invalid', `--host ${options.host} is not a loopback address`, {
        hint: 'the gateway has no login of its own: leave --host out and reach it through your own proxy or tunnel',
      });
    }
    for (const [flag, port] of Object.entries({ port: options.port, 'admin-port': options.adminPort })) {
      if (!Number.isInteger(port) || port < 0 || port > 65_535) {
        throw new AppError('invalid', `--${flag} ${port} is not a port`, {
          hint: 'expected a whole number from 0 to 65535',
        });
      }
    }
    const environment = readEnvironment(process.env);
    const clock = createClock({ scale: environment.timeScale, start: environment.timeStart });
    const daemon = await Daemon.open({
      dbPath: options.db,
      keyPath: options.key ?? environment.keyPath ?? undefined,
      policyPath: options.policy,
      port: options.port,
      host: addressOf(options.host),
      adminPort: options.adminPort,
      group: options.group,
      version: VERSION,
      environment,
      clock,
      log: createLog(),
    });
    // Listening before it says that it runs: who reads that may send one at once.
    const signalled = nextSignal();
    announce(daemon, options, proxiesInUse(environment));
    daemon.run();
    const signal = await signalled;
    stopAtSecondSignal();
    if (!options.json) console.log(`${signal}: letting running calls end (up to 30 s)`);
    const { cut } = await daemon.close();
    if (cut > 0 && !options.json) console.log(`${cut} calls were cut`);
  },
};

/** The address that `--host` names: the name may be either address, depending on the machine. */
function addressOf(host: string): string {
  return host === 'localhost' ? '127.0.0.1' : host;
}

function announce(
  daemon: Daemon,
  { json, db, policy, host }: StartOptions,
  proxies: Readonly<Record<string, string>>,
): void {
  const address = addressOf(host);
  const gateway = `http://${address.includes(':') ? `[${address}]` : address}:${daemon.ports.gateway}`;
  const admin = `http://127.0.0.1:${daemon.ports.admin}`;
  if (json) {
    console.log(JSON.stringify({ gateway, admin, pid: process.pid, db, policy }));
    return;
  }
  console.log(`upshift ${VERSION}  ledger ${db}  policy ${policy}`);
  console.log(`gateway ${gateway}/v1   set your agents' base URL to this`);
  console.log(`admin   ${admin}/healthz and /metrics`);
  for (const [host, proxy] of Object.entries(proxies)) console.log(`proxy   ${proxy} for ${host}`);
  console.log('watch   npx upshift status --watch');
}
