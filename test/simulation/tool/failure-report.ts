/** What a person needs of a failed run besides its story: the commands that show it again, draw it and make it smaller. */

import type { Violation } from '../../checkers/history.ts';
import { violationLines } from './story.ts';

/** Of the trace that is advised, around the moment at which the promise was broken. */
const beforeMs = 200;
const afterMs = 20;

/** A run that failed, and how it was started. */
export interface FailedRun {
  readonly seed: number;
  /** The file of the plan, where it did not come from the seed alone. */
  readonly planFile?: string | undefined;
  readonly broken?: string | undefined;
  /** Where the seed was to be about something. */
  readonly profile?: string | undefined;
  readonly violations: readonly Violation[];
  readonly crash?: string | undefined;
}

/** `story`: what was told already. Without one the violations are told here, the first few of them. */
export function failureReport(run: FailedRun, story?: string): string {
  const { violations, crash } = run;
  const lines: string[] = [];
  if (story !== undefined) lines.push(story.trimEnd());
  else {
    lines.push(`seed ${run.seed} ("again" tells its story)`);
    for (const violation of violations.slice(0, 5)) lines.push(...violationLines(violation));
    if (violations.length > 5) lines.push(`... and ${violations.length - 5} more`);
    if (crash !== undefined) lines.push(...crash.split('\n').slice(0, 12));
  }
  lines.push('', ...commands(run));
  return `${lines.join('\n')}\n`;
}

/** To be copied. */
export function commands({ seed, planFile, broken, profile, violations }: FailedRun): readonly string[] {
  const about = profile === undefined ? '' : ` --profile ${profile}`;
  const source = planFile === undefined ? `--seed ${seed}${about}` : `--plan ${planFile}`;
  const base = `npm run simulate -- ${source}${broken === undefined ? '' : ` --broken ${broken}`}`;
  const keyed = violations.find(({ key }) => key !== '');
  const window =
    keyed === undefined
      ? ''
      : ` --from-ms ${Math.max(0, Math.floor(keyed.atMs) - beforeMs)} --to-ms ${Math.ceil(keyed.atMs) + afterMs}`;
  const filter = keyed === undefined ? '' : ` --key ${keyed.bucket}/${keyed.key}${window}`;
  const last = planFile === undefined ? `seed-${seed}` : 'plan';
  return [
    `  again    ${base}`,
    `  trace    ${base} --trace${filter}`,
    `  chart    ${base} --chart ${last}.html`,
    `  shrink   ${base} --shrink`,
  ];
}
