import { ImageError } from "../errors.ts";

/** Deepest nesting of objects and lists in a manifest; real ones have six levels. */
export const MAX_JSON_DEPTH = 64;

const [QUOTE, COMMA, OPEN_LIST, BACKSLASH, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [
  0x22,
  0x2c,
  0x5b,
  0x5c,
  0x5d,
  0x7b,
  0x7d,
];

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
    const character = text.charCodeAt(index);
    if (character === QUOTE) {
      const end = endOfString(text, index);
      if (isName) addName(open.at(-1), text.slice(index, end + 1), what);
      isName = false;
      index = end;
    } else if (character === OPEN_OBJECT || character === OPEN_LIST) {
      if (open.length === MAX_JSON_DEPTH) {
        throw new ImageError("invalid-input", `Invalid ${what}: it is nested deeper than ${MAX_JSON_DEPTH} levels`);
      }
      isName = character === OPEN_OBJECT;
      open.push(isName ? new Set() : undefined);
    } else if (character === CLOSE_OBJECT || character === CLOSE_LIST) {
      open.pop();
      isName = false;
    } else if (character === COMMA) {
      isName = open.at(-1) !== undefined;
    }
  }
}

/** Index of the quote that closes the string opened at `start`. */
function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1);
  while (end >= 0 && isEscaped(text, end)) end = text.indexOf('"', end + 1);
  return end < 0 ? text.length : end;
}

/** Whether an odd number of backslashes comes right before a character. */
function isEscaped(text: string, index: number): boolean {
  let first = index;
  while (text.charCodeAt(first - 1) === BACKSLASH) first--;
  return (index - first) % 2 === 1;
}

function addName(names: Set<string> | undefined, quoted: string, what: string): void {
  const name = quoted.includes("\\") ? JSON.parse(quoted) as string : quoted.slice(1, -1);
  if (names?.has(name)) {
    throw new ImageError("invalid-input", `Invalid ${what}: it names "${name.slice(0, 80)}" twice in one object`);
  }
  names?.add(name);
}
