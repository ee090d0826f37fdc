import { ImageError } from "../errors.ts";

/** Deepest nesting of objects and lists in a manifest; real ones have six levels. */
export const MAX_JSON_DEPTH = 64;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/**
 * Checks what `JSON.parse` lets pass: that no object names a member twice, since one reader takes the first and another the
 * last, and that nothing is nested deeper than {@linkcode MAX_JSON_DEPTH}.
 *
 * `text` is JSON that was parsed before, so its grammar is not looked at. Walks it once. Throws `invalid-input`.
 */
export function checkMembersOnce(text: string, what: string): void {
  const open: (Set<string> | undefined)[] = [];
  let isName = false;
  for (let index = 0; index < text.length; index++) {
    const character = text[index];
    if (character === '"') {
      const end = endOfString(text, index);
      if (isName) addName(open.at(-1), text.slice(index, end + 1), what);
      isName = false;
      index = end;
    } else if (character === "{" || character === "[") {
      if (open.length === MAX_JSON_DEPTH) {
        throw new ImageError("invalid-input", `Invalid ${what}: it is nested deeper than ${MAX_JSON_DEPTH} levels`);
      }
      isName = character === "{";
      open.push(isName ? new Set() : undefined);
    } else if (character === "}" || character === "]") {
      open.pop();
      isName = false;
    } else if (character === ",") {
      isName = open.at(-1) !== undefined;
    }
  }
}

/** Index of the quote that closes the string opened at `start`. */
function endOfString(text: string, start: number): number {
  let index = start + 1;
  while (index < text.length && text.charCodeAt(index) !== QUOTE) index += text.charCodeAt(index) === BACKSLASH ? 2 : 1;
  return index;
}

function addName(names: Set<string> | undefined, quoted: string, what: string): void {
  const name = quoted.includes("\\") ? JSON.parse(quoted) as string : quoted.slice(1, -1);
  if (names?.has(name)) {
    throw new ImageError("invalid-input", `Invalid ${what}: it names "${name.slice(0, 80)}" twice in one object`);
  }
  names?.add(name);
}
