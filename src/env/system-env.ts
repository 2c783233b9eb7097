/** The real clock, timers and randomness of this machine. */

import { randomBytes } from 'node:crypto';
import type { Env } from './env.ts';

export function systemEnv(): Env {
  return {
    clock: {
      monotonicMs: () => performance.now(),
      // Not timeOrigin + now(): that would not follow an adjusted clock. The hybrid clock makes ties unique.
      wallMicros: () => Date.now() * 1000,
    },
    timers: {
      after(delayMs, task) {
        const handle = setTimeout(task, delayMs);
        handle.unref();
        return { cancel: () => clearTimeout(handle) };
      },
      every(intervalMs, task) {
        const handle = setInterval(task, intervalMs);
        handle.unref();
        return { cancel: () => clearInterval(handle) };
      },
      endOfTick(task) {
        setImmediate(task);
      },
    },
    random: {
      fraction: () => Math.random(),
      id53() {
        for (;;) {
          const bytes = randomBytes(8);
          const id = bytes.readUInt32LE(0) + (bytes.readUInt32LE(4) & 0x1fffff) * 0x1_0000_0000;
          if (id !== 0) return id;
        }
      },
    },
    rarePath: never,
  };
}

/** One function for the whole process, so that the engine compiles its calls away. */
const never = (): boolean => false;
