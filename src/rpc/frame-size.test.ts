import { expect, test } from 'vitest';
import { ExchangeRequest, ExchangeResponse, ReplicaError_Kind } from '../gen/kindred/peer/v1/peer.ts';
import { type CallBody, callBytes, type ReplyBody, replyBytes } from './frame-size.ts';

const id = Number.MAX_SAFE_INTEGER;
const key = new Uint8Array(1_200);

test('the size of a call is never underestimated, and at most by 64 bytes overestimated', () => {
  const calls: CallBody[] = [
    { $case: 'read', value: { key, digestOnly: true } },
    { $case: 'read', value: { key: new Uint8Array(0), digestOnly: false } },
    {
      $case: 'merge',
      value: { key, record: new Uint8Array(3_000_000), origin: 3, sync: true, receiverMark: id },
    },
    { $case: 'forwarded', value: { operation: new Uint8Array(20_000) } },
    { $case: 'find', value: { key, requestId: new Uint8Array(16) } },
  ];
  for (const call of calls) {
    const frame = ExchangeRequest.encode({
      layoutVersion: 0,
      calls: [{ id, timeoutMs: 0xffff_ffff, call }],
      hello: undefined,
    }).finish();
    expect(callBytes(call)).toBeGreaterThanOrEqual(frame.byteLength);
    expect(callBytes(call)).toBeLessThanOrEqual(frame.byteLength + 64);
  }
});

test('the size of a reply is never underestimated', () => {
  const replies: ReplyBody[] = [
    { $case: 'stored', value: { record: new Uint8Array(3_000_000), digest: new Uint8Array(8), found: true } },
    { $case: 'merged', value: { changed: true, synced: true } },
    { $case: 'operationResult', value: new Uint8Array(20_000) },
    {
      $case: 'error',
      value: { kind: ReplicaError_Kind.KIND_INVALID, message: 'ü€😀'.repeat(50), layoutVersion: id },
    },
    { $case: 'found', value: { found: true, dot: { replica: id, epoch: 0xffff_ffff, counter: id } } },
  ];
  for (const reply of replies) {
    const frame = ExchangeResponse.encode({ replies: [{ id, reply }], hello: undefined }).finish();
    expect(replyBytes(reply)).toBeGreaterThanOrEqual(frame.byteLength);
  }
});
