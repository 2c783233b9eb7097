/** The laws of `FairQueue`, against a dumb twin. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FairQueue } from '../../src/core/overload/fair-queue.ts';

const steps = fc.array(fc.oneof(fc.record({ push: fc.nat({ max: 4 }) }), fc.constant('take' as const)), {
  maxLength: 200,
});

test('items of one owner come out in their order, nothing is lost or doubled, and nobody has two turns while others wait', () => {
  fc.assert(
    fc.property(steps, (commands) => {
      const owners = Array.from({ length: 5 }, () => ({}));
      const waiting: number[][] = owners.map(() => []);
      const queue = new FairQueue<{ owner: number; id: number }>();
      let id = 0;
      let last: number | undefined;
      for (const command of commands) {
        if (command !== 'take') {
          waiting[command.push]?.push(id);
          queue.push(owners[command.push] as object, { owner: command.push, id: id++ });
          continue;
        }
        const others = waiting.filter((items, owner) => owner !== last && items.length > 0).length;
        const item = queue.take();
        if (item === undefined) {
          expect(waiting.every((items) => items.length === 0)).toBe(true);
          continue;
        }
        expect(waiting[item.owner]?.shift()).toBe(item.id);
        // Somebody else who was waiting already at the last turn comes first.
        if (last === item.owner && others > 0) {
          expect(lastTurnOthers.every((owner) => waiting[owner]?.length === 0)).toBe(true);
        }
        last = item.owner;
        lastTurnOthers = waiting.flatMap((items, owner) =>
          owner !== item.owner && items.length > 0 ? [owner] : [],
        );
      }
      expect(queue.size).toBe(waiting.reduce((sum, items) => sum + items.length, 0));
    }),
  );
});

let lastTurnOthers: number[] = [];
