/** What a client's SETTINGS ask of this server (RFC 9113, 6.5). */

import { ConnectionError, errorCodes, frameBytesMax, settings, windowMax } from './frame.ts';

/** The values of one frame that bind a server without push; the last of each. */
export interface PeerSettings {
  headerTableBytes?: number;
  initialWindow?: number;
  frameBytesMax?: number;
}

/** Throws ConnectionError where a value is out of its bounds (6.5.2). Settings that are not known are ignored. */
export function readSettings(bytes: Buffer, start: number, end: number): PeerSettings {
  if ((end - start) % 6 !== 0) throw new ConnectionError(errorCodes.frameSize, 'SETTINGS of a wrong length');
  const read: PeerSettings = {};
  for (let at = start; at < end; at += 6) {
    const value = bytes.readUInt32BE(at + 2);
    switch (bytes.readUInt16BE(at)) {
      case settings.headerTableSize:
        // What comes between matters too (RFC 7541, 4.2): the smallest is kept.
        read.headerTableBytes = Math.min(value, read.headerTableBytes ?? value);
        break;
      case settings.enablePush:
        if (value > 1) throw new ConnectionError(errorCodes.protocol, 'ENABLE_PUSH is neither 0 nor 1');
        break;
      case settings.initialWindowSize:
        if (value > windowMax) throw new ConnectionError(errorCodes.flowControl, 'a window is too large');
        read.initialWindow = value;
        break;
      case settings.maxFrameSize:
        if (value < frameBytesMax || value >= 2 ** 24) {
          throw new ConnectionError(errorCodes.protocol, 'MAX_FRAME_SIZE out of its bounds');
        }
        read.frameBytesMax = value;
        break;
      default:
    }
  }
  return read;
}
