/**
 * Does the net catch fish? A broken version is the store with one known bug brought back: a small patch of the production
 * source, made while the module is loaded (register.ts). No flag for it exists in the product, and src/ never changes.
 */

/** One exact text of one file, and what takes its place. */
export interface Patch {
  /** From the root of the repository. */
  readonly file: string;
  /** Must occur exactly once in the file. */
  readonly was: string;
  readonly becomes: string;
}

export interface BrokenVersion {
  /** Words of the bug, with hyphens. */
  readonly name: string;
  /** What the store does wrong, for a person who reads the table. */
  readonly bug: string;
  /** Where this bug was shipped before: a class of published bugs, or the issue of another store. */
  readonly repeats: string;
  readonly patches: readonly Patch[];
}

/** The source with the version's patches of that file. Throws when one of them does not fit exactly once. */
export function patchedSource(version: BrokenVersion, file: string, source: string): string {
  let patched = source;
  for (const patch of version.patches) {
    if (patch.file !== file) continue;
    const parts = patched.split(patch.was);
    if (parts.length !== 2) {
      throw new Error(
        `broken version ${version.name} no longer applies: update it. Its text occurs ${parts.length - 1} times in ` +
          `${file}, and not once:\n${patch.was}`,
      );
    }
    patched = parts.join(patch.becomes);
  }
  return patched;
}

/** The files that the version changes, each once. */
export function filesOf(version: BrokenVersion): readonly string[] {
  return [...new Set(version.patches.map(({ file }) => file))];
}
