import { describe, expect, test } from 'vitest';
import { Client, Context, Value } from '../src/index.ts';

describe('a value', () => {
  test('is what it was made of', () => {
    expect(new Value('é').data).toEqual(Uint8Array.of(0xc3, 0xa9));
    expect(new Value(Uint8Array.of(0x68, 0x69)).text()).toBe('hi');
    const json = Value.json({ n: [1] }, { by: 'Ann' });
    expect(json.contentType).toBe('application/json');
    expect(json.json()).toEqual({ n: [1] });
    expect(Value.of(json)).toBe(json);
  });

  test('equals another of the same bytes, content type and metadata', () => {
    const value = new Value('v', { contentType: 'a/b', metadata: { x: '1', y: '2' } });
    expect(value.equals(new Value('v', { contentType: 'a/b', metadata: { y: '2', x: '1' } }))).toBe(true);
    for (const other of [
      new Value('w', { contentType: 'a/b', metadata: { x: '1', y: '2' } }),
      new Value('v', { contentType: 'a/c', metadata: { x: '1', y: '2' } }),
      new Value('v', { contentType: 'a/b', metadata: { x: '1' } }),
      new Value('v', { contentType: 'a/b', metadata: { x: '1', z: '2' } }),
    ]) {
      expect(value.equals(other)).toBe(false);
    }
  });

  test('is not made of what is neither bytes nor text', () => {
    expect(() => Value.of({ a: 1 } as unknown as string)).toThrow(TypeError);
  });
});

test('a context goes through text and JSON', () => {
  const context = Context.fromBytes(Uint8Array.of(1, 254, 255));
  expect(`${context}`).toBe('Af7_');
  expect(Context.parse(JSON.parse(JSON.stringify({ context })).context).equals(context)).toBe(true);
  expect(Context.parse('AAAA').equals(context)).toBe(false);
});

test('a client needs addresses', () => {
  expect(() => new Client([])).toThrow(TypeError);
  expect(() => new Client(['localhost'])).toThrow('"localhost" must be host:port');
  expect(() => new Client(['http://localhost:7400'])).toThrow(TypeError);
  new Client(['[::1]:7400']).close();
});
