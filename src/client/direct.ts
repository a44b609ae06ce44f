/** Where Node keeps what carries the requests of its `fetch`. */
const GLOBAL_DISPATCHER = Symbol.for('undici.globalDispatcher.1');
const BY_ENVIRONMENT = 'EnvHttpProxyAgent';

/**
 * What carries a request of Node's `fetch` past the proxies of the environment (`NODE_USE_ENV_PROXY`); undefined if
 * there are none, or if the program itself has replaced what carries its requests. Node has no name for it: it is made
 * of the class that Node uses.
 */
export function directDispatcher(): object | undefined {
  const present: unknown = Reflect.get(globalThis, GLOBAL_DISPATCHER);
  if (typeof present !== 'object' || present === null) return undefined;
  const made = present.constructor;
  if (made.name !== BY_ENVIRONMENT) return undefined;
  const direct: unknown = Reflect.construct(made, [{ noProxy: '*' }]);
  return typeof direct === 'object' && direct !== null ? direct : undefined;
}
