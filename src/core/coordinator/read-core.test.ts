import { expect, test } from 'vitest';
import type { CausalContext } from '../causality/context-token.ts';
import type { VersionedRecord } from '../causality/record.ts';
import { joinClocks, type VectorClock } from '../causality/vector-clock.ts';
import { nodeId, replicaId } from '../identity.ts';
import { absentDigest, ReadCore, type ReadCoreOptions, type ReadStep } from './read-core.ts';

/**
 * One letter is one write, of an actor of its own: "xy" is a record that holds both as siblings. The digest is the letters,
 * and "-" is nothing.
 */
function recordOf(letters: string): VersionedRecord | undefined {
  if (letters === '-') return undefined;
  let clock: VectorClock = [];
  const dots = [...letters].sort().map((letter) => ({
    replica: replicaId(letter.charCodeAt(0)),
    epoch: 1,
    counter: 1,
  }));
  for (const dot of dots) clock = joinClocks(clock, [dot]);
  const value = new Uint8Array();
  return {
    clock,
    versions: dots.map((dot) => ({
      dot,
      clock: [],
      value,
      writtenAt: 1,
      expiresAt: undefined,
      requestId: undefined,
    })),
  };
}

function lettersOf(record: VersionedRecord | undefined): string {
  return record === undefined
    ? '-'
    : record.versions.map(({ dot }) => String.fromCharCode(dot.replica)).join('');
}

function digestOf(letters: string): string {
  return letters === '-' ? absentDigest : letters;
}

function showStep(step: ReadStep): string {
  switch (step.kind) {
    case 'ask':
      return `ask ${step.records.join('')}/${step.digests.join('')}`;
    case 'repair':
      return `repair ${step.nodes.join('')} with ${lettersOf(step.record)}`;
    case 'answer':
      return `answer ${lettersOf(step.record)}`;
    default:
      return step.kind;
  }
}

function coreOf(options: Partial<ReadCoreOptions> & { readonly nodes?: string } = {}): ReadCore {
  const { nodes = 'ABC', ...rest } = options;
  return new ReadCore({
    candidates: [...nodes].map(nodeId),
    required: 2,
    blockingRepair: true,
    minContext: undefined,
    policy: 'siblings',
    digestOf: (record) => digestOf(lettersOf(record)),
    restoreAnswers: 2,
    ...rest,
  });
}

/**
 * A scenario, line by line: an event, an arrow, the steps that follow it. `A: xy` a record, `A# xy` a digest, `A! lost` a
 * failure, `A+` a confirmed repair, `hedge`, `weaken 1`.
 */
function play(core: ReadCore, scenario: string): void {
  for (const line of scenario.trim().split('\n')) {
    const [event = '', expected = ''] = line.trim().split(/\s*->\s*/);
    const node = nodeId(event[0] ?? '');
    const text = event.slice(2).trim();
    let steps: string[] = [];
    if (event === 'hedge') steps = [showStep(core.hedge())];
    else {
      if (event.startsWith('weaken')) core.weaken(Number(event.slice(7)), false);
      else if (event[1] === ':') core.answeredRecord(node, recordOf(text), digestOf(text));
      else if (event[1] === '#') core.answeredDigest(node, digestOf(text));
      else if (event[1] === '!') core.failed(node, text as 'lost');
      else if (event[1] === '+') core.repaired(node);
      // As the shell does: after a repair the next step may be an answer already.
      let step: string;
      do {
        step = showStep(core.step());
        steps.push(step);
      } while (step.startsWith('repair'));
    }
    expect(`${event} -> ${steps.join(', ')}`).toBe(`${event} -> ${expected}`);
  }
}

