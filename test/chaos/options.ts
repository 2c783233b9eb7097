/** The options of `npm run chaos`. */

import { parseArgs } from 'node:util';
import { FAULT_KINDS, type FaultKind } from './fault-kinds.ts';

export interface ChaosOptions {
  readonly kinds: readonly FaultKind[];
  readonly rounds: number;
  readonly seconds: number;
  /** Where given, for all kinds; else kinds that depend on the engine run with both, and others with lsm. */
  readonly engine: 'lsm' | 'btree' | undefined;
  readonly nodes: number;
  readonly seed: number;
  readonly network: 'namespaces' | 'proxies' | undefined;
  readonly json: boolean;
}

export type ParsedChaosOptions =
  | { readonly kind: 'run'; readonly options: ChaosOptions }
  | { readonly kind: 'help' }
  | { readonly kind: 'list'; readonly json: boolean }
  | { readonly kind: 'clean-up' }
  | { readonly kind: 'wrong'; readonly problem: string };

export const CHAOS_HELP = `npm run chaos -- [options]     all kinds of fault: about 45 minutes

  --kind NAME       only this kind; may be repeated (default: all)
  --rounds N        so often each (3)
  --seconds S       how long a fault lasts (30)
  --engine KIND     lsm or btree (faults of disks run with both, others with lsm)
  --nodes N         3 to 9 (5)
  --seed N          of everything that is drawn (1); what the operating system does is not
  --network KIND    namespaces or proxies (namespaces where this machine allows them)
  --list            the kinds, and which of them this machine can do
  --json            the result as JSON on standard output, the progress on standard error
  --clean-up        removes what runs left behind that were killed, and ends

Exit code 0: every promise was kept. 1: one was broken, or a run failed. 2: the command line is wrong. 130: stopped.
`;

/** Reads the arguments after `test/chaos/main.ts`. */
export function parseChaosOptions(args: readonly string[]): ParsedChaosOptions {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        kind: { type: 'string', multiple: true, default: [] },
        rounds: { type: 'string', default: '3' },
        seconds: { type: 'string', default: '30' },
        engine: { type: 'string' },
        nodes: { type: 'string', default: '5' },
        seed: { type: 'string', default: '1' },
        network: { type: 'string' },
        list: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
        'clean-up': { type: 'boolean', default: false },
      },
    });
    if (values.help) return { kind: 'help' };
    if (values.list) return { kind: 'list', json: values.json };
    if (values['clean-up']) return { kind: 'clean-up' };
    const options: ChaosOptions = {
      kinds: values.kind.length === 0 ? FAULT_KINDS : values.kind.map(kindNamed),
      rounds: whole('--rounds', values.rounds, 1, 1_000),
      seconds: whole('--seconds', values.seconds, 1, 3_600),
      engine: values.engine === undefined ? undefined : oneOf('--engine', values.engine, ['lsm', 'btree']),
      nodes: whole('--nodes', values.nodes, 3, 9),
      seed: whole('--seed', values.seed, 0, Number.MAX_SAFE_INTEGER),
      network:
        values.network === undefined
          ? undefined
          : oneOf('--network', values.network, ['namespaces', 'proxies']),
      json: values.json,
    };
    return { kind: 'run', options };
  } catch (error) {
    return { kind: 'wrong', problem: error instanceof Error ? error.message : String(error) };
  }
}

function kindNamed(name: string): FaultKind {
  const kind = FAULT_KINDS.find((known) => known.name === name);
  if (kind === undefined) {
    throw new Error(`--kind ${name}: there is ${FAULT_KINDS.map((known) => known.name).join(', ')}`);
  }
  return kind;
}

function whole(flag: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isSafeInteger(value) || value < least || value > most) {
    throw new Error(`${flag} ${text}: must be a whole number from ${least} to ${most}`);
  }
  return value;
}

function oneOf<const Value extends string>(flag: string, text: string, values: readonly Value[]): Value {
  const value = values.find((known) => known === text);
  if (value === undefined) throw new Error(`${flag} ${text}: must be ${values.join(' or ')}`);
  return value;
}
