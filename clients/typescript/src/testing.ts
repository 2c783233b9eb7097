/**
 * For tests of code that uses the client: finds out whether a resolver is commutative, associative and idempotent. Several
 * clients may resolve the same versions at once, in another order or in parts; only then do they all come to the same value.
 * Needs `fast-check`.
 */

import fc from 'fast-check';
import type { Resolver } from './resolver.ts';
import { Value, type ValueLike } from './value.ts';
import { compareWritten, type Version } from './version.ts';

/** What a resolver has to keep to. */
export type ResolverLaw =
  /** It returns something for all versions. */
  | 'total'
  /** The order of the versions does not matter. */
  | 'commutative'
  /** Resolving some first, and the rest with the result, is the same as resolving all at once. */
  | 'associative'
  /** A value that is there twice counts once. */
  | 'idempotent';

/** What a check is made with. */
export interface ResolverCheckOptions {
  /** How many cases are tried for each law. Default: 300. */
  readonly runs?: number | undefined;
  /** Repeats the cases of a check that failed. Default: new ones each time. */
  readonly seed?: number | undefined;
  /** Whether two results are the same. Default: equal bytes, content type and metadata. */
  readonly equals?: ((a: Value, b: Value) => boolean) | undefined;
}

/** A case, as small as could be found, in which the law does not hold. */
export interface ResolverCounterexample {
  readonly law: ResolverLaw;
  readonly versions: readonly Version[];
  /** The two results that differ; undefined stands for an absent key. Empty for `total`. */
  readonly results: readonly (Value | undefined)[];
  /** What was thrown, for `total`. */
  readonly thrown: unknown;
  readonly seed: number;
  /** All of it in a few lines for people. */
  readonly message: string;
}

/** What a check found. */
export type ResolverCheck =
  | { readonly kind: 'passed'; readonly runs: number }
  | ({ readonly kind: 'failed' } & ResolverCounterexample);

const RUNS_DEFAULT = 300;

/**
 * Tries a resolver with versions that hold generated values, or some of these examples, and deletions among them.
 *
 *     const check = checkResolver(jsonSetUnion, fc.array(fc.string()).map((items) => Value.json(items)));
 *     assert.equal(check.kind, 'passed', check.message);
 */
export function checkResolver(
  resolver: Resolver,
  values: fc.Arbitrary<ValueLike> | readonly ValueLike[],
  options: ResolverCheckOptions = {},
): ResolverCheck {
  const { runs = RUNS_DEFAULT, seed = fc.sample(fc.integer(), 1)[0] as number } = options;
  const versions = versionsOf('generate' in values ? values : fc.constantFrom(...values));
  for (const { law, sides } of laws) {
    const failed = check(law, sides, versions, resolver, { ...options, runs, seed });
    if (failed !== undefined) return { kind: 'failed', ...failed };
  }
  return { kind: 'passed', runs: runs * laws.length };
}

/** Throws an Error with the counterexample if a resolver does not keep to the laws. */
export function assertResolver(...args: Parameters<typeof checkResolver>): void {
  const found = checkResolver(...args);
  if (found.kind === 'failed') throw new Error(found.message, { cause: found.thrown });
}

type Resolve = (versions: readonly Version[]) => Value | undefined;

/** The sides of an equation that must hold for any three versions. */
interface Law {
  readonly law: ResolverLaw;
  readonly sides: (resolve: Resolve, versions: Three) => readonly (Value | undefined)[];
}

type Three = readonly [Version, Version, Version];

const laws: readonly Law[] = [
  { law: 'total', sides: (resolve, versions) => [resolve(versions)] },
  {
    law: 'commutative',
    sides: (resolve, [a, b, c]) => [
      resolve([a, b, c]),
      resolve([b, a, c]),
      resolve([c, b, a]),
      resolve([b, c, a]),
    ],
  },
  {
    law: 'associative',
    sides: (resolve, [a, b, c]) => [
      resolve([a, b, c]),
      resolve([resolvedVersion(resolve, [a, b]), c]),
      resolve([a, resolvedVersion(resolve, [b, c])]),
    ],
  },
  {
    law: 'idempotent',
    // The same value twice under two names: what two clients wrote that resolved the same versions.
    sides: (resolve, [a, b]) => [resolve([a]), resolve([a, a]), resolve([a, { ...a, dot: b.dot }])],
  },
];