const scenarios: readonly (readonly [string, Partial<ReadCoreOptions> & { nodes?: string }, string])[] = [
  ['digests agree', {}, 'start -> ask A/B\n A: x -> wait\n B# x -> answer x'],
  ['absence needs as many answers as presence', {}, 'start -> ask A/B\n A: - -> wait\n B# - -> answer -'],
  [
    'a digest that differs is fetched, merged and repaired before the answer',
    {},
    'start -> ask A/B\n A: x -> wait\n B# y -> ask B/\n B: y -> repair AB with xy, wait\n A+ -> wait\n B+ -> answer xy',
  ],
  [
    'the one that holds nothing is repaired',
    {},
    'start -> ask A/B\n A: - -> wait\n B# y -> ask B/\n B: y -> repair A with y, wait\n A+ -> answer y',
  ],
  [
    'a failure is made up for by another replica',
    {},
    'start -> ask A/B\n A! lost -> ask C/\n B# x -> wait\n C: x -> answer x',
  ],
  [
    'with nobody left to ask the level is unmet',
    {},
    'start -> ask A/B\n A! lost -> ask C/\n C! lost -> unmet\n weaken 1 -> wait\n B# x -> ask B/\n B: x -> answer x',
  ],
  [
    'a repair that failed costs the answer, and a third replica is asked',
    {},
    'start -> ask A/B\n A: x -> wait\n B# - -> repair B with x, wait\n B! timed-out -> ask C/\n C: x -> answer x',
  ],
  [
    'a replica that was repaired before a third one brought more is repaired again, and does not count until then',
    {},
    `start -> ask A/B
     A: x -> wait
     B# y -> ask B/
     B: y -> repair AB with xy, wait
     A+ -> wait
     B! timed-out -> ask C/
     C: z -> repair AC with xyz, wait
     C+ -> wait
     A+ -> answer xyz`,
  ],
  [
    'a repair on its way when a hedged answer brings more does not count for more than was sent',
    {},
    `start -> ask A/B
     A: x -> wait
     B# - -> repair B with x, wait
     hedge -> ask C/
     C: z -> repair AC with xz, wait
     B+ -> repair B with xz, wait
     A+ -> wait
     C+ -> answer xz`,
  ],
  [
    'nobody waits for a repair that the level does not need',
    {},
    'start -> ask A/B\n hedge -> ask C/\n A: x -> wait\n C: - -> repair C with x, wait\n B# x -> answer x',
  ],
  [
    'the record read only by digest is fetched when the one asked for it fails',
    {},
    'start -> ask A/B\n A! lost -> ask C/\n C! lost -> unmet',
  ],
  [
    'a replica whose record cannot be fetched no longer counts',
    {},
    'start -> ask A/B\n A: x -> wait\n B# y -> ask B/\n B! record-damaged -> ask C/\n C: x -> repair B with x, answer x',
  ],
  [
    'a damaged replica is restored only from enough intact ones',
    { required: 1, restoreAnswers: 2 },
    'start -> ask A/\n A! record-damaged -> ask B/\n B: x -> answer x',
  ],
  [
    'one copy: what is damaged is an error, not an absence',
    { nodes: 'A', required: 1, restoreAnswers: 0 },
    'start -> ask A/\n A! record-damaged -> unmet',
  ],
  ['fewer candidates than answers needed', { nodes: 'A' }, 'start -> unmet'],
  [
    'below quorum nothing is repaired first',
    { required: 1, blockingRepair: false },
    'start -> ask A/\n A: x -> answer x',
  ],
  [
    'answers that nobody waits for change nothing',
    {},
    `start -> ask A/B
     C: x -> wait
     A: x -> wait
     A: y -> wait
     A! lost -> wait
     B+ -> wait
     B# x -> answer x
     B! lost -> answer x`,
  ],
  [
    'a replica that sends digests in place of its record is not asked for ever',
    {},
    'start -> ask A/B\n A: x -> wait\n B# y -> ask B/\n B# z -> ask C/\n C: x -> answer x',
  ],
];

for (const [name, options, scenario] of scenarios) {
  test(name, () => play(coreOf(options), scenario));
}

test('with a context to reach everybody is asked before giving up, and no further than needed', () => {
  const record = recordOf('z') as VersionedRecord;
  const minContext: CausalContext = { clock: record.clock, dots: [], writtenAt: 0 };
  const options = { required: 1, blockingRepair: false, minContext };
  play(coreOf(options), 'start -> ask A/\n A: x -> ask BC/\n B: - -> wait\n C: x -> context-not-reached');
  play(coreOf(options), 'start -> ask A/\n A: x -> ask BC/\n C: xz -> answer xz');
  play(
    coreOf(options),
    'start -> ask A/\n A: x -> ask BC/\n B! lost -> wait\n C! lost -> context-not-reached',
  );
});

test('the report counts those that held the answer when they were asked', () => {
  const core = coreOf();
  play(
    core,
    'start -> ask A/B\n A: - -> wait\n B# x -> ask B/\n B: x -> repair A with x, wait\n A+ -> answer x',
  );
  expect({ agreed: core.agreed, answered: core.answered, asked: core.asked }).toEqual({
    agreed: 1,
    answered: 2,
    asked: 2,
  });
  expect(core.behind()).toEqual([]);
});

test('background repair is owed to those that lack something and are not being repaired', () => {
  const core = coreOf({ required: 1, blockingRepair: false });
  play(core, 'start -> ask A/\n hedge -> ask B/\n A! record-damaged -> wait\n B: x -> answer x');
  expect(core.behind()).toEqual(['A']);
});
