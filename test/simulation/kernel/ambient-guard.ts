/**
 * Keeps real time, chance, disk and network out of a simulation: while the guard stands, whoever asks the machine for any of
 * them gets an error that says where to get it instead. Without it one forgotten `Date.now()` would make runs differ only
 * now and then, which is the worst kind of nondeterminism to find.
 *
 * Two more fences: `noRealWork` looks whether anything but our own immediates keeps the process busy, and every seed that is
 * run twice must give one hash.
 */

import { createRequire, syncBuiltinESMExports } from 'node:module';

const require = createRequire(import.meta.url);

/** Functions of Node's modules that reach out of the simulation. Reading a file at import is over by then. */
const forbiddenFunctions: Readonly<Record<string, readonly string[]>> = {
  crypto: ['randomBytes', 'randomInt', 'randomUUID', 'randomFillSync', 'randomFill'],
  timers: ['setTimeout', 'setInterval', 'setImmediate'],
  'timers/promises': ['setTimeout', 'setInterval', 'setImmediate'],
  net: ['connect', 'createConnection', 'createServer'],
  http: ['request', 'get', 'createServer'],
  http2: ['connect', 'createServer'],
  child_process: ['spawn', 'exec', 'execFile', 'fork'],
  fs: [
    'open',
    'openSync',
    'readFile',
    'readFileSync',
    'writeFile',
    'writeFileSync',
    'readdir',
    'stat',
    'access',
    'mkdir',
  ],
  'fs/promises': ['open', 'readFile', 'writeFile', 'readdir', 'stat', 'access', 'mkdir', 'rm', 'statfs'],
  dns: ['lookup', 'resolve'],
  zlib: ['gzip', 'gunzip', 'deflate', 'inflate', 'brotliCompress', 'brotliDecompress'],
};

const forbiddenGlobals = ['setTimeout', 'setInterval', 'setImmediate', 'fetch'] as const;

/** Calls `run` while ambient time, chance and I/O throw. Guards do not nest. */
export async function guarded<T>(run: () => Promise<T>): Promise<T> {
  const restore = stand();
  try {
    return await run();
  } finally {
    restore();
  }
}

function stand(): () => void {
  const undo: (() => void)[] = [];
  const replace = (target: object, name: string, label: string): void => {
    const before = Object.getOwnPropertyDescriptor(target, name);
    const value = (): never => {
      throw new Error(
        `${label}() was called inside a simulation: take time, chance, disk and network from Env`,
      );
    };
    // An inherited one (performance.now) is hidden by a property of its own, and shown again by its removal.
    Object.defineProperty(target, name, { value, configurable: true, writable: true });
    undo.push(() => {
      if (before === undefined) Reflect.deleteProperty(target, name);
      else Object.defineProperty(target, name, before);
    });
  };
  for (const [module, names] of Object.entries(forbiddenFunctions)) {
    const exports = require(`node:${module}`) as object;
    for (const name of names) replace(exports, name, `${module}.${name}`);
  }
  syncBuiltinESMExports();
  for (const name of forbiddenGlobals) replace(globalThis, name, name);
  replace(Math, 'random', 'Math.random');
  const webCrypto = Object.getPrototypeOf(crypto) as object;
  for (const name of ['getRandomValues', 'randomUUID']) replace(webCrypto, name, `crypto.${name}`);
  replace(performance, 'now', 'performance.now');
  replace(process, 'hrtime', 'process.hrtime');
  const RealDate = Date;
  globalThis.Date = timelessDate(RealDate);
  undo.push(() => {
    globalThis.Date = RealDate;
  });
  return () => {
    for (const step of undo.reverse()) step();
    syncBuiltinESMExports();
  };
}

/** A Date that turns numbers into dates and back, and does not know what time it is. */
function timelessDate(RealDate: DateConstructor): DateConstructor {
  const refuse = (): never => {
    throw new Error('the time was read from Date inside a simulation: take it from Env.clock');
  };
  return new Proxy(RealDate, {
    construct: (target, args: unknown[], newTarget) =>
      args.length === 0 ? refuse() : (Reflect.construct(target, args, newTarget) as object),
    apply: refuse,
    get: (target, name) => (name === 'now' ? refuse : Reflect.get(target, name)),
  });
}

/** What keeps a process busy that only simulates: our own immediates, and the ends of its pipes. */
const harmless = new Set(['Immediate', 'TTYWrap', 'PipeWrap', 'MessagePort', 'Timeout']);

/** Names of real work under way (file operations, sockets) that no simulation may have begun. Empty: none. */
export function realWork(before: readonly string[]): readonly string[] {
  const left = [...before];
  return process.getActiveResourcesInfo().filter((resource) => {
    if (harmless.has(resource)) return false;
    const index = left.indexOf(resource);
    if (index < 0) return true;
    left.splice(index, 1);
    return false;
  });
}
