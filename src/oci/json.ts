import { ImageError } from "../errors.ts";

/** A JSON object whose members are not checked yet. */
export type JsonObject = { readonly [key: string]: unknown };

/**
 * Parses JSON of the outside world that must be an object.
 *
 * `what` names the document in the error. Throws `invalid-input` when the bytes are not UTF-8 JSON or no object.
 */
export function parseJsonObject(bytes: Uint8Array, what: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new ImageError("invalid-input", `Cannot read ${what}: it is not valid JSON`, { cause });
  }
  if (!isObject(value)) throw new ImageError("invalid-input", `Cannot read ${what}: it is not a JSON object`);
  return value;
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
    return value;
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
