/**
 * Three Cassandra nodes on loopback, which fsync their commit log before they acknowledge a write (`commitlog_sync: group`).
 * From Maven's jars, so that what else comes with a package of Cassandra is written here: cassandra.yaml, logback.xml, and
 * what its scripts tell the JVM.
 */

import { mkdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { stringify } from 'yaml';
import { freePorts } from '../tools/free-ports.ts';
import { cassandraClassPath, cassandraJar, java } from './cassandra-jars.ts';
import { type Cluster, startAll, stopCluster } from './cluster.ts';
import { startCassandraDriver } from './driver-cassandra.ts';
import { ServerProcess } from './server-process.ts';

interface Member {
  readonly id: string;
  readonly host: string;
  readonly token: string;
  readonly directory: string;
  readonly jmxPort: number;
}

/** All nodes listen on the same ports, each on an address of its own: drivers expect that of a cluster. */
interface Ports {
  readonly native: number;
  readonly storage: number;
}

const nodes = 3;
/** Ten thousand keys, and what is written over them in a minute: more is for larger machines than those that this runs on. */
const heap = '1g';

/** Starts the nodes, and waits until each sees all of them up and normal. Data and logs go to `directory`. */
export async function startCassandra(options: { readonly directory: string }): Promise<Cluster> {
  const { directory } = options;
  await mkdir(directory, { recursive: true });
  const [native = 0, storage = 0, ...jmxPorts] = await freePorts(2 + nodes);
  const ports: Ports = { native, storage };
  const members = jmxPorts.map((jmxPort, index): Member => {
    const id = `n${index + 1}`;
    return {
      ...{ id, jmxPort, directory: join(directory, id) },
      host: `127.0.0.${index + 1}`,
      token: evenToken(index),
    };
  });
  const logbackPath = join(directory, 'logback.xml');
  await writeFile(logbackPath, logback);
  const seeds = members.map(({ host }) => `${host}:${storage}`).join(',');
  for (const member of members) {
    await mkdir(member.directory, { recursive: true });
    await writeFile(configPath(member), stringify(configuration(member, ports, seeds)));
  }
  const endpoints = members.map(({ host }) => `${host}:${native}`);
  const cluster = await startAll(
    endpoints,
    members.map((member) => serverOf(member, directory, logbackPath)),
    (index) => accepts(members[index]?.host ?? '', native),
  );
  try {
    return { ...cluster, driver: await startCassandraDriver({ endpoints, jmxPorts, logbackPath }) };
  } catch (error) {
    await stopCluster(cluster);
    throw error;
  }
}

/** The tokens of Murmur3Partitioner begin at -2^63. With one token a node, nobody has to agree on anything. */
function evenToken(index: number): string {
  return String(-(2n ** 63n) + (2n ** 64n * BigInt(index)) / BigInt(nodes));
}

function configPath({ directory }: Member): string {
  return join(directory, 'cassandra.yaml');
}

/** What is not named is as Cassandra has it. */
function configuration({ host, token, directory }: Member, ports: Ports, seeds: string): object {
  return {
    cluster_name: 'bench',
    partitioner: 'org.apache.cassandra.dht.Murmur3Partitioner',
    num_tokens: 1,
    initial_token: token,
    // All are new, and none has anything that another would want.
    auto_bootstrap: false,
    seed_provider: [
      { class_name: 'org.apache.cassandra.locator.SimpleSeedProvider', parameters: [{ seeds }] },
    ],
    endpoint_snitch: 'SimpleSnitch',
    listen_address: host,
    rpc_address: host,
    storage_port: ports.storage,
    native_transport_port: ports.native,
    // What etcd and Kindred promise too: fsync, then acknowledge. A write holds a thread until it is synced, so that the usual
    // 32 would share an fsync at most: with many in flight they time out where an fsync is slow.
    commitlog_sync: 'group',
    commitlog_sync_group_window: '2ms',
    concurrent_writes: 256,
    data_file_directories: [join(directory, 'data')],
    commitlog_directory: join(directory, 'commitlog'),
    hints_directory: join(directory, 'hints'),
    saved_caches_directory: join(directory, 'saved_caches'),
    cdc_raw_directory: join(directory, 'cdc_raw'),
  };
}

/** To standard error, which is a file for the nodes; the load process keeps its standard output for answers. */
const logback = `<configuration>
  <appender name="STDERR" class="ch.qos.logback.core.ConsoleAppender">
    <target>System.err</target>
    <encoder><pattern>%date %level %logger{0}: %msg%n</pattern></encoder>
  </appender>
  <root level="ERROR"><appender-ref ref="STDERR"/></root>
</configuration>
`;

/** Internals of the JDK that Cassandra reaches into, as its own jvm17-server.options lets it. */
const exported: readonly string[] = [
  'java.base/jdk.internal.misc',
  'java.management.rmi/com.sun.jmx.remote.internal.rmi',
  'java.rmi/sun.rmi.registry',
  'java.rmi/sun.rmi.server',
  'java.sql/java.sql',
  'java.base/java.lang.ref',
  'jdk.unsupported/sun.misc',
  'jdk.compiler/com.sun.tools.javac.file',
  'jdk.attach/sun.tools.attach',
];
const opened: readonly string[] = [
  'java.base/java.io',
  'java.base/java.lang',
  'java.base/java.lang.module',
  'java.base/java.lang.reflect',
  'java.base/java.util',
  'java.base/jdk.internal.loader',
  'java.base/jdk.internal.math',
  'java.base/jdk.internal.module',
  'java.base/jdk.internal.ref',
  'java.base/jdk.internal.reflect',
  'java.base/jdk.internal.util.jar',
  'java.base/sun.nio.ch',
  'jdk.compiler/com.sun.tools.javac',
  'jdk.management/com.sun.management.internal',
];

function serverOf(member: Member, logs: string, logbackPath: string): ServerProcess {
  const { id, jmxPort, directory } = member;
  const properties: Readonly<Record<string, string>> = {
    'cassandra.config': pathToFileURL(configPath(member)).href,
    'cassandra.storagedir': directory,
    'cassandra.logdir': directory,
    'logback.configurationFile': logbackPath,
    'cassandra.jmx.local.port': String(jmxPort),
    'com.sun.management.jmxremote.authenticate': 'false',
    // Not three times the half minute in which a ring of many racks would settle: the driver waits until all are up.
    'cassandra.skip_wait_for_gossip_to_settle': '0',
    'cassandra.superuser_setup_delay_ms': '0',
    'java.net.preferIPv4Stack': 'true',
    'jdk.attach.allowAttachSelf': 'true',
    'io.netty.tryReflectionSetAccessible': 'true',
    'io.netty.allocator.useCacheForAllThreads': 'true',
    'io.netty.allocator.maxOrder': '11',
  };
  return new ServerProcess({
    name: `cassandra ${id}`,
    program: java(),
    args: [
      ...[`-Xms${heap}`, `-Xmx${heap}`, '-Xss256k', '-XX:+UseG1GC', '-XX:+PerfDisableSharedMem'],
      ...['-XX:MaxGCPauseMillis=300', '-XX:+ParallelRefProcEnabled'],
      // Measures objects on the heap; without it Cassandra guesses how full its memtables are.
      `-javaagent:${cassandraJar('jamm')}`,
      ...exported.flatMap((name) => ['--add-exports', `${name}=ALL-UNNAMED`]),
      ...opened.flatMap((name) => ['--add-opens', `${name}=ALL-UNNAMED`]),
      ...Object.entries(properties).map(([name, value]) => `-D${name}=${value}`),
      ...['-cp', cassandraClassPath, 'org.apache.cassandra.service.CassandraDaemon'],
    ],
    logPath: join(logs, `${id}.log`),
    ipc: false,
  });
}

/** Whether somebody listens: a node takes clients when it is part of the ring. */
function accepts(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, host);
    const end = (accepted: boolean): void => {
      socket.destroy();
      resolve(accepted);
    };
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
  });
}
