/**
 * How nodes reach each other: streams of frames. A frame is one encoded protobuf message of `kindred.peer.v1`; the
 * network moves bytes and knows nothing of what they mean, so the simulator's network carries exactly what a socket would.
 */

/** Two channels per peer, so that heartbeats never wait behind data. */
export type PeerChannel = 'control' | 'data';

/** One direction-pair of frames between two nodes. Frames arrive whole and in order, or the stream closes. */
export interface FrameStream {
  /** Queues a frame. False once more than the network wants to hold is waiting: stop until `onDrain`. */
  send(frame: Uint8Array): boolean;
  onFrame(listener: (frame: Uint8Array) => void): void;
  onDrain(listener: () => void): void;
  /** Called once, with the reason when the stream broke. Nothing more is sent or received after it. */
  onClose(listener: (error: Error | undefined) => void): void;
  /** Ends the stream. `onClose` follows on both sides. */
  close(): void;
}

export interface Listener {
  /** The port in use (chosen by the system when 0 was asked for). */
  readonly port: number;
  close(): Promise<void>;
}

export interface Network {
  /** Accepts peer streams on `host:port`. Throws when the address cannot be bound. */
  listen(
    address: { readonly host: string; readonly port: number },
    accept: (channel: PeerChannel, stream: FrameStream) => void,
  ): Promise<Listener>;
  /** Opens a stream. Returns at once; a peer that cannot be reached shows as `onClose` with an error. */
  dial(address: { readonly host: string; readonly port: number }, channel: PeerChannel): FrameStream;
}
