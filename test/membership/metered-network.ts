/** A network that counts what a node sends, for each channel. */

import type { FrameStream, Network, PeerChannel } from '../../src/env/network.ts';

/** Bytes of frames sent, without what the transport adds. */
export interface BytesSent extends Record<PeerChannel, number> {
  /** The largest frame on the gossip channel. */
  gossipFrameMax: number;
}

/** Everything that is sent over `network` is added to `sent`. */
export function meteredNetwork(network: Network, sent: BytesSent): Network {
  const metered = (channel: PeerChannel, stream: FrameStream): FrameStream => {
    const send = stream.send.bind(stream);
    stream.send = (frame) => {
      sent[channel] += frame.byteLength;
      if (channel === 'gossip') sent.gossipFrameMax = Math.max(sent.gossipFrameMax, frame.byteLength);
      return send(frame);
    };
    return stream;
  };
  return {
    listen: (address, accept) =>
      network.listen(address, (channel, stream) => accept(channel, metered(channel, stream))),
    dial: (address, channel) => metered(channel, network.dial(address, channel)),
  };
}
