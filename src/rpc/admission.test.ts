import { expect, test } from 'vitest';
import { FakeEnv } from '../../test/support/fake-env.ts';
import { Admission } from './admission.ts';

test('requests and answers share the bytes, and one alone always has room', () => {
  const admission = new Admission({ env: new FakeEnv() }, { requestsInFlightMax: 10, bytesInFlightMax: 100 });
  expect(admission.enter(500)).toBe(true);
  expect(admission.enter(1)).toBe(false);
  admission.leave(500);
  expect(admission.hasRoomFor(500)).toBe(true);
  admission.hold(60);
  expect(admission.tight).toBe(true);
  expect(admission.hasRoomFor(41)).toBe(false);
  expect(admission.hasRoomFor(40)).toBe(true);
  expect(admission.enter(41)).toBe(false);
  expect(admission.enter(40)).toBe(true);
  admission.release(60);
  expect([admission.requests, admission.bytes, admission.tight]).toEqual([1, 40, false]);
});

test('room is given to those who wait in turn, and nobody is woken for nothing', () => {
  const admission = new Admission({ env: new FakeEnv() }, { requestsInFlightMax: 2, bytesInFlightMax: 1000 });
  admission.enter(1);
  admission.enter(1);
  const order: number[] = [];
  let woken = 0;
  for (let i = 0; i < 100; i++) {
    const resume = (): void => {
      woken++;
      if (admission.enter(1)) order.push(i);
      else admission.onRoom(resume);
    };
    admission.onRoom(resume);
  }
  for (let i = 0; i < 100; i++) admission.leave(1);
  expect(order).toEqual(Array.from({ length: 100 }, (_, i) => i));
  expect(woken).toBe(100);
});

test('those who wait for more than there is are asked again when all has left', () => {
  const admission = new Admission({ env: new FakeEnv() }, { requestsInFlightMax: 10, bytesInFlightMax: 100 });
  admission.hold(50);
  admission.enter(50);
  let entered = false;
  const resume = (): void => {
    entered = admission.enter(90);
    if (!entered) admission.onRoom(resume);
  };
  resume();
  admission.leave(50);
  expect(entered).toBe(false);
  admission.release(50);
  expect(entered).toBe(true);
});

test('what an answer will weigh is the mean of the last ones', () => {
  const admission = new Admission({ env: new FakeEnv() }, { requestsInFlightMax: 10, bytesInFlightMax: 100 });
  expect(admission.expectedAnswerBytes).toBe(0);
  for (let i = 0; i < 200; i++) admission.answered(1000);
  expect(admission.expectedAnswerBytes).toBeCloseTo(1000, 0);
  admission.answered(17_000);
  expect(admission.expectedAnswerBytes).toBeCloseTo(2000, 0);
});

test('the rare refusal spares the one that is alone, or nobody would wake those who wait', () => {
  const env = new FakeEnv();
  const admission = new Admission({ env }, { requestsInFlightMax: 10, bytesInFlightMax: 100 });
  env.rarePaths.add('admission-refuses');
  expect([admission.enter(1), admission.enter(1)]).toEqual([true, false]);
  let entered = false;
  admission.onRoom(() => {
    entered = admission.enter(1);
  });
  admission.leave(1);
  expect(entered).toBe(true);
});

test('what is reserved for answers of odd sizes leaves nothing behind', () => {
  const admission = new Admission(
    { env: new FakeEnv() },
    { requestsInFlightMax: 10, bytesInFlightMax: 1000 },
  );
  const reserved: number[] = [];
  for (const bytes of [100, 33, 7, 19, 3]) {
    admission.answered(bytes);
    reserved.push(10 + admission.expectedAnswerBytes);
    expect(admission.enter(reserved.at(-1) as number)).toBe(true);
  }
  for (const bytes of reserved) admission.leave(bytes);
  expect(admission.bytes).toBe(0);
});
