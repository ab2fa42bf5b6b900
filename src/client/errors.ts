/** Exit codes of sysexits(3) that an error of the connection suggests to a tool. */
const exitCodes = {
  /** There is no such jail. */
  ENOHOST: 68,
  /** The caller may not do this. */
  EPERM: 77,
  /** The daemon speaks another version of the protocol. */
  EPROTO: 76,
  /** No daemon runs, and we could not start one. */
  ENODAEMON: 71,
  /** The daemon went away, or ended the connection. */
  ECONNRESET: 71,
  /** The client was closed. */
  ECLOSED: 71,
  /** No reply came in time. */
  ETIMEDOUT: 71,
} as const;

export type ClientErrorCode = keyof typeof exitCodes;

/**
 * Something is wrong with the connection to the daemon. What the daemon or a node refuses is an NgError instead.
 */
export class ClientError extends Error {
  override readonly name = 'ClientError';
  /** What a tool that cannot go on should exit with. */
  readonly exitCode: number;

  constructor(
    readonly code: ClientErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.exitCode = exitCodes[code];
  }
}
