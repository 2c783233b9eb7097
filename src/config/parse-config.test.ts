import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { canonicalConfiguration, configurationDifferences, ownMember } from './config.ts';
import {
  ConfigError,
  type ConfigSources,
  environmentName,
  parseConfig,
  parseMemberFlag,
} from './parse-config.ts';
import { knobs } from './schema.ts';

const THREE = `
cluster: { id: c1 }
node: n2
members:
  - { id: n1, host: 10.0.0.1 }
  - { id: n2, host: 10.0.0.2 }
  - { id: n3, host: 10.0.0.3 }
`;

function file(text: string): ConfigSources {
  return { file: { name: 'k.yaml', text } };
}

function problems(sources: ConfigSources): readonly string[] {
  try {
    parseConfig(sources);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

test('nothing at all is a single node with one copy', () => {
  const { config, warnings } = parseConfig({});
  expect(config.node).toBe('n1');
  expect(config.members).toEqual([
    { id: 'n1', host: '127.0.0.1', clientPort: 7400, peerPort: 7500, httpPort: 7600, zone: 'n1', weight: 1 },
  ]);
  expect(config.cluster).toEqual({ id: 'kindred', replication: 1, partitions: 4096 });
  expect(config.buckets).toEqual([
    {
      name: 'default',
      replication: 1,
      readLevel: 'quorum',
      writeLevel: 'quorum',
      durability: 'sync-quorum',
      handoff: 'strict',
      conflictPolicy: 'siblings',
      blindWrite: 'overwrite',
      siblingsWarn: 25,
      siblingsMax: 100,
      ttlMs: undefined,
      valueBytesMax: 1024 * 1024,
    },
  ]);
  expect(config.storage).toEqual({
    engine: 'lsm',
    path: './data/n1',
    integrityCheck: 'full',
    recordCacheBytes: 64 * 1024 * 1024,
  });
  expect(config.timeouts.requestMsMax).toBe(10_000);
  expect(config.log).toEqual({ level: 'info', format: 'json' });
  expect(warnings).toEqual([]);
});

test('flags win over the environment, the environment over the file, the file over defaults', () => {
  const sources: ConfigSources = {
    ...file(`${THREE}timeouts: { request_ms: 1000, request_ms_max: 9000, drain_ms: 1 }\n`),
    environment: {
      KINDRED_TIMEOUTS_REQUEST_MS: '2000',
      KINDRED_TIMEOUTS_REQUEST_MS_MAX: '8000',
      PATH: '/bin',
    },
    flags: [{ path: 'timeouts.request_ms', value: '3000', name: '--set' }],
  };
  expect(parseConfig(sources).config.timeouts).toEqual({
    requestMs: 3000,
    requestMsMax: 8000,
    drainMs: 1,
    deadlineMarginMs: 50,
  });
});

test('lists come from the environment as YAML, names as they stand', () => {
  const { config } = parseConfig({
    environment: {
      KINDRED_MEMBERS: '[{id: "1", host: a}, {id: "2", host: b}]',
      KINDRED_NODE: '2',
      KINDRED_CLUSTER_ID: '007',
    },
  });
  expect(config.members.map((member) => member.host)).toEqual(['a', 'b']);
  expect(ownMember(config).host).toBe('b');
  expect(config.cluster).toEqual({ id: '007', replication: 2, partitions: 4096 });
});

test('variables that Kubernetes injects for a service called kindred are not ours', () => {
  const environment = {
    KINDRED_SERVICE_HOST: '10.1.1.1',
    KINDRED_PORT: 'tcp://10.1.1.1:7400',
    KINDRED_PORT_7400_TCP_ADDR: '10.1.1.1',
    KINDRED_PEERS_SERVICE_HOST: '10.1.1.2',
    KINDRED_ENDPOINT: 'h:1',
  };
  expect(problems({ environment })).toEqual([]);
});

const refused: [name: string, sources: ConfigSources, expected: RegExp[]][] = [
  [
    'unknown section',
    file('clusters: {}\n'),
    [/^k\.yaml:1: clusters: no such field; did you mean cluster\?$/],
  ],
  [
    'unknown field',
    file('timeouts:\n  foo: 1\n'),
    [/^k\.yaml:2: timeouts\.foo: no such field; known here: request_ms, /],
  ],
  [
    'unknown member field',
    file('members:\n  - { id: a, host: b, port: 1 }\n'),
    [/^k\.yaml:2: members\[0\]\.port: no such field/],
  ],
  [
    'wrong type',
    file('timeouts: { request_ms: soon }\n'),
    [/^k\.yaml:1: timeouts\.request_ms: expected .*; found "soon"$/],
  ],
  ['missing host', file('members:\n  - { id: a }\n'), [/members\[0\]\.host: .*it is missing$/]],
  [
    'not a power of two',
    file('cluster: { partitions: 1000 }\n'),
    [/cluster\.partitions: must be a power of two; found 1000/],
  ],
  ['bad id', file('node: N_1\n'), [/node: must be 1 to 63 of .*; found "N_1"/]],
  ['scalar for a section', file('timeouts: 5\n'), [/timeouts: .*expected object.*; found 5/]],
  ['a list', file('- a\n'), [/^k\.yaml: must be a mapping/]],
  ['broken YAML', file('a: [1\n'), [/^k\.yaml: .*at line 2, column 1$/]],
  ['duplicate key', file('node: a\nnode: b\n'), [/^k\.yaml: .*unique/]],
  ['unknown variable', { environment: { KINDRED_TIMEOUT: '1' } }, [/^KINDRED_TIMEOUT: no such setting/]],
  [
    'unknown flag path',
    { flags: [{ path: 'a.b', value: '1', name: '--set a.b' }] },
    [/^--set a\.b: there is no field a\.b/],
  ],
  [
    'flag of a wrong type',
    { flags: [{ path: 'timeouts.drain_ms', value: 'x', name: '--set' }] },
    [/^--set: timeouts\.drain_ms: expected/],
  ],
  ['node missing', file(THREE.replace('node: n2', '')), [/node: is missing, and members has 3: say which/]],
  [
    'node unknown',
    file(THREE.replace('node: n2', 'node: n9')),
    [/^k\.yaml:3: node: is n9, but members has n1, n2, n3: .*\[members: k\.yaml:5\]$/],
  ],
  [
    'more copies than members',
    { ...file(THREE), environment: { KINDRED_CLUSTER_REPLICATION: '5' } },
    [
      /^KINDRED_CLUSTER_REPLICATION: cluster\.replication: is 5, but members has only 3: .*\[members: k\.yaml:5\]$/,
    ],
  ],
  ['member twice', file(THREE.replace('id: n3', 'id: n1')), [/members\[2\]\.id: n1 is there twice/]],
  [
    'address twice',
    file(THREE.replace('10.0.0.3', '10.0.0.1')),
    [
      /members\[2\]\.client_port: 10\.0\.0\.1:7400 is also members\[0\]\.client_port \(n1\)/,
      /peer_port/,
      /http_port/,
    ],
  ],
  ['bucket twice', file('buckets: [{name: a}, {name: a}]\n'), [/buckets\[1\]\.name: a is there twice/]],
  [
    'bucket above the cluster',
    file(`${THREE}buckets: [{name: a, replication: 4}]\n`),
    [/buckets\[0\]\.replication: is 4, but cluster\.replication is 3/],
  ],
  [
    'level above the copies',
    file('buckets: [{name: a, read_level: two}]\n'),
    [/read_level: is two, but the bucket has 1 replicas/],
  ],
  ['reads at any', file('buckets: [{name: a, read_level: any}]\n'), [/read_level: .*found "any"/]],
  [
    'siblings',
    file('buckets: [{name: a, siblings_max: 5}]\n'),
    [/siblings_max: is 5, less than siblings_warn 25/],
  ],
  [
    'deadlines',
    file('timeouts: { request_ms: 20000 }\n'),
    [
      /^k\.yaml \(default\): timeouts\.request_ms_max: is 10000, but timeouts\.request_ms asks for at least 20000: .*\[timeouts\.request_ms: k\.yaml:1\]$/,
    ],
  ],
  [
    'margin',
    file('timeouts: { request_ms: 100 }\n'),
    [/timeouts\.request_ms: is 100, but timeouts\.deadline_margin_ms asks for at least 101/],
  ],
  [
    'record',
    file('limits: { record_bytes_max: 2000000 }\n'),
    [/limits\.record_bytes_max: is 2000000, but buckets\.value_bytes_max asks for at least 2097152/],
  ],
  [
    'message for value',
    file('limits: { message_bytes_max: 1000000, batch_bytes_max: 1024 }\n'),
    [/limits\.message_bytes_max: is 1000000, but buckets\.value_bytes_max/],
  ],
  [
    'message for batch',
    file('limits: { batch_bytes_max: 6000000 }\n'),
    [/limits\.message_bytes_max: .*limits\.batch_bytes_max asks/],
  ],
  [
    'in flight',
    file('limits: { bytes_in_flight_max: 1048576 }\n'),
    [/limits\.bytes_in_flight_max: is 1048576, but limits\.message_bytes_max/],
  ],
  [
    'frame',
    file('peers: { frame_bytes_max: 16777216 }\n'),
    [/peers\.frame_bytes_max: is 16777216, but limits\.record_bytes_max/],
  ],
  [
    'queue',
    file('peers: { queue_bytes_max: 8388608 }\n'),
    [/peers\.queue_bytes_max: is 8388608, but peers\.frame_bytes_max/],
  ],
  [
    'reconnect',
    file('peers: { reconnect_ms: 6000 }\n'),
    [/peers\.reconnect_ms_max: is 5000, but peers\.reconnect_ms/],
  ],
  [
    'suspicion',
    file('heartbeat: { interval_ms: 3000 }\n'),
    [/failure_detector\.acceptable_pause_ms: is 2000, but heartbeat\.interval_ms asks for at least 3000/],
  ],
  [
    'failure',
    file('failure_detector: { failed_phi: 4.5 }\n'),
    [/failure_detector\.failed_phi: is 4\.5, but failure_detector\.suspect_phi asks for at least 5/],
  ],
  [
    'probe',
    file('failure_detector: { suspicion_ms: 400 }\n'),
    [/failure_detector\.suspicion_ms: is 400, but failure_detector\.probe_timeout_ms asks for at least 500/],
  ],
];

test.each(refused)('refuses: %s', (_name, sources, expected) => {
  const found = problems(sources);
  expect(found).toHaveLength(expected.length);
  for (const [index, pattern] of expected.entries()) expect(found[index]).toMatch(pattern);
});

test('all problems are told at once', () => {
  expect(problems(file('a: 1\nb: 2\ntimeouts: { request_ms: x }\n'))).toHaveLength(3);
});

test('few zones and a store that forgets are warned about, not refused', () => {
  const { warnings } = parseConfig(
    file(`${THREE.replaceAll('host:', 'zone: a, host:')}storage: { engine: memory }\n`),
  );
  expect(warnings).toEqual([
    'members are in 1 zone and cluster.replication is 3: copies of a key will share a zone',
    'storage.engine is memory: this node forgets all its data when it stops',
  ]);
});

test('the canonical configuration is equal for every node, whatever the order, and shows what differs', () => {
  const one = parseConfig(file(THREE)).config;
  const reordered = parseConfig(
    file(
      'node: n3\nmembers: [{id: n3, host: 10.0.0.3}, {id: n1, host: 10.0.0.1}, {id: n2, host: 10.0.0.2}]\ncluster: {id: c1}\nlog: {level: debug}\n',
    ),
  ).config;
  expect(canonicalConfiguration(reordered)).toBe(canonicalConfiguration(one));
  const other = parseConfig(
    file(`${THREE.replace('host: 10.0.0.2', 'host: 10.0.0.2, zone: z')}buckets: [{name: a, ttl_ms: 5}]\n`),
  ).config;
  const differences = configurationDifferences(canonicalConfiguration(one), canonicalConfiguration(other));
  expect(differences).toContain('members.n2.zone: "n2" here, "z" there');
  expect(differences).toContain('buckets.a.ttl_ms: absent here, 5 there');
  expect(configurationDifferences(canonicalConfiguration(one), canonicalConfiguration(one))).toEqual([]);
});

test('differences are bounded', () => {
  const many = JSON.stringify({
    members: Array.from({ length: 30 }, (_, index) => ({ id: `n${index}`, zone: 'a' })),
  });
  const lines = configurationDifferences(many, '{}');
  expect(lines).toHaveLength(21);
  expect(lines.at(-1)).toBe('and 40 more');
});

test('members on the command line', () => {
  expect(parseMemberFlag('n1@h')).toEqual({ id: 'n1', host: 'h' });
  expect(parseMemberFlag('n1@[::1]:1:2:3/z*2.5')).toEqual({
    id: 'n1',
    host: '::1',
    client_port: 1,
    peer_port: 2,
    http_port: 3,
    zone: 'z',
    weight: 2.5,
  });
  for (const bad of ['n1', 'n1@', '@h', 'n1@h:x', 'n1@h:1:2:3:4', 'n1@::1']) {
    expect(() => parseMemberFlag(bad), bad).toThrow(ConfigError);
  }
});

test('the example file of three nodes is valid for each of them, and they agree', () => {
  const name = 'examples/three-nodes.yaml';
  const text = readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8');
  const configs = ['n1', 'n2', 'n3'].map((node) => {
    const parsed = parseConfig({
      file: { name, text },
      flags: [{ path: 'node', value: node, name: '--node' }],
    });
    expect(parsed.warnings).toEqual([]);
    return parsed.config;
  });
  expect(configs.map((config) => ownMember(config).id)).toEqual(['n1', 'n2', 'n3']);
  expect(new Set(configs.map(canonicalConfiguration)).size).toBe(1);
  expect(configs[0]?.buckets.map((bucket) => bucket.name)).toEqual(['default', 'sessions', 'settings']);
});

test('no two knobs share an environment variable', () => {
  const names = knobs().map((knob) => environmentName(knob.path));
  expect(new Set(names).size).toBe(names.length);
});
