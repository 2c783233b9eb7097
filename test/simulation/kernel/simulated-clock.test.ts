import { expect, test } from 'vitest';
import { EventOwner, Scheduler } from './scheduler.ts';
import { epochMicros, SimulatedClock } from './simulated-clock.ts';

class Machine {
  readonly scheduler = new Scheduler();
  readonly owner = new EventOwner('a', 1);

  clock(wallOffsetMicros = 0, driftPpm = 0): SimulatedClock {
    return new SimulatedClock(this.scheduler, { wallOffsetMicros, driftPpm });
  }

  async until(micros: number): Promise<void> {
    this.scheduler.at(micros, this.owner, 1, () => {});
    await this.scheduler.run(() => this.scheduler.nowMicros >= micros);
  }
}

test('a clock drifts, and timers with it', async () => {
  const machine = new Machine();
  const clock = machine.clock(0, 100_000);
  await machine.until(10_000_000);
  expect(clock.monotonicMs()).toBeCloseTo(11_000, 6);
  expect(clock.wallMicros()).toBe(epochMicros + 11_000_000);
  expect(clock.worldMicros(11_000)).toBeCloseTo(10_000, 6);
});

test('the wall clock jumps and stands still, the monotonic clock does neither', async () => {
  const machine = new Machine();
  const clock = machine.clock();
  await machine.until(1_000_000);
  clock.jump(-5_000_000);
  expect(clock.wallMicros()).toBe(epochMicros - 4_000_000);
  clock.standStill();
  await machine.until(3_000_000);
  expect(clock.wallMicros()).toBe(epochMicros - 4_000_000);
  clock.goOn();
  await machine.until(4_000_000);
  expect(clock.wallMicros()).toBe(epochMicros - 3_000_000);
  expect(clock.monotonicMs()).toBe(4_000);
  expect(clock.errorMicrosMax).toBe(7_000_000);
  clock.repair();
  clock.forgetErrors();
  expect(clock.wallMicros()).toBe(epochMicros + 4_000_000);
  expect(clock.errorMicrosMax).toBe(0);
});
