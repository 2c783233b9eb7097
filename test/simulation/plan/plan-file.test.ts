/** Plans survive being files, and files that are no plans are refused with the reason. */

import { expect, test } from 'vitest';
import { planOf } from './generate-plan.ts';
import { PlanError, parsePlan, printPlan } from './plan-file.ts';

test('a plan that was written is read as it was', () => {
  for (let seed = 1; seed <= 300; seed++) {
    const plan = planOf(seed);
    expect(parsePlan(JSON.parse(printPlan(plan)))).toEqual(plan);
  }
});

test('what is no plan is refused, with the place', () => {
  const plan = planOf(1);
  expect(() => parsePlan({ ...plan, partitions: 'many' })).toThrow(/partitions: .*expected number/);
  expect(() => parsePlan({ ...plan, faults: [{ id: 1, atMs: 0, kind: 'flood' }] })).toThrow(
    /faults\.0\.kind/,
  );
  expect(() => parsePlan({ ...plan, nodes: [...plan.nodes, 'n9'] })).toThrow('node n9: has no clock');
  expect(() => parsePlan(undefined)).toThrow(PlanError);
});

test('what fits on a line is on one', () => {
  expect(printPlan({ a: [1, { b: 'c' }], d: {} })).toBe('{ "a": [1, { "b": "c" }], "d": {} }\n');
  const long = 'x'.repeat(50);
  expect(printPlan({ a: [long, long], b: { c: long } })).toBe(
    `{\n  "a": [\n    "${long}",\n    "${long}"\n  ],\n  "b": { "c": "${long}" }\n}\n`,
  );
});
