/**
 * Keeps real time, chance, disk, network and machine out of a simulation: while the guard stands, whoever asks for any of
 * them gets an error that says where to get it instead. Without it one forgotten `Date.now()` would make runs differ only
 * now and then, which is the worst kind of nondeterminism to find. In Node's modules that reach out, everything is forbidden
 * that is not named as harmless, so that a function which a later Node adds is forbidden too.
 *
 * A function that somebody took before the guard stood (`const { now } = Date`) is not seen by it. Two more fences are for
 * that: `realWork` looks whether anything but our own immediates keeps the process busy, and every seed that is run twice
 * must give one hash.
 */

import { createRequire, syncBuiltinESMExports } from 'node:module';

const require = createRequire(import.meta.url);

// Node makes these at their first use: not inside a simulation, from functions of fs that are forbidden then, nor between
// two looks at what keeps the process busy, where a pipe would be one more thing.
void process.stdout;
void process.stderr;

/** Node's modules that reach out of the simulation, with the functions in them that do not. */
const reachingModules: Readonly<Record<string, RegExp | undefined>> = {
  fs: undefined,
  'fs/promises': undefined,
  child_process: undefined,
  worker_threads: undefined,
  net: undefined,
  tls: undefined,
  dgram: undefined,
  dns: undefined,
  'dns/promises': undefined,
  http: undefined,
  https: undefined,
  http2: undefined,
  os: undefined,
  timers: /^clear/,
  'timers/promises': undefined,
  perf_hooks: undefined,
  // How a test process talks to its parent, and how coverage is taken.
  v8: /^(serialize|deserialize|(Default)?(S|Des)erializer|(take|stop)Coverage)$/,
  // Forbidden are new keys, and work in Node's threads, whose end nobody can foresee. What only computes is not, and
  // getRandomValues is read from the global crypto each time, where it is forbidden.
  crypto: /^(createHash|createHmac|hash|timingSafeEqual|getRandomValues)$/,
  zlib: /^crc32$|Sync$/,
};

type Reaching = readonly [target: object, label: string, names: readonly string[]];

/** Everything else that knows the time, the machine or the garbage collector (which is a clock too). */
function reachingProperties(): readonly Reaching[] {
  const webCrypto = Object.getPrototypeOf(crypto) as object;
  const performancePrototype = Object.getPrototypeOf(performance) as object;
  const subtleCrypto = Object.getPrototypeOf(crypto.subtle) as object;
  const { scheduler } = require('node:timers/promises') as { scheduler: object };
  return [
    [
      globalThis,
      'globalThis',
      [
        ...['setTimeout', 'setInterval', 'setImmediate', 'MessageChannel', 'BroadcastChannel'],
        ...['fetch', 'WebSocket', 'EventSource', 'CompressionStream', 'DecompressionStream'],
        ...['PerformanceObserver', 'WeakRef', 'FinalizationRegistry', 'gc'],
      ],
    ],
    [Math, 'Math', ['random']],
    [Atomics, 'Atomics', ['wait', 'waitAsync']],
    [AbortSignal, 'AbortSignal', ['timeout']],
    [Event.prototype, 'Event', ['timeStamp']],
    [WeakRef.prototype, 'WeakRef', ['deref', 'constructor']],
    [FinalizationRegistry.prototype, 'FinalizationRegistry', ['register', 'constructor']],
    // Without a date it formats the time it is, and with one it does that in the time zone of the machine.
    [Intl, 'Intl', ['DateTimeFormat']],
    [Intl.DateTimeFormat.prototype, 'Intl.DateTimeFormat', ['format', 'formatToParts', 'constructor']],
    [performancePrototype, 'performance', methodsOf(performancePrototype)],
    [webCrypto, 'crypto', ['getRandomValues', 'randomUUID']],
    [subtleCrypto, 'crypto.subtle', methodsOf(subtleCrypto)],
    [scheduler, 'scheduler', ['wait', 'yield']],
    // Another context has a Date of its own.
    [
      require('node:vm') as object,
      'vm',
      ['createContext', 'runInContext', 'runInNewContext', 'measureMemory'],
    ],
    [
      process,
      'process',
      [
        ...['uptime', 'hrtime', 'memoryUsage', 'cpuUsage', 'threadCpuUsage', 'resourceUsage'],
        ...['availableMemory', 'constrainedMemory', 'loadEnvFile', 'binding', '_linkedBinding', 'dlopen'],
      ],
    ],
  ];
}

function methodsOf(prototype: object): readonly string[] {
  return Object.getOwnPropertyNames(prototype).filter((name) => name !== 'constructor');
}

