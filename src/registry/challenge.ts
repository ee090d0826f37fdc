/** One way that a server offers to prove who one is. */
export interface Challenge {
  /** Lower case: `bearer`, `basic`. */
  readonly scheme: string;
  /** Parameters by lower-case name; the first of a repeated one counts. */
  readonly parameters: Readonly<Record<string, string>>;
}

const TOKEN = /[!#$%&'*+\-.^_`|~0-9A-Za-z]+/y;
const TOKEN68 = /[A-Za-z0-9\-._~+/]+=*(?=[ \t]*(?:,|$))/y;
const SPACE = /[ \t]*/y;
const SEPARATOR = /[ \t,]*/y;

/**
 * Reads the challenges of a `WWW-Authenticate` header (several headers joined by commas). Never throws: what cannot be
 * read ends the list.
 *
 * Spec: RFC 9110, section 11.6.1.
 */
export function parseChallenges(header: string): readonly Challenge[] {
  const scanner = new Scanner(header);
  const challenges: Challenge[] = [];
  while (true) {
    scanner.match(SEPARATOR);
    const scheme = scanner.match(TOKEN);
    if (!scheme) return challenges;
    const parameters = scanner.match(SPACE) || scanner.atEnd ? readParameters(scanner) : {};
    challenges.push({ scheme: scheme.toLowerCase(), parameters });
  }
}

/** Reads `name=value` pairs until the next scheme or the end; a scheme is a token that no `=` follows. */
function readParameters(scanner: Scanner): Record<string, string> {
  const parameters: Record<string, string> = Object.create(null);
  if (isToken68(scanner)) return parameters;
  while (true) {
    const start = scanner.position;
    scanner.match(SEPARATOR);
    const name = scanner.match(TOKEN);
    scanner.match(SPACE);
    if (!name || !scanner.take("=")) {
      scanner.position = start;
      return parameters;
    }
    scanner.match(SPACE);
    const value = scanner.take('"') ? scanner.quoted() : scanner.match(TOKEN);
    parameters[name.toLowerCase()] ??= value;
  }
}

/** Skips one token68 (`Negotiate abc==`); anything with a value behind its `=` is a parameter. */
function isToken68(scanner: Scanner): boolean {
  const start = scanner.position;
  if (scanner.match(TOKEN68)) return true;
  scanner.position = start;
  return false;
}

class Scanner {
  position = 0;
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  get atEnd(): boolean {
    return this.position >= this.#text.length;
  }

  match(pattern: RegExp): string {
    pattern.lastIndex = this.position;
    const found = pattern.exec(this.#text)?.[0] ?? "";
    this.position += found.length;
    return found;
  }

  take(character: string): boolean {
    if (this.#text[this.position] !== character) return false;
    this.position++;
    return true;
  }

  /** The rest of a quoted string; a backslash takes the next character as it is. An open end counts as closed. */
  quoted(): string {
    let value = "";
    while (!this.atEnd) {
      const character = this.#text[this.position++]!;
      if (character === '"') break;
      value += character === "\\" ? this.#text[this.position++] ?? "" : character;
    }
    return value;
  }
}
