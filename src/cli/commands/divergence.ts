/** `kindred divergence`: by a sample of keys of every node, on how many the replicas differ now. */

import { type Command, InvalidArgumentError, Option } from 'commander';
import type { MeasureDivergenceResponse } from '../../gen/kindred/v1/diagnostic.ts';
import { plainTable } from '../answer-text.ts';
import { addNodeOption, askNodes, clusterNodes, type NodeAnswer } from '../cluster-nodes.ts';
import { formatDurationMs } from '../duration-text.ts';
import { CLIENT_EXIT } from '../exit-code.ts';
import { addConnectionOptions, type ConnectionFlags, openClient } from '../request-options.ts';
import { type CommandContext, runClientCommand } from '../run-command.ts';

interface DivergenceFlags extends ConnectionFlags {
  readonly node?: string;
  readonly sample: number;
}

const sampleDefault = 1_000;

/** Adds the command to `program`. */
export function addDivergenceCommand(program: Command, context: CommandContext): void {
  const { terminal } = context;
  addNodeOption(
    addConnectionOptions(
      program
        .command('divergence')
        .description('draw keys at random on every node, and count those whose replicas differ')
        .argument('[bucket]', 'only keys of this bucket (default: of all)'),
    ),
  )
    .addOption(
      new Option('--sample <keys>', 'keys to draw on each node, up to 10000')
        .argParser(parseSample)
        .default(sampleDefault),
    )
    .action(async (bucket: string | undefined, flags: DivergenceFlags) => {
      await runClientCommand(
        context,
        flags,
        () => openClient(flags, terminal),
        async (client) => {
          const nodes = await clusterNodes(client, flags.node);
          const request = { bucket: bucket ?? '', sampleKeys: flags.sample };
          const answers = await askNodes(client, nodes, ({ diagnostic }, options) =>
            diagnostic.measureDivergence(request, options),
          );
          const wrong = answers.find(
            (one) => one.kind === 'failure' && one.failure.reason === 'BUCKET_UNKNOWN',
          );
          if (wrong?.kind === 'failure') throw wrong.failure;
          terminal.out(
            flags.json === true
              ? `${JSON.stringify({ nodes: answers.map(answerJson) })}\n`
              : divergenceText(answers),
          );
          return {
            exit: answers.every(({ kind }) => kind === 'answer') ? CLIENT_EXIT.ok : CLIENT_EXIT.failed,
          };
        },
      );
    });
}

type Answers = readonly NodeAnswer<MeasureDivergenceResponse>[];

function divergenceText(answers: Answers): string {
  const rows = answers.map((one) => {
    if (one.kind === 'failure') return [one.node.id, '-', '-', '-', '-'];
    const { answer } = one;
    const oldest = oldestMs(answer);
    return [
      one.node.id,
      String(answer.sampled),
      String(answer.divergent),
      String(answer.unknown),
      oldest === null ? '-' : formatDurationMs(oldest),
    ];
  });
  const notes = answers.flatMap((one) =>
    one.kind === 'failure' ? [`${one.node.id}: does not answer here: ${one.failure.message}\n`] : [],
  );
  return [
    plainTable(['node', 'compared', 'differ', 'unknown', 'oldest write missed'], rows),
    `${summary(answers.flatMap((one) => (one.kind === 'answer' ? [one.answer] : [])))}\n`,
    ...notes,
  ].join('');
}

/** One sentence. It says that nothing differs only beside how much is not known. */
function summary(answers: readonly MeasureDivergenceResponse[]): string {
  const total = (count: (answer: MeasureDivergenceResponse) => number): number =>
    answers.reduce((sum, answer) => sum + count(answer), 0);
  const sampled = total((answer) => answer.sampled);
  const divergent = total((answer) => answer.divergent);
  const unknown = total((answer) => answer.unknown);
  const share = sampled === 0 ? 0 : (divergent / sampled) * 100;
  const shareText = share.toFixed(share > 0 && share < 0.1 ? 3 : 1);
  const known =
    sampled === 0
      ? 'no keys, sampled on each node, were compared'
      : `of ${sampled} keys, sampled on each node, ${divergent} differ (${shareText} %)`;
  if (unknown === 0) return known;
  const silent = [...new Set(answers.flatMap((answer) => answer.unansweredBy))].sort();
  const why =
    silent.length === 0 ? 'for want of an answer in time' : `because ${silent.join(', ')} did not answer`;
  return `${known}; ${unknown} could not be compared ${why}`;
}

function answerJson(one: Answers[number]) {
  if (one.kind === 'failure') return { node: one.node.id, error: one.failure.message };
  const { sampled, divergent, unknown, unansweredBy } = one.answer;
  return {
    node: one.node.id,
    sampled,
    divergent,
    unknown,
    unansweredBy,
    oldestDivergenceMs: oldestMs(one.answer),
    error: null,
  };
}

function oldestMs({ oldestDivergence }: MeasureDivergenceResponse): number | null {
  return oldestDivergence === undefined
    ? null
    : oldestDivergence.seconds * 1_000 + oldestDivergence.nanos / 1e6;
}

function parseSample(text: string): number {
  const count = Number(text);
  if (!Number.isSafeInteger(count) || count < 1 || count > 10_000) {
    throw new InvalidArgumentError('It must be a whole number from 1 to 10000.');
  }
  return count;
}
