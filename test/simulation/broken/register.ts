/**
 * Loads a broken version by its name. Either call `applyBrokenVersion` before the first import of anything under src/, or
 * start the process with `node --import './test/simulation/broken/register.ts?version=NAME'`.
 */

import { brokenVersionOf } from './all-broken-versions.ts';
import { type AppliedVersion, applyVersion } from './apply-version.ts';

/** Throws for an unknown name. */
export function applyBrokenVersion(name: string): AppliedVersion {
  return applyVersion(brokenVersionOf(name));
}

const preloaded = new URL(import.meta.url).searchParams.get('version');
if (preloaded !== null) applyBrokenVersion(preloaded);
