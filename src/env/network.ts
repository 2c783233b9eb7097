/**
 * How nodes reach each other: streams of frames. A frame is one encoded protobuf message of `kindred.peer.v1`; the
 * network moves bytes and knows nothing of what they mean, so the simulator's network carries exactly what a socket would.
 */

/**
 * Channels per peer, so that heartbeats never wait behind data, nor clients behind repairs: `control` carries heartbeats,
 * `gossip` what nodes know of each other, `data` what clients wait for, `background` hints and anti-entropy.
 */
export type PeerChannel = 'control' | 'gossip' | 'data' | 'background';

/** All of them. */
export const peerChannels: readonly PeerChannel[] = ['control', 'gossip', 'data', 'background'];

/** Why a stream or an address failed, for code that must tell the cases apart. */
export type NetworkErrorCode =
  | 'address-unavailable' // cannot listen there
  | 'unreachable' // nobody answered at the address: nothing that was sent has left this process
  | 'reset' // the connection broke, or the peer's process died
  | 'not-a-peer' // something answered, but it does not speak Kindred's peer protocol
  | 'frame-damaged' // a frame is not what was sent: the connection cannot be trusted any more
  | 'frame-too-large'; // a frame above the network's limit was sent or received

/** A failure of the network. The message says what happened, to which address, and where possible what to do. */
export class NetworkError extends Error {
  override readonly name = 'NetworkError';
  readonly code: NetworkErrorCode;
  constructor(code: NetworkErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** One direction-pair of frames between two nodes. Frames arrive whole and in order, or the stream closes. */
export interface FrameStream {
  /**
   * Queues a frame. False once more than the network wants to hold is waiting: stop until `onDrain`. The bytes belong to
   * the network from here on. Nothing happens on a closed stream.
   */
  send(frame: Uint8Array): boolean;
  /** Frames wait, and hold the sender back, until there is a listener. */
  onFrame(listener: (frame: Uint8Array) => void): void;
  onDrain(listener: () => void): void;
  /** Called once, never inside another call, with the reason when the stream broke. Nothing more is sent or received after it. */
  onClose(listener: (error: NetworkError | undefined) => void): void;
  /** Ends the stream after what was queued. `onClose` follows on both sides; nothing is received here any more. */
  close(): void;
}

export interface Listener {
  /** The port in use (chosen by the system when 0 was asked for). */
  readonly port: number;
  /** Closes every stream it accepted and gives the address back. */
  close(): Promise<void>;
}

export interface Network {
  /** Accepts peer streams on `host:port`. Throws NetworkError `address-unavailable`. */
  listen(
    address: { readonly host: string; readonly port: number },
    accept: (channel: PeerChannel, stream: FrameStream) => void,
  ): Promise<Listener>;
  /** Opens a stream. Returns at once; a peer that cannot be reached shows as `onClose` with an error. */
  dial(address: { readonly host: string; readonly port: number }, channel: PeerChannel): FrameStream;
}
