/** Compares what two processes say of the same seeds. */

/** What one of them said. */
export interface HashRun {
  /** Of Node. */
  readonly version: string;
  /** `seed hash`. */
  readonly lines: readonly string[];
  /** All that it wrote, to be told where the lines are not there. */
  readonly output: string;
}

/** For a person, with the exit code: 0 equal, 1 different, 2 nothing to compare. */
export function comparisonText(
  one: HashRun,
  other: HashRun,
  { first, seeds }: { readonly first: number; readonly seeds: number },
): { readonly text: string; readonly exitCode: 0 | 1 | 2 } {
  const [ones, others] = [hashesOf(one), hashesOf(other)];
  for (const [{ version, output }, hashes] of [
    [one, ones],
    [other, others],
  ] as const) {
    if (hashes.size === seeds) continue;
    return { text: `${version} ran ${hashes.size} of ${seeds} seeds:\n${output}`, exitCode: 2 };
  }
  const different = [...ones].filter(([seed, hash]) => others.get(seed) !== hash);
  if (different.length === 0) {
    const versions =
      one.version === other.version ? `${one.version} twice` : `${one.version}, ${other.version}`;
    return { text: `${seeds} seeds from ${first}: the same hashes (${versions})`, exitCode: 0 };
  }
  const lines = different.map(
    ([seed, hash]) =>
      `seed ${seed}: ${hash} on ${one.version}, ${others.get(seed) ?? 'none'} on ${other.version}`,
  );
  const head = `${different.length} of ${seeds} seeds from ${first} have different hashes: compare their traces (--seed N --trace)`;
  return { text: [head, ...lines].join('\n'), exitCode: 1 };
}

function hashesOf({ lines }: HashRun): ReadonlyMap<string, string> {
  return new Map(
    lines.flatMap((line) => {
      const [, seed, hash] = /^(\d+) ([0-9a-f]{16}|-)$/.exec(line) ?? [];
      return seed === undefined || hash === undefined ? [] : [[seed, hash] as const];
    }),
  );
}
