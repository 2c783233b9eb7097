/**
 * The import directions of `.dependency-cruiser.cjs`, and the proof that they were looked at: dependency-cruiser reads
 * TypeScript 7 through @swc/core, and where it cannot it cruises nothing and reports no violation. So the modules it
 * cruised must be the files on disk.
 */
import { readdir } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { runCommand } from './command.ts';
import type { Outcome } from './outcome.ts';

/** One import that a rule forbids. For a cycle, `to` is the next file in it. */
export interface ImportViolation {
  readonly rule: string;
  readonly from: string;
  readonly to: string;
}

/** What dependency-cruiser saw below `src` of a folder. */
export interface CruiseResult {
  readonly files: readonly string[];
  readonly dependencies: number;
  readonly violations: readonly ImportViolation[];
}

interface CruiseReport {
  readonly modules: readonly { readonly source: string }[];
  readonly summary: {
    readonly totalDependenciesCruised: number;
    readonly violations: readonly {
      readonly from: string;
      readonly to: string;
      readonly rule: { readonly name: string };
    }[];
    readonly ruleSetUsed: {
      readonly forbidden: readonly { readonly name: string; readonly comment?: string }[];
    };
  };
}

/** Checks the imports of all files below `src` of `folder`. */
export async function checkImports(folder: string): Promise<Outcome> {
  const report = await cruise(folder);
  if (typeof report === 'string') return { kind: 'failed', output: report };
  const found = result(report);
  const unseen = filesNotCruised(await sourceFiles(folder), found);
  if (unseen !== undefined) return { kind: 'failed', output: unseen };
  if (found.violations.length === 0) {
    return { kind: 'passed', note: `${found.files.length} files, ${found.dependencies} imports` };
  }
  const comments = new Map(
    report.summary.ruleSetUsed.forbidden.map((rule) => [rule.name, rule.comment ?? '']),
  );
  const lines = found.violations.map(
    ({ rule, from, to }) => `${rule}: ${from} imports ${to}\n  ${comments.get(rule) ?? ''}\n`,
  );
  return { kind: 'failed', output: lines.join('') };
}

/** The violations below `src` of `folder`. Throws when dependency-cruiser did not run. */
export async function cruiseImports(folder: string): Promise<CruiseResult> {
  const report = await cruise(folder);
  if (typeof report === 'string') throw new Error(report);
  return result(report);
}

/** Says which files dependency-cruiser did not look at, or undefined if it saw them all and their imports. */
export function filesNotCruised(
  onDisk: readonly string[],
  seen: Pick<CruiseResult, 'files' | 'dependencies'>,
): string | undefined {
  const cruised = new Set(seen.files);
  const missing = onDisk.filter((file) => !cruised.has(file));
  if (missing.length > 0 || onDisk.length === 0) {
    const list = missing.map((file) => `  ${file}\n`).join('');
    return `dependency-cruiser saw ${seen.files.length} of ${onDisk.length} files of src; is @swc/core installed? Not seen:\n${list}`;
  }
  if (seen.dependencies === 0)
    return 'dependency-cruiser saw files and not one import; is @swc/core installed?\n';
  return undefined;
}

async function cruise(folder: string): Promise<CruiseReport | string> {
  const args = ['src', '--config', '.dependency-cruiser.cjs', '--output-type', 'json'];
  const { stdout, output } = await runCommand('depcruise', args, { folder });
  try {
    return JSON.parse(stdout) as CruiseReport;
  } catch {
    return `dependency-cruiser gave no report:\n${output}`;
  }
}

function result(report: CruiseReport): CruiseResult {
  return {
    files: report.modules.map(({ source }) => source).filter((source) => /^src\/.*[.]ts$/.test(source)),
    dependencies: report.summary.totalDependenciesCruised,
    violations: report.summary.violations.map(({ from, to, rule }) => ({ rule: rule.name, from, to })),
  };
}

async function sourceFiles(folder: string): Promise<string[]> {
  const entries = await readdir(join(folder, 'src'), { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .sort();
}
