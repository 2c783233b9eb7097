/** Plays one case with one testee, step by step, until the first step that goes another way than expected. */

import { argumentsOf, type Case, type LocateStep, type OperationStep, type Step } from './case-file.ts';
import { differences } from './matching.ts';
import { type Json, type JsonObject, Variables } from './template.ts';
import type { TestBed } from './test-bed.ts';
import type { Answer, Testee } from './testee.ts';

/** `problem` undefined: passed. */
export interface CaseOutcome {
  readonly problem: string | undefined;
  readonly ms: number;
}

/** What takes its time (a node is judged, a value expires) has so long. */
const untilMs = 15_000;
const askAgainMs = 20;

/** Of clients whose case says nothing of time: long, so that a busy machine fails no case that is not about it. */
const timeoutMs = 15_000;

export async function runCase(testCase: Case, testee: Testee, bed: TestBed): Promise<CaseOutcome> {
  try {
    // Before the clock: what the case before left behind is not its time.
    await bed.arrange(testCase.down ?? []);
  } catch (error) {
    return { problem: `the cluster does not come back: ${(error as Error).message}\n${bed.logs(5)}`, ms: 0 };
  }
  const startedMs = performance.now();
  const run = new CaseRun(testee, bed);
  let problem: string | undefined;
  for (const [index, step] of testCase.steps.entries()) {
    problem = await run.step(step).catch((error: Error) => error.message);
    if (problem !== undefined) {
      problem = `step ${index + 1}, ${nameOf(step)}: ${problem}`;
      break;
    }
  }
  problem ??= run.unfinished();
  await run.end();
  return { problem, ms: performance.now() - startedMs };
}

let runs = 0;

class CaseRun {
  readonly #testee: Testee;
  readonly #bed: TestBed;
  /** Makes names of clients, sessions and pipelines the case's own, as keys are. */
  readonly #prefix = `${process.pid}.${++runs}/`;
  readonly #variables: Variables = new Variables(this.#prefix);
  readonly #clients = new Set<string>();
  readonly #begun = new Map<string, { readonly id: number; readonly answer: Promise<Answer> }>();

  constructor(testee: Testee, bed: TestBed) {
    this.#testee = testee;
    this.#bed = bed;
  }

