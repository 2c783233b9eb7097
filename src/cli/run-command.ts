/** How every client command ends: an exit code, and a failure told in the form that was asked for. */

import { CLIENT_EXIT } from './exit-code.ts';
import { CallFailure, failureJson, failureText } from './failure.ts';
import { type Terminal, UsageError } from './terminal.ts';

/** What the commands of one run share: where to print, and the exit code they end with. */
export interface CommandContext {
  readonly terminal: Terminal;
  /** The first code that is not 0 stays. */
  exit(code: number): void;
}

/** A client of a cluster, closed when the command is done. */
interface Closable {
  close(): void;
}

/**
 * Runs `command` with a client from `open` and sets the exit code it returns. Failed calls and wrong arguments are told
 * in words, or as JSON with `json`; any other error is a mistake of ours and goes on.
 */
export async function runClientCommand<Client extends Closable>(
  context: CommandContext,
  flags: { readonly json?: boolean },
  open: () => Client,
  command: (client: Client) => Promise<{ readonly exit: number }>,
  requestId?: () => string | undefined,
): Promise<void> {
  let client: Client | undefined;
  try {
    client = open();
    context.exit((await command(client)).exit);
  } catch (error) {
    context.exit(tell(error as Error, context.terminal, flags.json === true, requestId?.()));
  } finally {
    client?.close();
  }
}

function tell(error: Error, terminal: Terminal, json: boolean, requestId: string | undefined): number {
  if (error instanceof CallFailure) {
    if (json) {
      terminal.out(
        `${JSON.stringify({ ...failureJson(error), ...(requestId !== undefined && { requestId }) })}\n`,
      );
    } else terminal.err(failureText(error, requestId));
    return error.exitCode;
  }
  if (error instanceof UsageError) {
    if (json)
      terminal.out(
        `${JSON.stringify({ error: { message: error.message, code: 'USAGE', outcome: 'not-applied' } })}\n`,
      );
    else terminal.err(`error: ${error.message}\n`);
    return CLIENT_EXIT.usage;
  }
  throw error;
}
