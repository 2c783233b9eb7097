/**
 * The greeting that opens every peer stream. Nodes that could damage each other's data refuse each other, and the refusal
 * names what differs, on which side, so that a person can repair it without comparing files by eye.
 */

import type { Hello } from '../gen/kindred/peer/v1/peer.ts';

/** The version of the peer protocol that this code speaks. On the wire: raise it only with a plan for mixed clusters. */
export const peerProtocolVersion = 3;

/** Differences that a refusal spells out; the rest are counted. */
const differencesShown = 5;
/** A value of a difference is shown up to this many characters. */
const valueCharactersShown = 80;
/** Deeper than any configuration; a guard against what a stranger may send. */
const depthMax = 32;

/**
 * Why `self` must not talk to the node that sent `hello`, or `undefined` if it may. `isMember` tells whether a node id is
 * in the configuration of `self`.
 */
export function refusalOf(
  hello: Hello | undefined,
  self: Hello,
  isMember: (nodeId: string) => boolean,
): string | undefined {
  if (hello === undefined) return 'the first frame has no hello';
  const caller = quoted(hello.nodeId);
  if (hello.protocolVersion !== self.protocolVersion) {
    return (
      `peer protocol versions differ: ${hello.protocolVersion} on ${caller} (${hello.softwareVersion}), ` +
      `${self.protocolVersion} on ${quoted(self.nodeId)} (${self.softwareVersion})`
    );
  }
  if (hello.clusterId !== self.clusterId) {
    return (
      `cluster ids differ: ${quoted(hello.clusterId)} on ${caller}, ` +
      `${quoted(self.clusterId)} on ${quoted(self.nodeId)}`
    );
  }
  if (hello.nodeId === self.nodeId) {
    return `${caller} is the id of the answering node too: two processes run with one node id`;
  }
  if (!isMember(hello.nodeId)) {
    return `${caller} is not a member in the configuration of ${quoted(self.nodeId)}`;
  }
  if (hello.configuration !== self.configuration) {
    const differences = configurationDifferences(
      { node: self.nodeId, configuration: self.configuration },
      { node: hello.nodeId, configuration: hello.configuration },
    );
    return `configurations differ: ${differences.join('; ')}`;
  }
  return undefined;
}

/** Why the answer in `self` of a HelloReply is not the peer that was dialled, or `undefined` if it is. */
export function wrongPeer(
  self: Hello | undefined,
  expectedNodeId: string,
  address: string,
): string | undefined {
  if (self === undefined) return `the node at ${address} did not say who it is`;
  if (self.nodeId === expectedNodeId) return undefined;
  return `the node at ${address} is ${quoted(self.nodeId)}, not ${quoted(expectedNodeId)}: check the address of both in the configuration`;
}

/** One side of a comparison: a canonical JSON text and whose it is. */
export interface ConfigurationOf {
  readonly node: string;
  readonly configuration: string;
}

/**
 * Where two canonical configurations differ, as `path: value on node, value on node`, at most five and then how many
 * more. Members of a list that have an `id` or a `name` are compared by it, so that one absent member is one difference.
 */
export function configurationDifferences(one: ConfigurationOf, other: ConfigurationOf): readonly string[] {
  const found: string[] = [];
  let more = 0;
  const add = (path: string, a: unknown, b: unknown): void => {
    if (found.length < differencesShown) {
      found.push(
        `${path || 'all'}: ${shown(a)} on ${quoted(one.node)}, ${shown(b)} on ${quoted(other.node)}`,
      );
    } else more++;
  };
  const walk = (path: string, a: unknown, b: unknown, depth: number): void => {
    if (Object.is(a, b)) return;
    const fieldsOfA = fieldsOf(a);
    const fieldsOfB = fieldsOf(b);
    if (
      depth >= depthMax ||
      fieldsOfA === undefined ||
      fieldsOfB === undefined ||
      Array.isArray(a) !== Array.isArray(b)
    ) {
      if (JSON.stringify(a) !== JSON.stringify(b)) add(path, a, b);
      return;
    }
    for (const name of new Set([...fieldsOfA.keys(), ...fieldsOfB.keys()])) {
      const inner = Array.isArray(a) ? `${path}[${name}]` : path === '' ? name : `${path}.${name}`;
      walk(inner, fieldsOfA.get(name), fieldsOfB.get(name), depth + 1);
    }
  };
  const a = parsed(one.configuration);
  const b = parsed(other.configuration);
  if (a === undefined || b === undefined) {
    const unreadable = a === undefined ? one.node : other.node;
    return [`the configuration of ${quoted(unreadable)} is not JSON`];
  }
  walk('', a.value, b.value, 0);
  if (found.length === 0) found.push('only the order or the spelling of equal values');
  if (more > 0) found.push(`and ${more} more`);
  return found;
}

/** Named parts of an object or a list. */
function fieldsOf(value: unknown): Map<string, unknown> | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  if (!Array.isArray(value)) return new Map(Object.entries(value));
  for (const key of ['id', 'name']) {
    const names = value.map((item: unknown) =>
      typeof item === 'object' && item !== null ? (item as Record<string, unknown>)[key] : undefined,
    );
    if (names.every((name) => typeof name === 'string') && new Set(names).size === names.length) {
      return new Map(value.map((item: unknown, index) => [String(names[index]), item]));
    }
  }
  return new Map(value.map((item: unknown, index) => [String(index), item]));
}

function parsed(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined;
  }
}

function shown(value: unknown): string {
  if (value === undefined) return 'nothing';
  return cut(JSON.stringify(value));
}

function quoted(text: string): string {
  return cut(JSON.stringify(text));
}

function cut(text: string): string {
  return text.length > valueCharactersShown ? `${text.slice(0, valueCharactersShown)}...` : text;
}
