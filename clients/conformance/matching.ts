/**
 * Compares an answer with what a case expects. Fields that the expectation does not name may hold anything; those it names
 * must match. What protobuf does not send is what it stands for: an expected "", 0, false or [] matches a field that is not there.
 *
 *     {"$any": true}             there, whatever it is
 *     {"$absent": true}          not there, or empty
 *     {"$oneOf": [...]}          matches one of these
 *     {"$not": ...}              does not match
 *     {"$atLeast": n}            a number from n on; {"$atMost": n} up to n
 *     {"$length": n}             a text or a list of this length
 *     {"$unordered": [...]}      a list of just these, in any order
 *     {"$each": ...}             a list of which every item matches
 *     {"$count": n, "of": ...}   a list of which n items match
 *     {"$pattern": "..."}        a text that the regular expression finds
 */

import type { Json, JsonObject } from './template.ts';

type Found = Json | undefined;

/** What differs, one line each, with the place. Empty: it matches. */
export function differences(expected: Json, found: Found, at = 'answer'): readonly string[] {
  if (expected !== null && typeof expected === 'object') {
    if (Array.isArray(expected)) return listDifferences(expected as readonly Json[], found, at);
    const object = expected as JsonObject;
    const form = Object.keys(object).find((name) => name.startsWith('$'));
    return form === undefined ? objectDifferences(object, found, at) : special(form, object, found, at);
  }
  if (expected === found || (found === undefined && isDefault(expected))) return [];
  return [`${at} is ${shown(found)}, and not ${shown(expected)}`];
}

function matches(expected: Json, found: Found): boolean {
  return differences(expected, found).length === 0;
}

function listDifferences(expected: readonly Json[], found: Found, at: string): readonly string[] {
  const list = found === undefined && expected.length === 0 ? [] : found;
  if (!Array.isArray(list)) return [`${at} is ${shown(found)}, and not a list`];
  if (list.length !== expected.length)
    return [`${at} has ${list.length} items, and not ${expected.length}: ${shown(found)}`];
  return expected.flatMap((item, index) => differences(item, list[index], `${at}[${index}]`));
}

function objectDifferences(expected: JsonObject, found: Found, at: string): readonly string[] {
  const names = Object.entries(expected);
  if (found === undefined || found === null || typeof found !== 'object' || Array.isArray(found))
    return [`${at} is ${shown(found)}, and not an object`];
  return names.flatMap(([name, value]) => {
    const own = (found as JsonObject)[name];
    const differ = differences(value, own, `${at}.${name}`);
    // What is there in its place says more: most often an error.
    return differ.length > 0 && own === undefined ? [`${at} has no such ${name}: ${shown(found)}`] : differ;
  });
}

function special(form: string, matcher: JsonObject, found: Found, at: string): readonly string[] {
  const wanted = matcher[form] as Json;
  const unless = (isRight: boolean, what: string): readonly string[] =>
    isRight ? [] : [`${at} is ${shown(found)}, and not ${what}`];
  switch (form) {
    case '$any':
      return unless(found !== undefined && found !== null, 'anything');
    case '$absent':
      return unless(found === undefined || found === null || isDefault(found), 'absent');
    case '$oneOf':
      return unless(
        (wanted as readonly Json[]).some((each) => matches(each, found)),
        `one of ${shown(wanted)}`,
      );
    case '$not':
      return matches(wanted, found) ? [`${at} is ${shown(found)}, which it must not be`] : [];
    case '$atLeast':
      return unless(Number(found ?? 0) >= Number(wanted), `at least ${shown(wanted)}`);
    case '$atMost':
      return unless(Number(found ?? 0) <= Number(wanted), `at most ${shown(wanted)}`);
    case '$length':
      return unless(lengthOf(found) === wanted, `of length ${shown(wanted)}`);
    case '$pattern':
      return unless(
        typeof found === 'string' && new RegExp(String(wanted)).test(found),
        `like ${shown(wanted)}`,
      );
    case '$unordered':
      return unordered(wanted as readonly Json[], found, at);
    case '$each': {
      if (!Array.isArray(found)) return [`${at} is ${shown(found)}, and not a list`];
      return found.flatMap((item: Json, index) => differences(wanted, item, `${at}[${index}]`)).slice(0, 3);
    }
    case '$count': {
      const list = Array.isArray(found) ? found : [];
      const count = list.filter((item: Json) => matches(matcher['of'] as Json, item)).length;
      return count === wanted ? [] : [`${at} has ${count} such items, and not ${shown(wanted)}`];
    }
    default:
      throw new Error(`the case has ${form}, which is no matcher`);
  }
}

/** Each item takes the first that it matches: enough where expectations do not overlap. */
function unordered(expected: readonly Json[], found: Found, at: string): readonly string[] {
  if (!Array.isArray(found) || found.length !== expected.length)
    return [`${at} is ${shown(found)}, and not ${expected.length} items`];
  const left: Json[] = [...found];
  for (const item of expected) {
    const index = left.findIndex((each) => matches(item, each));
    if (index < 0) return [`${at} has nothing like ${shown(item)}: ${shown(found)}`];
    left.splice(index, 1);
  }
  return [];
}

function isDefault(value: Json): boolean {
  if (value === null || value === '' || value === 0 || value === false || value === '0') return true;
  return typeof value === 'object' && Object.keys(value).length === 0;
}

function lengthOf(found: Found): number {
  return typeof found === 'string' || Array.isArray(found) ? found.length : 0;
}

const shownMax = 300;

function shown(value: Found): string {
  const text = value === undefined ? 'not there' : JSON.stringify(value);
  return text.length <= shownMax ? text : `${text.slice(0, shownMax)}... (${text.length} characters)`;
}
