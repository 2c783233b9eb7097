/** The one real thing that the simulator uses, taken before the guard takes it away from everybody else. */

export const realSetImmediate: typeof setImmediate = setImmediate;
