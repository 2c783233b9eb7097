/**
 * Transcripts in documentation, run as they stand: ```console blocks with `$ ` before commands of a shell, `dev> ` before
 * lines typed into the terminal of `kindred dev`, and the output below each.
 *
 * In an expected output `...` stands for anything: within a line, or alone in a line for any lines or any members of a JSON
 * object. What differs from run to run (contexts, replica ids, times) must differ consistently: the first time a name is
 * seen in the page it is bound to what is printed, and later commands are given the bound one.
 */

/** One command and what the page says it prints. */
export interface TranscriptStep {
  readonly prompt: 'shell' | 'cluster';
  readonly command: string;
  readonly expected: readonly string[];
  /** Line of the command in the page, from 1. */
  readonly line: number;
}

/** What stood in the page, and what stands in its place in this run. Both ways, so that two names never mean one thing. */
export class Bindings {
  readonly #actual = new Map<string, string>();
  readonly #written = new Map<string, string>();

  /** True when `written` stands for `actual` from now on, or did already. */
  bind(written: string, actual: string): boolean {
    const bound = this.#actual.get(written);
    if (bound !== undefined) return bound === actual;
    if (this.#written.has(actual)) return false;
    this.#actual.set(written, actual);
    this.#written.set(actual, written);
    return true;
  }

  /** `text` with everything that is bound in place of what was written. */
  apply(text: string): string {
    let result = text;
    for (const [written, actual] of this.#actual) result = result.replaceAll(written, actual);
    return result;
  }

  copy(): Bindings {
    const copy = new Bindings();
    for (const [written, actual] of this.#actual) copy.bind(written, actual);
    return copy;
  }

  replaceWith(other: Bindings): void {
    this.#actual.clear();
    this.#written.clear();
    for (const [written, actual] of other.#actual) this.bind(written, actual);
  }
}

const prompts = { '$ ': 'shell', 'dev> ': 'cluster' } as const;

/** The steps of all ```console blocks of a page, in order. Throws at output without a command. */
export function transcriptOf(page: string): readonly TranscriptStep[] {
  const steps: { prompt: TranscriptStep['prompt']; command: string; expected: string[]; line: number }[] = [];
  let inside = false;
  let first = false;
  for (const [index, text] of page.split('\n').entries()) {
    if (text.startsWith('```')) {
      inside = !inside && text === '```console';
      first = inside;
      continue;
    }
    if (!inside) continue;
    const prompt = Object.entries(prompts).find(([mark]) => text.startsWith(mark));
    if (prompt !== undefined) {
      steps.push({
        prompt: prompt[1],
        command: text.slice(prompt[0].length),
        expected: [],
        line: index + 1,
      });
    } else if (first) throw new Error(`line ${index + 1}: a console block begins with a prompt`);
    else steps.at(-1)?.expected.push(text);
    first = false;
  }
  return steps;
}

/** Why the output is not what the page says, or `undefined` when it is. Binds what it meets on the way. */
export function mismatch(
  expected: readonly string[],
  output: string,
  bindings: Bindings,
): string | undefined {
  if (expected.length === 0) return output.trim() === '' ? undefined : 'nothing is to be printed';
  const text = expected.join('\n');
  if (text.startsWith('{') && text.endsWith('}') && !text.includes(' is a message:')) {
    return jsonMismatch(text, output, bindings);
  }
  return linesMismatch(expected, output.trimEnd().split('\n'), bindings);
}

/** Members whose values are new in every run. */
const bound = new Set(['context', 'writtenAt']);
/** How many replicas had answered is a matter of timing, and so is whether one of them was still behind. */
const untimed = new Set(['acked', 'synced', 'replicasAsked', 'replicasAnswered', 'replicasAgreed']);
const optional = new Set(['repairStarted']);
const elided = '...';

function jsonMismatch(expected: string, output: string, bindings: Bindings): string | undefined {
  const withMarks = expected
    .replaceAll(/^( *)\.\.\.$/gm, `$1"${elided}": true,`)
    .replaceAll(/,(\s*[}\]])/g, '$1');
  let actual: unknown;
  try {
    actual = JSON.parse(output);
  } catch {
    return 'is no JSON';
  }
  return valueMismatch(JSON.parse(withMarks), actual, bindings, '');
}

function valueMismatch(
  expected: unknown,
  actual: unknown,
  bindings: Bindings,
  path: string,
): string | undefined {
  if (Array.isArray(expected)) {
    if (!Array.isArray(actual)) return `${path} is no list`;
    return arrayMismatch(expected, actual, bindings, path);
  }
  if (typeof expected === 'object' && expected !== null) {
    if (typeof actual !== 'object' || actual === null) return `${path} is no object`;
    return objectMismatch(
      expected as Record<string, unknown>,
      actual as Record<string, unknown>,
      bindings,
      path,
    );
  }
  return expected === actual
    ? undefined
    : `${path} is ${JSON.stringify(actual)}, not ${JSON.stringify(expected)}`;
}

function objectMismatch(
  expected: Record<string, unknown>,
  actual: Record<string, unknown>,
  bindings: Bindings,
  path: string,
): string | undefined {
  if (expected[elided] === undefined) {
    const more = Object.keys(actual).filter((name) => !(name in expected) && !optional.has(name));
    if (more.length > 0) return `${path} has ${more.join(', ')} too`;
  }
  const isDot = 'replica' in expected && 'epoch' in expected;
  if (isDot && !bindings.bind(actorText(expected), actorText(actual))) {
    return `${path} is of ${actorText(actual)}, but ${actorText(expected)} stands for another actor`;
  }
  for (const [name, value] of Object.entries(expected)) {
    if (name === elided || (isDot && name !== 'counter')) continue;
    const at = `${path}.${name}`;
    if (!(name in actual)) return `${at} is missing`;
    const found = actual[name];
    if (untimed.has(name) && typeof found === 'number') continue;
    if (bound.has(name) && typeof value === 'string') {
      if (typeof found !== 'string' || !bindings.bind(value, found))
        return `${at} is ${JSON.stringify(found)}, but ${value} stands for something else`;
      continue;
    }
    const problem = valueMismatch(value, found, bindings, at);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function actorText(dot: Record<string, unknown>): string {
  return `${dot['replica']}:${dot['epoch']}`;
}

/** In any order: versions are sorted by replica id, which is random. */
function arrayMismatch(
  expected: readonly unknown[],
  actual: readonly unknown[],
  bindings: Bindings,
  path: string,
): string | undefined {
  if (expected.length !== actual.length)
    return `${path} has ${actual.length} elements, not ${expected.length}`;
  const [first, ...rest] = expected;
  if (expected.length === 0) return undefined;
  let problem: string | undefined;
  for (const [index, candidate] of actual.entries()) {
    const attempt = bindings.copy();
    problem =
      valueMismatch(first, candidate, attempt, `${path}[${index}]`) ??
      arrayMismatch(rest, actual.toSpliced(index, 1), attempt, path);
    if (problem === undefined) {
      bindings.replaceWith(attempt);
      return undefined;
    }
  }
  return problem;
}

/** The actor in `53a19d:3:1` (the end of a replica id, and an epoch) and times, in the tables of the command line. */
const actorPattern = /\b[0-9a-f]{6,14}:\d+(?=:\d+)/g;
const timePattern = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z/g;

function linesMismatch(
  expected: readonly string[],
  actual: readonly string[],
  bindings: Bindings,
): string | undefined {
  const [line, ...rest] = expected;
  if (line === undefined) return actual.length === 0 ? undefined : `"${actual[0]}" is printed too`;
  if (line.trim() === elided) {
    let problem: string | undefined;
    for (let skipped = 0; skipped <= actual.length; skipped++) {
      const attempt = bindings.copy();
      problem = linesMismatch(rest, actual.slice(skipped), attempt);
      if (problem === undefined) {
        bindings.replaceWith(attempt);
        return undefined;
      }
    }
    return problem;
  }
  if (actual[0] === undefined) return `"${line}" is missing`;
  if (!lineMatches(line, actual[0], bindings)) return `"${actual[0]}" is not "${line}"`;
  return linesMismatch(rest, actual.slice(1), bindings);
}

function lineMatches(expected: string, actual: string, bindings: Bindings): boolean {
  for (const pattern of [actorPattern, timePattern]) {
    const written = expected.match(pattern) ?? [];
    const found = actual.match(pattern) ?? [];
    if (!expected.includes(elided) && written.length !== found.length) return false;
    for (const [index, name] of written.entries()) {
      if (found[index] === undefined || !bindings.bind(name, found[index])) return false;
    }
  }
  const parts = bindings.apply(expected.trimEnd()).split(elided);
  const pattern = parts.map((part) => part.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&')).join('.*');
  return new RegExp(`^${pattern}$`).test(actual.trimEnd());
}
