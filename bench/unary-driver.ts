/**
 * Unary load by h2load, the same for every system: a process for each lane, each with one connection, one request body
 * (h2load sends one file, so one key a process) and some calls in flight on it.
 *
 * h2load writes a line for each request: when it started and how long it took. These are read afterwards, and those that
 * ended within the window count; so every system is measured over exactly the time over which its CPU is.
 */

import { execFile } from 'node:child_process';
import { open, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { endWithThisProcess } from './child-processes.ts';
import { epochMs, Recorder, type Samples, type Window } from './measurement.ts';
import { grpcFrame, type UnaryRequest } from './requests.ts';

/** One connection. */
export interface Lane {
  readonly endpoint: string;
  readonly request: UnaryRequest;
  /** Length of an encoded answer to this request that was OK: see `checkAnswers`. */
  readonly answerBytes: number;
}

export interface UnaryLoad {
  readonly lanes: readonly Lane[];
  /** Calls in flight on each lane. */
  readonly streams: number;
  readonly window: Window;
}

/** The machine was too busy to start the load before the window, or the servers were too busy to answer all calls. */
export class BusyError extends Error {}

const run = promisify(execFile);
/** After the window, so that h2load is still at work when it ends. */
const tailMs = 150;
const logBytesMax = 64 * 1024 * 1024;
/** Answers may be this much shorter than the one that was looked at: clocks and counters vary in length. */
const answerShareMin = 0.9;

/** The version of h2load on the path, or `undefined` when there is none. */
export async function h2loadVersion(): Promise<string | undefined> {
  try {
    return /nghttp2\/(\S+)/.exec((await run('h2load', ['--version'])).stdout)?.[1] ?? 'of an unknown version';
  } catch {
    return undefined;
  }
}

/** Runs the load until the window has ended. Files go to `directory`. Rejects with BusyError; then nothing runs any more. */
export async function runH2load(load: UnaryLoad, options: { readonly directory: string }): Promise<Samples> {
  const recorder = new Recorder(load.window);
  const outcomes = await Promise.allSettled(
    load.lanes.map((lane, index) =>
      runLane(lane, join(options.directory, `lane-${index}`), { load, recorder }),
    ),
  );
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
  return recorder.samples();
}

async function runLane(
  lane: Lane,
  path: string,
  { load, recorder }: { readonly load: UnaryLoad; readonly recorder: Recorder },
): Promise<void> {
  const { window, streams } = load;
  const bodyPath = `${path}.body`;
  const logPath = `${path}.log`;
  await writeFile(bodyPath, grpcFrame(lane.request.message));
  const nowMs = epochMs();
  const h2load = run('h2load', [
    ...['--clients=1', '--threads=1', `--max-concurrent-streams=${streams}`],
    `--duration=${Math.max(1, Math.round(window.untilMs + tailMs - nowMs))}ms`,
    ...['--header=content-type: application/grpc', '--header=te: trailers'],
    `--data=${bodyPath}`,
    `--log-file=${logPath}`,
    `http://${lane.endpoint}${lane.request.path}`,
  ]);
  endWithThisProcess(h2load.child);
  const { stdout } = await h2load;
  if (nowMs > window.fromMs) throw new BusyError('the machine is too busy to start h2load in time');
  checkAnswers(stdout, lane);
  await readLog(logPath, recorder);
  await Promise.all([rm(bodyPath), rm(logPath)]);
}

/**
 * A call that fails in gRPC is an HTTP 200 without a body: when the bodies together are as long as so many good answers,
 * the calls were OK. Throws when they were not.
 */
function checkAnswers(output: string, lane: Lane): void {
  const succeeded = Number(/status codes: (\d+) 2xx/.exec(output)?.[1]);
  const others = /status codes: \d+ 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx/.exec(output);
  const bytes = Number(/\((\d+)\) data/.exec(output)?.[1]);
  const where = `${lane.request.path} at ${lane.endpoint}`;
  // The same call was answered just now.
  if (succeeded === 0) throw new BusyError(`h2load had no answers from ${where} in time`);
  if (Number.isNaN(succeeded) || Number.isNaN(bytes)) {
    throw new Error(`h2load has not said what came from ${where}:\n${output}`);
  }
  if (others?.slice(1).some((count) => count !== '0')) {
    throw new Error(`h2load: answers other than HTTP 200 from ${where}:\n${output}`);
  }
  const frameBytes = lane.answerBytes + 5;
  if (bytes < succeeded * frameBytes * answerShareMin) {
    throw new BusyError(
      `h2load: ${succeeded} answers of ${where} have ${bytes} bytes; when all are OK each has about ${frameBytes}, so some were refused`,
    );
  }
}

/** Lines of `start in microseconds since 1970`, `HTTP status`, `microseconds taken`. */
async function readLog(path: string, recorder: Recorder): Promise<void> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    if (size > logBytesMax) throw new Error(`${path} has ${size} bytes: choose a shorter --seconds`);
    for await (const line of file.readLines()) {
      const [startMicros, status, tookMicros] = line.split('\t').map(Number);
      if (startMicros === undefined || tookMicros === undefined || Number.isNaN(tookMicros)) continue;
      if (status === 200) recorder.succeeded((startMicros + tookMicros) / 1000, tookMicros / 1000);
      // -1: cut off when h2load stopped, after the window.
      else if (status !== -1) recorder.failed(`HTTP ${status}`);
    }
  } finally {
    await file.close();
  }
}
