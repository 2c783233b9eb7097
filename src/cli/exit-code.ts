/** What the exit code of each command means. `--help` and docs/operating/command-line.md show the same tables. */

/** Exit codes of commands that talk to a cluster. */
export const CLIENT_EXIT = {
  ok: 0,
  /** It failed, and for a write: nothing was changed. */
  failed: 1,
  /** The command line is wrong; nothing was sent. */
  usage: 2,
  /** A write was sent, and nobody knows whether it happened. */
  unknown: 3,
  /** `get`: the key holds nothing. */
  absent: 4,
  /** The key holds several versions, and nothing chose among them. */
  conflict: 5,
} as const;

/** Exit codes of `server` and `dev`. */
export const SERVER_EXIT = {
  ok: 0,
  failed: 1,
  /** The command line or the configuration is wrong. */
  usage: 2,
  /** The disk failed or is full, the data are damaged, or another process has them open. */
  storage: 3,
  /** A port is in use. */
  portInUse: 4,
  /** A second signal came before everything had stopped. */
  killed: 130,
} as const;

/** The table below the help of the program. */
export const EXIT_CODE_HELP: string = `
Exit codes of commands that talk to a cluster:
  0  done
  1  failed; a write that ends so was certainly not applied
  2  the command line is wrong; nothing was sent
  3  the outcome of the write is unknown: ask again with the same --request-id
  4  get, touch, resolve: the key is absent
  5  the key holds several versions (siblings) and nothing chose among them

Exit codes of server and dev:
  0  stopped as asked
  1  failed
  2  the command line or the configuration is wrong
  3  the storage failed, is full, damaged, or open in another process
  4  a port is in use, or the address cannot be bound
  130  a second signal came while it was stopping
`;
