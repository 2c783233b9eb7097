import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MessageReader } from './message-reader.ts';

function framed(message: Uint8Array, flag = 0): Buffer {
  const prefix = Buffer.alloc(5);
  prefix[0] = flag;
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

test('messages come out whole and in order, however the stream is cut', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 12 }),
      fc.array(fc.nat({ max: 12 }), { minLength: 1, maxLength: 20 }),
      (messages, cuts) => {
        const stream = Buffer.concat(messages.map((message) => framed(message)));
        const read: Buffer[] = [];
        const reader = new MessageReader(40, (message) => read.push(message));
        for (let at = 0, i = 0; at < stream.length; i++) {
          const end = at + 1 + (cuts[i % cuts.length] as number);
          expect(reader.read(stream.subarray(at, end))).toBeUndefined();
          at = end;
        }
        expect(read.map((message) => [...message])).toEqual(messages.map((message) => [...message]));
      },
    ),
  );
});

test('a message above the limit is a fault before its bytes have come', () => {
  const reader = new MessageReader(10, () => {});
  expect(reader.read(framed(new Uint8Array(10)))).toBeUndefined();
  const prefix = framed(new Uint8Array(11)).subarray(0, 5);
  expect(reader.read(prefix.subarray(0, 3))).toBeUndefined();
  expect(reader.read(prefix.subarray(3))).toEqual({ kind: 'too-large', bytes: 11 });
});

test('a compressed message is a fault', () => {
  const reader = new MessageReader(10, () => {});
  expect(reader.read(framed(new Uint8Array(3), 1))).toEqual({ kind: 'compressed' });
});
