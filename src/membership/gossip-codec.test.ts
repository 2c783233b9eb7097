import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MalformedError } from '../core/binary.ts';
import type { MemberDelta, MemberDigest } from '../core/membership/gossip-message.ts';
import { GossipRequest, GossipResponse, Hello, HelloReply } from '../gen/kindred/peer/v1/peer.ts';
import { GossipCodec } from './gossip-codec.ts';

const members = ['n1', 'n2', 'n3', 'n10'];
const codec = new GossipCodec(members);

const number53 = fc.oneof(fc.nat(300), fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }));
const node = fc.oneof(fc.constantFrom(...members), fc.string({ unit: 'grapheme', maxLength: 12 }));
const digest = fc.record({ node, generation: number53, version: number53 });
const entry = fc.record({
  key: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }),
  value: fc.string({ unit: 'grapheme', maxLength: 60 }),
  version: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
});
const delta = fc.record({ node, generation: number53, entries: fc.array(entry, { maxLength: 6 }) });
const digests = fc.array(digest, { maxLength: 8 });
const deltas = fc.array(delta, { maxLength: 4 });

function digestsMessage(list: readonly MemberDigest[]) {
  return {
    members: list.map(({ node, generation, version }) => ({ nodeId: node, generation, version })),
  };
}

function deltasMessage(list: readonly MemberDelta[]) {
  return {
    members: list.map(({ node, generation, entries }) => ({
      nodeId: node,
      generation,
      entries: entries.map(({ key, value, version }) => ({ key, value: Buffer.from(value), version })),
    })),
  };
}

const hello = Hello.fromPartial({ protocolVersion: 2, nodeId: 'n1', clusterId: 'test', generation: 17 });

test('requests are the bytes of the generated code, and are read back', () => {
  fc.assert(
    fc.property(digests, deltas, fc.boolean(), (digests, deltas, greets) => {
      const greeting = greets ? hello : undefined;
      const frame = codec.encodeRequest({ hello: greeting, digests: codec.encodeDigests(digests), deltas });
      const generated = GossipRequest.encode({
        hello: greeting,
        digests: digestsMessage(digests),
        deltas: deltasMessage(deltas),
      }).finish();
      expect(Buffer.from(frame)).toEqual(Buffer.from(generated));
      const read = codec.decodeRequest(generated);
      expect(read.hello).toEqual(greeting);
      expect(codec.decodeDigests(read.digests as Uint8Array)).toEqual(digests);
      expect(read.deltas).toEqual(deltas);
    }),
  );
});

test('responses are the bytes of the generated code, and are read back', () => {
  const greeting = HelloReply.fromPartial({ accepted: true, self: hello });
  fc.assert(
    fc.property(digests, deltas, (wanted, deltas) => {
      const frame = codec.encodeResponse({ hello: greeting, digests: codec.encodeDigests(wanted), deltas });
      const generated = GossipResponse.encode({
        hello: greeting,
        wanted: digestsMessage(wanted),
        deltas: deltasMessage(deltas),
      }).finish();
      expect(Buffer.from(frame)).toEqual(Buffer.from(generated));
      const read = codec.decodeResponse(generated);
      expect(read.hello).toEqual(greeting);
      expect(codec.decodeDigests(read.digests as Uint8Array)).toEqual(wanted);
      expect(read.deltas).toEqual(deltas);
    }),
  );
});

test('bytes that are no frame are refused as malformed, whatever they are', () => {
  const valid = codec.encodeRequest({
    hello,
    digests: codec.encodeDigests([{ node: 'n2', generation: 1e15, version: 3 }]),
    deltas: [{ node: 'n3', generation: 5, entries: [{ key: 'zone', value: 'a', version: 1 }] }],
  });
  const change = fc.record({ at: fc.nat(valid.length - 1), byte: fc.nat(255), cut: fc.nat(valid.length) });
  let refused = 0;
  fc.assert(
    fc.property(change, ({ at, byte, cut }) => {
      const bytes = Uint8Array.from(valid);
      bytes[at] = byte;
      try {
        const { digests } = codec.decodeRequest(bytes.subarray(0, cut));
        if (digests !== undefined) codec.decodeDigests(digests);
      } catch (error) {
        expect(error).toBeInstanceOf(MalformedError);
        refused++;
      }
    }),
    { numRuns: 2_000 },
  );
  expect(refused).toBeGreaterThan(100);
});

test('what exceeds the bounds is refused', () => {
  const ofEntry = (key: string, value: string, version = 1): Uint8Array =>
    GossipRequest.encode({
      hello: undefined,
      digests: undefined,
      deltas: deltasMessage([{ node: 'n1', generation: 1, entries: [{ key, value, version }] }]),
    }).finish();
  expect(codec.decodeRequest(ofEntry('k'.repeat(64), 'v'.repeat(4096))).deltas).toHaveLength(1);
  expect(() => codec.decodeRequest(ofEntry('k'.repeat(65), ''))).toThrow('more than 64 bytes');
  expect(() => codec.decodeRequest(ofEntry('k', 'v'.repeat(4097)))).toThrow('more than 4096 bytes');
  expect(() => codec.decodeRequest(ofEntry('', 'v'))).toThrow('without a key');
  expect(() => codec.decodeRequest(ofEntry('k', 'v', 0))).toThrow('without a key or a version');
  const many = Array.from({ length: 65 }, (_, i) => ({ key: `k${i}`, value: '', version: i + 1 }));
  const frame = codec.encodeRequest({ deltas: [{ node: 'n1', generation: 1, entries: many }] });
  expect(() => codec.decodeRequest(frame)).toThrow('too many entries');
});
