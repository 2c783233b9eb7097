/**
 * Does the suite catch fish? A mutation is the server with one bug in what it tells its clients: a patch of its source, made
 * while Node loads it (mutate.ts). At least one case of the groups that it names must fail.
 */

import type { BrokenVersion } from '../../test/simulation/broken/broken-version.ts';

export interface Mutation extends BrokenVersion {
  /** Only these groups are played. */
  readonly groups: readonly string[];
}

const operations = 'src/coordinator/client-operations.ts';
const conversion = 'src/rpc/conversion.ts';
const status = 'src/rpc/status.ts';

export const mutations: readonly Mutation[] = [
  {
    name: 'wrong-code',
    bug: 'an existing key is refused with ALREADY_EXISTS in place of FAILED_PRECONDITION',
    repeats: 'servers that follow the word and not their documentation',
    groups: ['blind modes'],
    patches: [
      {
        file: status,
        was: "    case 'key-exists':\n      return notApplied(\n        status.FAILED_PRECONDITION,",
        becomes: "    case 'key-exists':\n      return notApplied(\n        status.ALREADY_EXISTS,",
      },
    ],
  },
  {
    name: 'detail-missing',
    bug: 'failures of unary calls come without an ErrorDetail',
    repeats: 'proxies that drop the trailer grpc-status-details-bin',
    groups: ['errors', 'limits'],
    patches: [
      {
        file: status,
        was: '  if (detail !== undefined) {\n    const packed',
        becomes: '  if (detail === null) {\n    const packed',
      },
    ],
  },
  {
    name: 'context-dropped',
    bug: 'a read answers with no context',
    repeats: 'stores whose clients overwrite what they have not read',
    groups: ['siblings'],
    patches: [
      {
        file: conversion,
        was: '  encode(context: CausalContext, recordKey: Uint8Array): Uint8Array {\n    return encodeContext',
        becomes:
          '  encode(context: CausalContext, recordKey: Uint8Array): Uint8Array {\n    if (recordKey.length > 0) return noBytes;\n    return encodeContext',
      },
    ],
  },
  {
    name: 'context-of-any-key',
    bug: 'contexts are not bound to their key',
    repeats: 'Riak before vector clocks were bound to anything',
    groups: ['siblings', 'errors'],
    patches: [
      {
        file: conversion,
        was: '    bound.set(recordKey, this.#prefix.length);',
        becomes: '    bound.fill(0, this.#prefix.length);',
      },
    ],
  },
  {
    name: 'context-ignored',
    bug: 'a put with a context is carried out as a blind one',
    repeats: 'lost updates of every store with last-write-wins by default',
    groups: ['siblings'],
    patches: [
      {
        file: conversion,
        was: '    if (context !== undefined) return { kind:',
        becomes: '    if (context === null) return { kind:',
      },
    ],
  },
  {
    name: 'request-id-ignored',
    bug: 'a write that is sent again counts again',
    repeats: 'every counter that was incremented twice',
    groups: ['request ids'],
    patches: [
      {
        file: 'src/rpc/limits.ts',
        was: '  return new Uint8Array(id);',
        becomes: '  return undefined;',
      },
    ],
  },
  {
    name: 'min-context-ignored',
    bug: 'a read answers an older state than the client has seen',
    repeats: 'stale reads behind a "session" that nobody checks',
    groups: ['sessions'],
    patches: [
      {
        file: operations,
        was: "          : this.#deps.tokens.decode(options.minContext, recordKey, 'options.min_context'),",
        becomes: '          : undefined,',
      },
    ],
  },
  {
    name: 'versions-held-always-1',
    bug: 'a write that raced is told that it did not',
    repeats: 'updates that are content with half of what was written',
    groups: ['siblings', 'blind modes'],
    patches: [
      {
        file: 'src/core/causality/record.ts',
        was: '  return distinctVersions(record).length;',
        becomes: '  return 1;',
      },
    ],
  },
  {
    name: 'outcome-not-applied',
    bug: 'a write that may have been applied is reported as not applied',
    repeats: 'what Jepsen found in nearly every store: failures that were none',
    groups: ['cancellation'],
    patches: [
      {
        file: status,
        was: '      ? unknown\n        ? WireOutcome.WRITE_OUTCOME_UNKNOWN\n',
        becomes: '      ? unknown\n        ? WireOutcome.WRITE_OUTCOME_NOT_APPLIED\n',
      },
    ],
  },
  {
    name: 'deletions-hidden',
    bug: 'a deletion that raced a value is not shown beside it',
    repeats: 'deleted items that come back in the cart',
    groups: ['siblings'],
    patches: [
      {
        file: conversion,
        was: '  const versions = state.versions.map((version) =>',
        becomes:
          '  const live = state.versions.filter((version) => isLive(version, nowMicros));\n  const versions = live.map((version) =>',
      },
    ],
  },
  {
    name: 'placement-shifted',
    bug: 'the table of homes begins with the second partition',
    repeats: 'clients and servers that count from different ends',
    groups: ['direct routing'],
    patches: [
      {
        file: 'src/coordinator/topology-service.ts',
        was: '          homes: Array.from(placement.homeIndexes),',
        becomes: '          homes: Array.from(placement.homeIndexes).slice(replication),',
      },
    ],
  },
];

/** Throws for a name that none has, and lists those that there are. */
export function mutationOf(name: string): Mutation {
  const found = mutations.find((mutation) => mutation.name === name);
  if (found !== undefined) return found;
  throw new Error(
    `no mutation is called "${name}". There are:\n${mutations.map((each) => `  ${each.name}\n`).join('')}`,
  );
}
