/**
 * What stands in a case file for what is known only when the case runs: variables, bytes, keys that no other case has, lists.
 *
 *     "$name"                            the variable, whatever it holds
 *     "... ${name} ..."                  the variable as text within a text
 *     {"$list": 200, "of": ...}          that many copies, in which ${i} counts from 0
 *     {"$requestId": "w"}                16 random bytes; the same for the same name within the case
 *     {"$repeat": "x", "times": 1024}    bytes
 *     {"$text": "x", "times": 1024}      text
 *     {"$base64": "AP8="}                bytes
 *     {"$binaryKey": "a"}                a key of the case's own that ends with every byte there is
 *     {"$damaged": "$context"}           the same bytes, but for one bit
 *
 * `key` and `data` hold text here and base64 on the wire. A key given as text is made the case's own.
 */

import { randomBytes } from 'node:crypto';

export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };
export type JsonObject = { readonly [name: string]: Json };

export class Variables {
  readonly #values = new Map<string, Json>();
  readonly #keyPrefix: string;

  /** `keyPrefix`: what makes the keys of the case its own. */
  constructor(keyPrefix: string) {
    this.#keyPrefix = keyPrefix;
  }

  set(name: string, value: Json): void {
    this.#values.set(name, value);
  }

  get(name: string): Json {
    const value = this.#values.get(name);
    if (value === undefined) throw new Error(`the case names $${name}, which nothing has saved`);
    return value;
  }

  /** The template with all that stands for something else replaced. Matchers are left as they are. */
  fill(template: Json): Json {
    return this.#fill(template, undefined, undefined);
  }

  #fill(template: Json, field: string | undefined, index: number | undefined): Json {
    if (typeof template === 'string') return this.#fillText(template, field, index);
    if (template === null || typeof template !== 'object') return template;
    if (Array.isArray(template)) return template.map((item: Json) => this.#fill(item, undefined, index));
    const object = template as JsonObject;
    const [form] = Object.keys(object);
    switch (form) {
      case '$list': {
        const count = Number(object['$list']);
        return Array.from({ length: count }, (_, i) => this.#fill(object['of'] as Json, undefined, i));
      }
      case '$requestId': {
        const name = `request id ${object['$requestId']}`;
        if (!this.#values.has(name)) this.set(name, randomBytes(16).toString('base64'));
        return this.get(name);
      }
      case '$repeat':
      case '$text': {
        const once = String(this.#fillText(String(object[form]), undefined, index));
        const text = once.repeat(Number(object['times']));
        return form === '$text' ? text : base64(text);
      }
      case '$base64':
        return object['$base64'] as Json;
      case '$binaryKey': {
        const every = Uint8Array.from({ length: 256 }, (_, byte) => byte);
        return Buffer.concat([Buffer.from(`${this.#keyPrefix}${object['$binaryKey']}`), every]).toString(
          'base64',
        );
      }
      case '$damaged':
        return damaged(String(this.#fill(object['$damaged'] as Json, undefined, index)));
      default:
        return Object.fromEntries(
          Object.entries(object).map(([name, value]) => [name, this.#fill(value, name, index)]),
        );
    }
  }

  #fillText(text: string, field: string | undefined, index: number | undefined): Json {
    const variable = /^\$([A-Za-z]\w*)$/.exec(text)?.[1];
    if (variable !== undefined) return this.get(variable);
    const filled = text.replaceAll(/\$\{(\w+)\}/g, (_, name: string) =>
      name === 'i' && index !== undefined ? String(index) : String(this.get(name)),
    );
    if (field === 'key') return base64(filled === '' ? '' : `${this.#keyPrefix}${filled}`);
    return field === 'data' ? base64(filled) : filled;
  }
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}

function damaged(bytes: string): string {
  const copy = Buffer.from(bytes, 'base64');
  const at = copy.length >> 1;
  copy[at] = (copy[at] as number) ^ 1;
  return copy.toString('base64');
}
