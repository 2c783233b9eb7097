import { connect } from 'node:http2';
import { Duplex } from 'node:stream';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FrameReader, frameTypes } from '../../src/rpc/http2/frame.ts';
import { HpackDecoder } from '../../src/rpc/http2/hpack-decoder.ts';
import { encodeFields, type Field } from '../../src/rpc/http2/hpack-encoder.ts';
import { HeadReader } from '../../src/rpc/http2/request-head.ts';
import { callHeaders, frame, preface } from '../support/raw-http2.ts';

const name = fc.stringMatching(/^x-[a-z0-9_.-]{1,20}$/);
const value = fc.stringMatching(/^[!-~]{1}[ -~]{0,60}[!-~]{1}$/);
/** Names and values come again, so that the encoder finds them in its table. */
const headers = fc
  .tuple(fc.array(name, { minLength: 1, maxLength: 12 }), fc.array(value, { minLength: 1, maxLength: 12 }))
  .chain(([names, values]) =>
    fc.array(fc.dictionary(fc.constantFrom(...names), fc.constantFrom(...values), { maxKeys: 20 }), {
      minLength: 1,
      maxLength: 30,
    }),
  );

/** What Node's client (nghttp2) sends for these requests. */
async function sentByNode(requests: readonly Record<string, string>[]): Promise<Buffer> {
  const sent: Buffer[] = [];
  const wire = new Duplex({
    read() {},
    write(chunk: Buffer, _, done) {
      sent.push(Buffer.from(chunk));
      done();
    },
  });
  const session = connect('http://test', { createConnection: () => wire });
  session.on('error', () => {});
  // SETTINGS of a server: nothing special.
  wire.push(frame(frameTypes.settings, 0, 0, Buffer.alloc(0)));
  for (const fields of requests) {
    const stream = session.request({ ':method': 'POST', ':path': '/test', ...fields }, { endStream: true });
    stream.on('error', () => {});
  }
  const blocks = (): number => {
    let count = 0;
    new FrameReader((type) => {
      if (type === frameTypes.headers) count++;
    }).read(Buffer.concat(sent));
    return count;
  };
  while (blocks() < requests.length) await new Promise((resolve) => setImmediate(resolve));
  session.destroy();
  return Buffer.concat(sent);
}

test('what nghttp2 encodes is decoded, through all that happens to its table', async () => {
  await fc.assert(
    fc.asyncProperty(headers, fc.infiniteStream(fc.integer({ min: 1, max: 40 })), async (requests, cuts) => {
      const bytes = await sentByNode(requests);
      const decoded: Record<string, string>[] = [];
      const heads = new HeadReader(new HpackDecoder());
      const reader = new FrameReader((type, _flags, _id, payload, start, end) => {
        if (type !== frameTypes.headers) return;
        const head = heads.read(payload, start, end);
        if (typeof head === 'string') throw new Error(head);
        decoded.push(
          Object.fromEntries(
            head.fields.filter(({ kind }) => kind === 'regular').map((field) => [field.name, field.value]),
          ),
        );
      });
      // However the bytes are cut, the frames are the same.
      for (let at = 0; at < bytes.length; ) {
        const size = cuts.next().value as number;
        reader.read(bytes.subarray(at, at + size));
        at += size;
      }
      expect(decoded).toEqual(requests.map((fields) => ({ ...fields })));
    }),
    { numRuns: 150 },
  );
});

test('what is encoded is decoded, bytes beyond ASCII included', () => {
  const text = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes).toString('latin1'));
  fc.assert(
    fc.property(fc.array(fc.tuple(name, text), { maxLength: 40 }), (fields: Field[]) => {
      const block = encodeFields(fields);
      const decoded = new HpackDecoder().decode(block, 0, block.length);
      expect(decoded?.map((field) => [field.name, field.value])).toEqual(fields);
    }),
  );
});

test('a head that is remembered is the head that would be decoded', () => {
  const block = fc.oneof(
    fc.constantFrom('/a', '/b').map((path) => callHeaders(path)),
    // Adds to the table, and refers to it.
    fc
      .constantFrom('c', 'd')
      .map((letter) => Buffer.from([0x83, 0x86, 0x84, 0x40, 1, 0x78, 1, letter.charCodeAt(0)])),
    fc.constant(Buffer.from([0x83, 0x86, 0x84, 0xbe])),
  );
  fc.assert(
    fc.property(fc.array(block, { maxLength: 40 }), (blocks) => {
      const remembering = new HeadReader(new HpackDecoder());
      const decoder = new HpackDecoder();
      for (const each of blocks) {
        const read = attempt(() => remembering.read(each, 0, each.length));
        const fields = attempt(() => decoder.decode(each, 0, each.length));
        if (read === undefined || typeof read === 'string') expect(fields).toBeUndefined();
        else expect(read.fields.map(({ value }) => value)).toEqual(fields?.map(({ value }) => value));
        if (fields === undefined) return;
      }
    }),
  );
});

/** `undefined` where it throws: after that a connection is over. */
function attempt<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch {
    return undefined;
  }
}

test('bytes of any kind are frames, or end the connection', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 100 }), { maxLength: 50 }), (chunks) => {
      const heads = new HeadReader(new HpackDecoder());
      const reader = new FrameReader((_type, _flags, _id, bytes, start, end) => {
        heads.read(bytes, start, end);
      });
      reader.read(preface);
      try {
        for (const chunk of chunks) {
          // A length of two bytes at most, so that frames end.
          const head = Buffer.from([0, 0, chunk.length, 1, 4, 0, 0, 0, 1]);
          reader.read(Buffer.concat([head, chunk]));
        }
      } catch (error) {
        expect((error as Error).constructor.name).toBe('ConnectionError');
      }
    }),
    { numRuns: 2000 },
  );
});
