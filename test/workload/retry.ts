/**
 * Sending a write again, as the error contract allows it: with its request id through another node whenever the outcome is
 * unknown or it is safe; without one only as a new write, after the server has said that the first was not applied.
 */

import { ErrorReason, WriteOutcome } from '../../src/gen/kindred/v1/types.ts';
import type { ClientCalls, Reply } from './client-calls.ts';
import type { ClientTransport } from './client-transport.ts';
import type { CallFailure } from './history-recorder.ts';
import type { IntendedWrite } from './intended-operation.ts';
import { anotherNode, pickNode } from './operation-draw.ts';

const attemptsMax = 5;
/** Out of a hundred failures, how often a client goes on to something else. */
const givesUpPercent = 8;
/** How often it asks what became of the write before it sends it again. */
const asksPercent = 25;

/** Refused for what it says: the same message would be refused again. */
const lastingReasons: ReadonlySet<ErrorReason> = new Set<ErrorReason>([
  ErrorReason.ERROR_REASON_CONTEXT_INVALID,
  ErrorReason.ERROR_REASON_CONFLICT,
  ErrorReason.ERROR_REASON_TOO_MANY_SIBLINGS,
  ErrorReason.ERROR_REASON_REQUEST_ID_REUSED,
  ErrorReason.ERROR_REASON_TOO_LARGE,
  ErrorReason.ERROR_REASON_KEY_EXISTS,
  ErrorReason.ERROR_REASON_INVALID_REQUEST,
  ErrorReason.ERROR_REASON_BUCKET_UNKNOWN,
]);

/** True when the server is certain that nothing happened. */
export function isNotApplied({ detail }: CallFailure): boolean {
  return detail?.writeOutcome === WriteOutcome.WRITE_OUTCOME_NOT_APPLIED;
}

/** True when the failure passes: another time or another node may do it. */
export function mayPass({ detail }: CallFailure): boolean {
  return detail === undefined || !lastingReasons.has(detail.reason);
}

/** Whether the very same message may go out again. */
function maySendAgain(intended: IntendedWrite, failure: CallFailure): boolean {
  if (intended.requestId === undefined || !mayPass(failure)) return false;
  return failure.detail === undefined || failure.detail.safeToRetry;
}

/** As long as the server asks for, or a little. */
export function retryPauseMs(calls: ClientCalls, { detail }: CallFailure): number {
  const asked = detail?.retryAfter;
  const least = asked === undefined ? 1 : Math.ceil(asked.seconds * 1_000 + asked.nanos / 1_000_000);
  return least + calls.random.below(60);
}

/** Sends a write that has a request id until it is done, or certainly never will be, or the client has had enough. */
export async function writePersistently(
  calls: ClientCalls,
  intended: IntendedWrite,
  first: ClientTransport = pickNode(calls),
): Promise<Reply> {
  const { random } = calls;
  let through = first;
  let reply = await calls.write(intended, through);
  for (let attempt = 1; attempt < attemptsMax && !calls.stopped; attempt++) {
    if (reply.kind === 'done' || !maySendAgain(intended, reply) || random.percent(givesUpPercent))
      return reply;
    await calls.pause(retryPauseMs(calls, reply));
    through = random.percent(80) ? anotherNode(calls, through) : through;
    if (!isNotApplied(reply) && random.percent(asksPercent) && (await calls.wasApplied(intended, through))) {
      return reply;
    }
    reply = await calls.write(intended, through);
  }
  return reply;
}

/** A client for whom a hint is better than nothing: where too few replicas were up it writes once more, at ANY. */
export async function orElseAtAny(
  calls: ClientCalls,
  reply: Reply,
  draw: () => IntendedWrite,
  through: ClientTransport,
): Promise<Reply> {
  if (reply.kind === 'done' || reply.detail?.reason !== ErrorReason.ERROR_REASON_NOT_ENOUGH_REPLICAS)
    return reply;
  if (!isNotApplied(reply) || calls.random.percent(30)) return reply;
  await calls.pause(1 + calls.random.below(20));
  return calls.write(draw(), through);
}

/** Sends one message through two nodes at the same time, as a client does that does not want to wait. */
export async function writeTwice(calls: ClientCalls, intended: IntendedWrite): Promise<readonly Reply[]> {
  const first = pickNode(calls);
  const replies = [calls.write(intended, first)];
  // At once, or when the first is on its way.
  if (calls.random.percent(50)) await calls.pause(calls.random.between(1, 15));
  replies.push(calls.write(intended, anotherNode(calls, first)));
  return Promise.all(replies);
}
