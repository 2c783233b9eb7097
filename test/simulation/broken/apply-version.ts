/** Loads a broken version in place of the store: source files are patched while Node loads them. */

import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';
import { type BrokenVersion, filesOf, patchedSource } from './broken-version.ts';

const root = new URL('../../../', import.meta.url);

export interface AppliedVersion {
  readonly version: BrokenVersion;
  /** Files of the version that have not been loaded: none, once the simulation was imported. */
  readonly notLoaded: () => readonly string[];
}

/** From now on files are loaded as the version has them. Loading throws where a patch does not fit. */
export function applyVersion(version: BrokenVersion): AppliedVersion {
  const waiting = new Map(filesOf(version).map((file) => [new URL(file, root).href, file]));
  const patched = new Set<string>();
  registerHooks({
    load(url, context, nextLoad) {
      const file = waiting.get(url);
      if (file === undefined) return nextLoad(url, context);
      const loaded = nextLoad(url, context);
      const source = sourceText(loaded.source, url);
      patched.add(file);
      return { ...loaded, source: patchedSource(version, file, source), shortCircuit: true };
    },
  });
  return { version, notLoaded: () => filesOf(version).filter((file) => !patched.has(file)) };
}

function sourceText(
  source: string | ArrayBuffer | NodeJS.TypedArray | undefined | null,
  url: string,
): string {
  if (typeof source === 'string') return source;
  if (source === undefined || source === null)
    throw new Error(`Node gave no source for ${fileURLToPath(url)}`);
  return new TextDecoder().decode(source);
}