/** One property, and what stands in its place while the guard does. */
interface Fence {
  readonly target: object;
  readonly name: string;
  readonly forbidden: PropertyDescriptor;
}

let fences: readonly Fence[] | undefined;
let isStanding = false;

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
  if (isStanding) throw new Error('only one simulation at a time can run in a process');
  fences ??= buildFences();
  const standing = fences;
  const before = standing.map(({ target, name }) => Object.getOwnPropertyDescriptor(target, name));
  for (const { target, name, forbidden } of standing) Object.defineProperty(target, name, forbidden);
  syncBuiltinESMExports();
  isStanding = true;
  return () => {
    isStanding = false;
    for (const [index, { target, name }] of standing.entries()) {
      const descriptor = before[index];
      // An inherited one was hidden by a property of its own, and is shown again by the removal of that.
      if (descriptor === undefined) Reflect.deleteProperty(target, name);
      else Object.defineProperty(target, name, descriptor);
    }
    syncBuiltinESMExports();
  };
}

/** Some four hundred, made once in a process, because the guard is put up and taken down for every seed. */
function buildFences(): readonly Fence[] {
  const built: Fence[] = [];
  for (const [module, harmless] of Object.entries(reachingModules)) {
    const exports = require(`node:${module}`) as Record<string, unknown>;
    for (const [name, value] of Object.entries(exports)) {
      if (typeof value !== 'function' || harmless?.test(name)) continue;
      built.push({ target: exports, name, forbidden: inPlaceOf(value, `${module}.${name}`) });
    }
  }
  for (const [target, label, names] of reachingProperties()) {
    for (const name of names) {
      // Not every version of Node has all of them.
      if (!(name in target)) continue;
      const isPrototype = Object.hasOwn(target, 'constructor');
      const getter = isPrototype ? Object.getOwnPropertyDescriptor(target, name)?.get : undefined;
      const path = `${label}.${name}`;
      const forbidden =
        getter === undefined
          ? inPlaceOf((target as Record<string, unknown>)[name] as Callable, path)
          : { get: forbid(getter, path), configurable: true };
      built.push({ target, name, forbidden });
    }
  }
  const date = { value: timelessDate(Date), configurable: true, writable: true };
  built.push({ target: globalThis, name: 'Date', forbidden: date });
  built.push({ target: Date.prototype, name: 'constructor', forbidden: date });
  return built;
}

// biome-ignore lint/complexity/noBannedTypes: whatever can be called, or constructed, or both.
type Callable = Function;

function inPlaceOf(value: Callable, label: string): PropertyDescriptor {
  return { value: forbid(value, label), configurable: true, writable: true };
}

/**
 * The function, refusing to be called or constructed while the guard stands, and so do those that hang on it
 * (`hrtime.bigint`). Whoever keeps it longer, as modules of Node do that were loaded meanwhile, can use it afterwards.
 */
function forbid<F extends Callable>(value: F, label: string): F {
  const refuse = (): void => {
    if (!isStanding) return;
    throw new Error(
      `${label}() was called inside a simulation: take time, chance, disk and network from Env`,
    );
  };
  return new Proxy(value, {
    apply: (target, self, args) => {
      refuse();
      return Reflect.apply(target, self, args) as unknown;
    },
    construct: (target, args, newTarget) => {
      refuse();
      return Reflect.construct(target, args, newTarget) as object;
    },
    get: (target, name) => {
      const property = Reflect.get(target, name) as unknown;
      if (typeof property !== 'function' || !Object.hasOwn(target, name)) return property;
      return forbid(property, `${label}.${String(name)}`);
    },
  });
}

/** A Date that turns numbers into dates and back, and does not know what time it is. */
function timelessDate(RealDate: DateConstructor): DateConstructor {
  const refuse = (): void => {
    if (!isStanding) return;
    throw new Error('the time was read from Date inside a simulation: take it from Env.clock');
  };
  return new Proxy(RealDate, {
    construct: (target, args: unknown[], newTarget) => {
      if (args.length === 0) refuse();
      return Reflect.construct(target, args, newTarget) as object;
    },
    apply: (target) => {
      refuse();
      return target();
    },
    get: (target, name) => (name === 'now' ? forbid(target.now, 'Date.now') : Reflect.get(target, name)),
  });
}

/** Kinds of work that come and go while our own immediates drive a simulation. */
const harmless = new Set(['Immediate']);

/**
 * Names of real work under way (timers, file operations, sockets) that was not there `before`, and that no simulation may
 * have begun. Empty: none. Timers that keep no process alive (`unref`) cannot be seen.
 */
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
