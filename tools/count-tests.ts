/**
 * Counts what a run of vitest's JSON reporter and the other steps of CI found, and prints it as one line:
 * `N passed, N failed`, and `, N skipped` if any.
 *
 *   node tools/count-tests.ts REPORT EXIT_CODE FAILED_STEPS
 *
 * REPORT may be missing (the run crashed or ran out of time), and EXIT_CODE may be above 0 without a failed test (an
 * error outside of any test): each counts as one failure. So does each file that could not be loaded.
 */
import { readFileSync } from 'node:fs';

interface Report {
  readonly testResults: readonly {
    readonly status: string;
    readonly assertionResults: readonly { readonly status: string }[];
  }[];
}

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

function count(report: Report): Counts {
  const counts: Counts = { passed: 0, failed: 0, skipped: 0 };
  for (const file of report.testResults) {
    const failedBefore = counts.failed;
    for (const { status } of file.assertionResults) {
      if (status === 'passed') counts.passed++;
      else if (status === 'failed') counts.failed++;
      else counts.skipped++;
    }
    if (file.status === 'failed' && counts.failed === failedBefore) counts.failed++;
  }
  return counts;
}

function read(path: string): Counts {
  try {
    return count(JSON.parse(readFileSync(path, 'utf8')) as Report);
  } catch (error) {
    process.stdout.write(`no report of the tests: ${(error as Error).message}\n`);
    return { passed: 0, failed: 1, skipped: 0 };
  }
}

const [path = '', exitCode = '1', failedSteps = '1'] = process.argv.slice(2);
const { passed, failed, skipped } = read(path);
const unexplained = exitCode !== '0' && failed === 0 ? 1 : 0;
const failures = failed + unexplained + Number(failedSteps);
process.stdout.write(`${passed} passed, ${failures} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`);
if (failures > 0) process.exitCode = 1;
