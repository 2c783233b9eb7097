/** A process that answers peers and heartbeats as node n2 until it is killed; tells its port on standard output. */

import { systemEnv } from '../../src/env/system-env.ts';
import type { Hello } from '../../src/gen/kindred/peer/v1/peer.ts';
import { HeartbeatServer } from '../../src/membership/heartbeat.ts';
import { GrpcNetwork } from '../../src/rpc/grpc-network.ts';
import { PeerServer } from '../../src/rpc/peer-server.ts';

const env = systemEnv();
const hello = (): Hello => ({
  protocolVersion: 1,
  clusterId: 'test',
  nodeId: 'n2',
  replicaId: 2,
  configuration: '{}',
  softwareVersion: '0.1.0',
  generation: 1,
  openedAtMark: 0,
  formerReplicaId: 0,
  formerMark: 0,
});
const isMember = (node: string): boolean => node === 'n1';
// Takes every call and answers none.
const keep = (): void => {};
const data = new PeerServer({
  env,
  handler: {
    read: keep,
    merge: keep,
    forwarded: keep,
    find: keep,
    keepHint: keep,
    readTree: keep,
    listLeaf: keep,
    endComparison: keep,
  },
  hello,
  isMember,
  layoutVersion: () => 1,
});
const control = new HeartbeatServer({ env, hello, isMember, hybridMicros: () => env.clock.wallMicros() });
const listener = await new GrpcNetwork({ env }).listen({ host: '127.0.0.1', port: 0 }, (channel, stream) =>
  channel === 'data' ? data.accept(stream) : control.accept(stream),
);
process.stdout.write(`${listener.port}\n`);
