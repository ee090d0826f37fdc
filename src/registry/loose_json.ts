import { ImageError } from "../errors.ts";
import { isObject, type JsonObject } from "../oci/json.ts";

// Docker's configuration and the answers of its helpers are read by programs written in Go, and so written by whatever
// those take. This is how they read JSON.

/**
 * The object at the start of a text; what follows it is not looked at. Undefined where there is nothing, or `null`.
 *
 * `what` names the text in the error, which quotes nothing of it: it may be secret. Throws `invalid-input`.
 */
export function parseFirstObject(bytes: Uint8Array, what: string): JsonObject | undefined {
  const text = new TextDecoder().decode(bytes).trim();
  if (text === "" || /^null(?![\w"])/.test(text)) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text.slice(0, endOfObject(text)));
  } catch {
    throw new ImageError("invalid-input", `Cannot read ${what}: it is not valid JSON`);
  }
  if (!isObject(value)) throw new ImageError("invalid-input", `Cannot read ${what}: it is not a JSON object`);
  return value;
}

/** The members of an object by their names in lower case; of several that are spelled alike the last that is not null. */
export function foldedMembers(object: JsonObject): JsonObject {
  const folded: Record<string, unknown> = Object.create(null);
  for (const [name, value] of Object.entries(object)) if (value !== null) folded[name.toLowerCase()] = value;
  return folded;
}

/** Where the braces that a text begins with are closed again; its end where they are not. */
function endOfObject(text: string): number {
  let depth = 0;
  let isQuoted = false;
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (isQuoted) {
      if (character === "\\") at++;
      else if (character === '"') isQuoted = false;
    } else if (character === '"') isQuoted = true;
    else if (character === "{") depth++;
    else if (character === "}" && --depth === 0) return at + 1;
    else if (depth === 0) break;
  }
  return text.length;
}
