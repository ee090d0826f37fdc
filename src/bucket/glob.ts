/**
 * Whether a whole name matches a shell pattern: `*` any run of characters but `/`, `?` one of them, `[a-z]` and `[^a-z]`
 * classes, `\` takes the next character as it is. A malformed pattern matches nothing.
 *
 * The rules are those of the patterns in `s3lo.yaml`.
 */
export function matchesGlob(pattern: string, name: string): boolean {
  const expression = toRegExp(pattern);
  return expression?.test(name) ?? false;
}

function toRegExp(pattern: string): RegExp | undefined {
  /** What stands between the stars. */
  const pieces = [""];
  const add = (source: string) => pieces.push(pieces.pop() + source);
  for (let index = 0; index < pattern.length; index++) {
    const character = pattern[index]!;
    if (character === "*") {
      if (pieces.length === 1 || pieces.at(-1) !== "") pieces.push("");
    } else if (character === "?") add("[^/]");
    else if (character === "\\") {
      if (++index === pattern.length) return undefined;
      add(escaped(pattern[index]!));
    } else if (character === "[") {
      const end = pattern.indexOf("]", index + 2);
      if (end < 0) return undefined;
      const body = pattern.slice(index + 1, end);
      const negated = body.startsWith("^");
      add(`(?!/)[${negated ? "^" : ""}${(negated ? body.slice(1) : body).replaceAll(/[\\\]^[]/g, "\\$&")}]`);
      index = end;
    } else add(escaped(character));
  }
  // A piece between two stars is taken where it comes first and kept there (a look-ahead is not tried again): coming later
  // would leave the rest no better off, and trying it takes time that grows with every star.
  const source = pieces.map((piece, index) => {
    if (index === 0) return piece;
    return index === pieces.length - 1 ? `[^/]*${piece}` : `(?=([^/]*?${piece}))\\${index}`;
  }).join("");
  try {
    return new RegExp(`^${source}$`, "s");
  } catch {
    return undefined;
  }
}

function escaped(character: string): string {
  return character.replaceAll(/[.*+?^${}()|[\]\\/]/g, "\\$&");
}