/** The version that a client writes after it has resolved others: later than they, so the latest stands for its time. */
function resolvedVersion(resolve: Resolve, versions: readonly [Version, Version]): Version {
  const value = resolve(versions);
  const [a, b] = versions;
  const { dot, clock, writtenAt, writtenAtMicros, expireTime } = compareWritten(a, b) < 0 ? b : a;
  const written = { dot, clock, writtenAt, writtenAtMicros, expireTime };
  return value === undefined ? { kind: 'deleted', ...written } : { kind: 'value', value, ...written };
}

/** Three versions with names of their own; many were written at the same time, and some are deletions. */
function versionsOf(values: fc.Arbitrary<ValueLike>): fc.Arbitrary<Three> {
  const contents = fc.option(values.map(Value.of), { nil: undefined, freq: 4 });
  const one = fc.record({
    value: contents,
    replica: fc.integer({ min: 1, max: 3 }),
    writtenAtMicros: fc.integer({ min: 0, max: 3 }),
  });
  return fc.tuple(one, one, one).map((three) => three.map(versionAt) as unknown as Three);
}

function versionAt(
  fields: { readonly value: Value | undefined; readonly replica: number; readonly writtenAtMicros: number },
  place: number,
): Version {
  const { value, replica, writtenAtMicros } = fields;
  const written = {
    dot: { replica, epoch: 1, counter: place + 1 },
    clock: [],
    writtenAt: new Date(writtenAtMicros / 1000),
    writtenAtMicros,
    expireTime: undefined,
  };
  return value === undefined ? { kind: 'deleted', ...written } : { kind: 'value', value, ...written };
}

function check(
  law: ResolverLaw,
  sides: Law['sides'],
  versions: fc.Arbitrary<Three>,
  resolver: Resolver,
  options: ResolverCheckOptions & { readonly runs: number; readonly seed: number },
): ResolverCounterexample | undefined {
  const resolve: Resolve = (given) => {
    const value = resolver(given);
    return value === undefined ? undefined : Value.of(value);
  };
  const equals = options.equals ?? ((a: Value, b: Value): boolean => a.equals(b));
  const differing = (three: Three): readonly (Value | undefined)[] | undefined => {
    const [first, ...others] = sides(resolve, three);
    const other = others.findIndex((one) => !same(first, one, equals));
    return other < 0 ? undefined : [first, others[other]];
  };
  const property = fc.property(versions, (three) => differing(three) === undefined);
  const { failed, counterexample } = fc.check(property, { numRuns: options.runs, seed: options.seed });
  if (!failed || counterexample === null) return undefined;

  const [three] = counterexample;
  const { seed } = options;
  try {
    const results = differing(three) ?? [];
    return {
      law,
      versions: three,
      results,
      thrown: undefined,
      seed,
      message: text(law, three, results, seed),
    };
  } catch (thrown) {
    const message = `${text('total', three, [], seed)}\n  threw ${thrown}`;
    return { law: 'total', versions: three, results: [], thrown, seed, message };
  }
}

function same(a: Value | undefined, b: Value | undefined, equals: (a: Value, b: Value) => boolean): boolean {
  return a === undefined || b === undefined ? a === b : equals(a, b);
}

function text(
  law: ResolverLaw,
  versions: readonly Version[],
  results: readonly (Value | undefined)[],
  seed: number,
): string {
  const lines = versions.map(
    (version) =>
      `  ${version.kind === 'value' ? valueText(version.value) : 'deleted'}, written at ${version.writtenAtMicros} us by ${version.dot.replica}`,
  );
  const outcome =
    results.length === 0 ? '' : `\n  give ${results.map(valueText).join(' or ')}, and should give one result`;
  return `the resolver is not ${law} (seed ${seed}):\n${lines.join('\n')}${outcome}`;
}

function valueText(value: Value | undefined): string {
  return value === undefined ? 'absent' : JSON.stringify(value.text());
}
