import { expect, test } from 'vitest';
import { Value } from '../gen/kindred/v1/types.ts';
import { encodeMessage, takeWriter } from './encode-message.ts';

function valueWith(length: number): Value {
  return { data: new Uint8Array(length).fill(length), contentType: `${length} bytes`, metadata: {} };
}

test('messages of all sizes, one after another, are what the generated code makes of them', () => {
  const values = [3, 10_240, 0, 100, 1_000_000, 5].map(valueWith);
  const encoded = values.map((value) => encodeMessage(Value, value));
  for (const [index, value] of values.entries()) {
    expect(Buffer.compare(encoded[index] as Uint8Array, Value.encode(value).finish())).toBe(0);
  }
});

test('a message that fails half-way leaves nothing in the next one', () => {
  const broken: Value = { ...valueWith(50), metadata: null as never };
  expect(() => encodeMessage(Value, broken)).toThrow(TypeError);
  expect(encodeMessage(Value, valueWith(7))).toEqual(Value.encode(valueWith(7)).finish());
});

test('a message that is encoded while another one is has a writer of its own', () => {
  const outer = takeWriter();
  outer.uint32(10);
  expect(takeWriter()).not.toBe(outer);
});
