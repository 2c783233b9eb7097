/** What a step of the checks found. `note` is for what a green line should not hide, `output` is shown on failure. */
export type Outcome =
  | { readonly kind: 'passed'; readonly note?: string }
  | { readonly kind: 'failed'; readonly output: string };
