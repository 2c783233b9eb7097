/** What the words of the gRPC library about a broken connection mean, for people. */

const meanings: readonly (readonly [RegExp, string])[] = [
  [/\bECONNREFUSED\b/, 'connection refused'],
  [/\b(ETIMEDOUT|connect timed out)\b/i, 'no answer to the attempt to connect'],
  [/\b(EHOSTUNREACH|ENETUNREACH|EHOSTDOWN|ENETDOWN)\b/, 'no route to it'],
  [/\b(ENOTFOUND|EAI_AGAIN)\b|^Name resolution failed/, 'its name cannot be resolved'],
  [/\b(ECONNRESET|EPIPE)\b/, 'the connection was reset'],
  [/^Connection dropped/, 'the connection broke'],
  [/keepalive/i, 'the connection fell silent'],
];

/** A reason in a few words. What is not known stays as the library said it, without what it adds to everything. */
export function connectionText(details: string): string {
  for (const [words, meaning] of meanings) if (words.test(details)) return meaning;
  const text = details
    .replace(/\.?\s*Resolution note:\s*$/, '')
    .replace(/^No connection established\. Last error: (?:Error: )?(?=.)/, 'no connection: ');
  return /^no connection: (null|undefined)?$/.test(text) ? 'no connection' : text;
}
