/**
 * What `package-lock.json` must be so that `npm ci` works with any registry and on any platform: no address of a
 * registry, and every optional package listed (npm omits those of other platforms when it cannot fetch them, and
 * then refuses its own file).
 */
import type { Outcome } from './outcome.ts';

interface LockedPackage {
  readonly resolved?: string;
  readonly link?: boolean;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

/** Checks the text of a `package-lock.json`. */
export function checkLockfile(text: string): Outcome {
  const { packages } = JSON.parse(text) as { packages: Readonly<Record<string, LockedPackage>> };
  const faults: string[] = [];
  for (const [path, entry] of Object.entries(packages)) {
    if (entry.resolved !== undefined && entry.link !== true) {
      faults.push(
        `${path} names the address it came from: npm install with omit-lockfile-registry-resolved=true`,
      );
    }
    for (const name of Object.keys(entry.optionalDependencies ?? {})) {
      if (!isLocked(packages, path, name)) faults.push(`${path} may need ${name}, which is not in the lock`);
    }
  }
  if (faults.length > 0) return { kind: 'failed', output: `${faults.join('\n')}\n` };
  return { kind: 'passed', note: `${Object.keys(packages).length - 1} packages` };
}

/** Looks for `name` as Node would from the folder at `path`: there, then in each folder above. */
function isLocked(packages: Readonly<Record<string, LockedPackage>>, path: string, name: string): boolean {
  let folder = path;
  while (folder !== '') {
    if (`${folder}/node_modules/${name}` in packages) return true;
    folder = folder.slice(0, Math.max(0, folder.lastIndexOf('node_modules/') - 1));
  }
  return `node_modules/${name}` in packages;
}
