import { clipped, ImageError } from "../errors.ts";
import { checkMembersOnce } from "./json_scan.ts";

/** A JSON object whose members are not checked yet. */
export type JsonObject = { readonly [key: string]: unknown };

/**
 * Parses JSON of the outside world that must be an object.
 *
 * `what` names the document in the error. Throws `invalid-input` when the bytes are not UTF-8 JSON or no object.
 */
export function parseJsonObject(bytes: Uint8Array, what: string): JsonObject {
  return objectOf(decode(bytes, what, false), what);
}

/**
 * Parses JSON that every reader must understand alike, as manifests: beyond {@linkcode parseJsonObject}, no object may name
 * a member twice, nothing may be nested deeper than `MAX_JSON_DEPTH`, and no byte order mark may come first.
 *
 * Throws `invalid-input`.
 */
export function parseStrictJsonObject(bytes: Uint8Array, what: string): JsonObject {
  const text = decode(bytes, what, true);
  const object = objectOf(text, what);
  checkMembersOnce(text, what);
  return object;
}

function decode(bytes: Uint8Array, what: string, keepsMark: boolean): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: keepsMark }).decode(bytes);
  } catch (cause) {
    throw new ImageError("invalid-input", `Cannot read ${what}: it is not UTF-8 text`, { cause });
  }
}

function objectOf(text: string, what: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new ImageError("invalid-input", `Cannot read ${what}: it is not valid JSON`, { cause });
  }
  if (!isObject(value)) throw new ImageError("invalid-input", `Cannot read ${what}: it is not a JSON object`);
  return value;
}

/** A value as compact JSON. */
export function jsonBytes(value: unknown): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(JSON.stringify(value));
}

/** Whether a value is a JSON object (not null, not an array). */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Reads typed members out of one JSON object; each error names the document and the member. */
export class Members {
  readonly #object: JsonObject;
  readonly #what: string;

  /** `what` names the object in errors, for example `manifest "sha256:…"`. */
  constructor(object: unknown, what: string) {
    if (!isObject(object)) throw new ImageError("invalid-input", `Invalid ${what}: expected an object`);
    this.#object = object;
    this.#what = what;
  }

  /** Whether a member is there and not null. */
  has(key: string): boolean {
    return this.raw(key) !== undefined;
  }

  /**
   * Refuses members that are spelled like one of `names` but for upper and lower case: readers written in Go take them for
   * it, others don't see them.
   */
  refuseLookalikes(names: ReadonlySet<string>): void {
    for (const key of Object.keys(this.#object)) {
      const folded = key.toUpperCase().toLowerCase();
      const meant = names.has(key) ? undefined : [...names].find((name) => name.toLowerCase() === folded);
      if (meant === undefined) continue;
      throw new ImageError("invalid-input", `Invalid ${this.#what}: "${clipped(key)}" must be spelled "${meant}"`);
    }
  }

  /** The member as it is; undefined when it is missing or null, and never one that the object inherits. */
  raw(key: string): unknown {
    return Object.hasOwn(this.#object, key) ? this.#object[key] ?? undefined : undefined;
  }

  /** A string, or undefined when the member is missing. */
  string(key: string): string | undefined {
    const value = this.raw(key);
    if (value !== undefined && typeof value !== "string") throw this.invalid(key, "a string");
    return value as string | undefined;
  }

  /** A whole number from 0 to 2^53-1, or undefined when the member is missing. */
  size(key: string): number | undefined {
    const value = this.raw(key);
    if (value === undefined) return undefined;
    if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) {
      throw this.invalid(key, "a whole number, 0 or more");
    }
    return Math.abs(value); // -0 is 0
  }

  /** An array, or undefined when the member is missing. */
  array(key: string): readonly unknown[] | undefined {
    const value = this.raw(key);
    if (value !== undefined && !Array.isArray(value)) throw this.invalid(key, "a list");
    return value as readonly unknown[] | undefined;
  }

  /** A list of strings, or undefined when the member is missing. */
  strings(key: string): readonly string[] | undefined {
    const list = this.array(key);
    if (list && !list.every((item) => typeof item === "string")) throw this.invalid(key, "a list of strings");
    return list as readonly string[] | undefined;
  }

  /** An object of strings (annotations, labels), or undefined when the member is missing. */
  stringMap(key: string): Readonly<Record<string, string>> | undefined {
    const value = this.raw(key);
    if (value === undefined) return undefined;
    if (!isObject(value) || !Object.values(value).every((item) => typeof item === "string")) {
      throw this.invalid(key, "an object of strings");
    }
    return value as Readonly<Record<string, string>>;
  }

  /** The error for a member that is not what it must be. */
  invalid(key: string, expected: string): ImageError {
    return new ImageError("invalid-input", `Invalid ${this.#what}: "${key}" must be ${expected}`);
  }

  /** The error for a member that must be there. */
  missing(key: string): ImageError {
    return new ImageError("invalid-input", `Invalid ${this.#what}: "${key}" is missing`);
  }
}
