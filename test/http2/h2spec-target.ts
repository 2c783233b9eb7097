/**
 * A server for h2spec (github.com/summerwind/h2spec), which wants answers to GET: the connection of `src/rpc/http2` without gRPC.
 *
 *   node test/http2/h2spec-target.ts 8080 &
 *   h2spec --port 8080 --strict
 *
 * Without a port it takes a free one, and prints it.
 */

import { type AddressInfo, createServer } from 'node:net';
import { systemEnv } from '../../src/env/system-env.ts';
import { Connection } from '../../src/rpc/http2/connection.ts';
import { encodeFields } from '../../src/rpc/http2/hpack-encoder.ts';

const hourMs = 3_600_000;
const lifetime = {
  streamsMax: 100,
  idleMs: hourMs,
  ageMs: hourMs,
  ageGraceMs: hourMs,
  keepaliveMs: hourMs,
  keepaliveTimeoutMs: hourMs,
};

const env = systemEnv();
const heading = encodeFields([
  [':status', '200'],
  ['content-type', 'text/plain'],
]);

const server = createServer({ noDelay: true }, (socket) => {
  socket.on('error', () => socket.destroy());
  new Connection(
    {
      env,
      socket,
      serve(stream) {
        stream.receiver = {
          body: (bytes) => stream.credit(bytes.length),
          halfClosed() {
            // A little later, so that streams are open at the same time, and frames can come after the request.
            env.timers.after(20, () => {
              stream.respond(heading, false);
              stream.write(Buffer.from('answer'));
              stream.finish('none');
            });
          },
          over() {},
        };
      },
    },
    lifetime,
  );
});
server.listen(Number(process.argv[2] ?? 0), '127.0.0.1', () => {
  console.log((server.address() as AddressInfo).port);
});