  /** What went wrong, or `undefined`. */
  async step(step: Step): Promise<string | undefined> {
    if ('op' in step) return await this.#operation(step);
    if ('node' in step) {
      await this.#bed.change(step.node, step.do);
      return undefined;
    }
    if ('proxy' in step) {
      const targets = step.proxy === 'all' ? this.#bed.names : [step.proxy];
      for (const name of targets) {
        const proxy = this.#bed.proxy(name);
        if (step.do === 'stall') proxy.stall(step.direction ?? 'answers');
        else if (step.do === 'delay') proxy.delay(step.direction ?? 'answers', step.ms ?? 0);
        else await proxy[step.do]();
      }
      return undefined;
    }
    if ('script' in step) {
      this.#bed.scripted.follow(step.script);
      return undefined;
    }
    if ('received' in step) {
      return differences(this.#variables.fill(step.received), this.#bed.scripted.received, 'received')[0];
    }
    if ('locate' in step) return await this.#locate(step);
    const begun = this.#begun.get('cancel' in step ? step.cancel : step.await);
    if (begun === undefined) return 'no operation of this name is under way';
    if ('cancel' in step) {
      const answer = await this.#testee.ask({ op: 'cancel', of: begun.id });
      return differences({ ok: {} }, answer as JsonObject)[0];
    }
    this.#begun.delete(step.await);
    return this.#judge(step, await begun.answer);
  }

  /** An operation that nobody waited for is a mistake in the case. */
  unfinished(): string | undefined {
    const [name] = this.#begun.keys();
    return name === undefined ? undefined : `nothing awaits "${name}"`;
  }

  /** Closes what the case has opened. */
  async end(): Promise<void> {
    for (const client of this.#clients) {
      await this.#testee.ask({ op: 'close', client }).catch(() => undefined);
    }
    await Promise.allSettled([...this.#begun.values()].map(({ answer }) => answer));
  }

  async #operation(step: OperationStep): Promise<string | undefined> {
    const asked = await this.#named(argumentsOf(step));
    if (step.as !== undefined) {
      const id = this.#testee.nextId;
      const answer = this.#testee.ask(asked);
      // Whoever awaits it hears of its failure.
      answer.catch(() => undefined);
      this.#begun.set(step.as, { id, answer });
      return undefined;
    }
    const deadlineMs = performance.now() + untilMs;
    for (;;) {
      const answer = await this.#testee.ask(asked);
      const problem = this.#judge(step, answer);
      if (problem === undefined || step.until === undefined || performance.now() > deadlineMs) return problem;
      if ('error' in answer && answer.error['code'] === 'UNIMPLEMENTED') return problem;
      await new Promise((resolve) => setTimeout(resolve, askAgainMs));
    }
  }

  async #locate({ locate, save }: LocateStep): Promise<string | undefined> {
    const keys = this.#variables.fill(withBuckets(locate)) as readonly { bucket: string; key: string }[];
    const { topology } = this.#bed.node('n1');
    const places = await Promise.all(
      keys.map(({ bucket, key }) => topology.locate({ key: { bucket, key: Buffer.from(key, 'base64') } })),
    );
    const homes = places.map(({ replicas }) =>
      replicas.filter(({ home }) => home).map(({ nodeId }) => nodeId),
    );
    return this.#judge({ save }, { ok: { homes, tokens: places.map(({ token }) => token) } });
  }

  #judge(
    { expect = { ok: {} }, save = {} }: Pick<OperationStep, 'expect' | 'save'>,
    answer: Answer,
  ): string | undefined {
    if ('ok' in expect && 'error' in answer) return `failed: ${brief(answer.error)}`;
    const found = differences(this.#variables.fill(expect as Json), answer as JsonObject);
    if (found.length > 0) return found.slice(0, 3).join('; ');
    for (const [name, path] of Object.entries(save)) {
      const value = at(answer as JsonObject, path);
      if (value === undefined) return `the answer has no ${path}: ${brief(answer as JsonObject)}`;
      this.#variables.set(name, value);
    }
    return undefined;
  }

  /** The operation with the case's own names filled in, its client connected. */
  async #named(template: JsonObject): Promise<JsonObject> {
    const filled = this.#variables.fill(withBuckets(template)) as Record<string, Json>;
    for (const field of ['session', 'pipeline']) {
      if (typeof filled[field] === 'string') filled[field] = this.#prefix + filled[field];
    }
    const { op } = filled;
    const needsClient =
      op === 'session' || op === 'pipeline' || !('session' in filled || 'pipeline' in filled);
    if (!needsClient) return filled;
    const client = `${this.#prefix}${filled['client'] ?? 'main'}`;
    filled['client'] = client;
    if (op === 'connect') {
      filled['timeoutMs'] ??= timeoutMs;
      const endpoints = (filled['endpoints'] ?? this.#bed.names) as readonly string[];
      filled['endpoints'] = endpoints.map((name) => this.#bed.endpoint(name));
      this.#clients.add(client);
    } else if (!this.#clients.has(client)) {
      this.#clients.add(client);
      const endpoints = this.#bed.names.map((name) => this.#bed.endpoint(name));
      const answer = await this.#testee.ask({ op: 'connect', client, endpoints, timeoutMs });
      if ('error' in answer) throw new Error(`cannot connect: ${JSON.stringify(answer.error)}`);
    }
    return filled;
  }
}

const briefLength = 400;

function brief(answer: JsonObject): string {
  const text = JSON.stringify(answer);
  return text.length <= briefLength ? text : `${text.slice(0, briefLength)}...`;
}

/** A key that names no bucket is in `default`. */
function withBuckets(value: Json): Json {
  if (Array.isArray(value)) return value.map(withBuckets);
  if (value === null || typeof value !== 'object') return value;
  const object = Object.fromEntries(Object.entries(value).map(([name, each]) => [name, withBuckets(each)]));
  return 'key' in object && !('bucket' in object) ? { bucket: 'default', ...object } : object;
}

/** `ok.versions[0].dot` of an answer. */
function at(answer: JsonObject, path: string): Json | undefined {
  let value: Json | undefined = answer;
  for (const name of path.split(/[.[\]]+/).filter((part) => part !== '')) {
    if (value === null || typeof value !== 'object') return undefined;
    value = (value as JsonObject)[name];
  }
  return value;
}

function nameOf(step: Step): string {
  if ('op' in step) return step.op;
  if ('node' in step) return `${step.do} ${step.node}`;
  if ('proxy' in step) return `${step.do} the connections of ${step.proxy}`;
  if ('script' in step) return 'script';
  if ('received' in step) return 'what the scripted node received';
  if ('locate' in step) return 'locate';
  return 'cancel' in step ? `cancel "${step.cancel}"` : `await "${step.await}"`;
}
