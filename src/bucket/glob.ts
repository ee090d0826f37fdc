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
  let source = "";
  for (let index = 0; index < pattern.length; index++) {
    const character = pattern[index]!;
    if (character === "*") source += source.endsWith("[^/]*") ? "" : "[^/]*";
    else if (character === "?") source += "[^/]";
    else if (character === "\\") {
      if (++index === pattern.length) return undefined;
      source += escaped(pattern[index]!);
    } else if (character === "[") {
      const end = pattern.indexOf("]", index + 2);
      if (end < 0) return undefined;
      const body = pattern.slice(index + 1, end);
      const negated = body.startsWith("^");
      source += `(?!/)[${negated ? "^" : ""}${(negated ? body.slice(1) : body).replaceAll(/[\\\]^[]/g, "\\$&")}]`;
      index = end;
    } else source += escaped(character);
  }
  try {
    return new RegExp(`^${source}$`, "s");
  } catch {
    return undefined;
  }
}

function escaped(character: string): string {
  return character.replaceAll(/[.*+?^${}()|[\]\\/]/g, "\\$&");
}
