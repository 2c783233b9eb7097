/** The functions and resolvers that the conformance protocol has names for. */

import { jsonSetUnion, lastWriter, type Resolver, type UpdateFunction, Value } from '../src/index.ts';
import { type Json, UnknownRequest } from './json.ts';

/** `{append: text}`, `{add: item}` to a JSON set, or `{keep: true}`. */
export function changeOf(fn: Json): UpdateFunction {
  const { append, add, keep } = fn;
  if (append !== undefined) return (current) => `${current?.text() ?? ''}${append}`;
  if (add !== undefined) {
    return (current) => Value.json([...new Set([...(current?.json<string[]>() ?? []), add])].sort());
  }
  if (keep === true) return () => undefined;
  throw new UnknownRequest(`no function ${JSON.stringify(fn)}`);
}

export function resolverOf(name: string | undefined): Resolver | undefined {
  switch (name) {
    case undefined:
      return undefined;
    case 'union':
      return jsonSetUnion;
    case 'lastWriter':
      return lastWriter;
    default:
      throw new UnknownRequest(`no resolver "${name}"`);
  }
}
