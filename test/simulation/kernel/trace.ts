/** The story of a run, for a person: who did what, when. Written only when somebody wants to read it. */

/** What an entry is about; filters and the chart go by it. */
export type TraceKind =
  | 'fault' // a fault begins or ends
  | 'process' // a node starts, is ready, crashes, is suspended, resumes, stops
  | 'client' // a client calls, and is answered
  | 'frame' // a frame leaves, arrives, or is lost
  | 'stream' // a stream between nodes opens, breaks, closes
  | 'disk' // a batch is written or synced, or fails
  | 'log' // what a node logs
  | 'check'; // a promise is broken, a phase begins

export interface TraceEntry {
  readonly atMicros: number;
  readonly kind: TraceKind;
  /** Node or client where it happens; empty for the world. */
  readonly at: string;
  /** The other end, of frames, streams and calls. */
  readonly peer?: string;
  /** For frames and calls: the same number on both ends, so that a chart can draw the arrow. */
  readonly message?: number;
  /** `sent`, `arrived`, `lost`, for arrows; else absent. */
  readonly direction?: 'sent' | 'arrived' | 'lost';
  /** `bucket/key`, where it concerns one. */
  readonly key?: string;
  /** Where it concerns several, as batches and frames do: all of them, those too that the text only counts. */
  readonly keys?: readonly string[];
  /** The attempt of the history, where it concerns one. */
  readonly attempt?: number;
  /** What took time: when it began. The entry is its end. */
  readonly sinceMicros?: number;
  /** One line. */
  readonly text: string;
}

/** The fields of an entry that say what it concerns. */
export function concerning(keys: Iterable<string>): Pick<TraceEntry, 'key' | 'keys'> {
  const [first, ...others] = new Set(keys);
  if (first === undefined) return {};
  return others.length === 0 ? { key: first } : { keys: [first, ...others] };
}

/** Whether it concerns the key, perhaps among others. */
export function concerns({ key, keys }: TraceEntry, name: string): boolean {
  return key === name || keys?.includes(name) === true;
}

/** Where entries go. `undefined` in place of a trace: nobody listens, and texts are not even made. */
export interface Trace {
  add(entry: TraceEntry): void;
}
