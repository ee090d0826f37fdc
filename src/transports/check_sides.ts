import { ImageError, isImageError } from "../errors.ts";
import { isStoreText, parseReference } from "../oci/reference.ts";
import { isRepositoryText } from "./open.ts";
import type { Session } from "./session.ts";
import type { Side } from "./sides.ts";

/** What the options of a side are called on the command line. */
const PREFIXES: Readonly<Record<Side, string>> = { source: "src", target: "dst" };

/**
 * Holds what was given for each side against the places of a command, before anything is sent.
 *
 * Throws `usage` where credentials would go to more than one registry, and where a side has settings for a kind of place
 * that it is not: whoever mixes the sides up hears of it at once.
 */
export function checkSides(session: Session, places: Readonly<Record<Side, readonly string[]>>): void {
  for (const side of ["source", "target"] as const) {
    const own = session.options[side] ?? {};
    const registries = places[side].flatMap((text) => registryOf(text) ?? []);
    for (const registry of registries) session.registryAccess(registry, side);
    const option = (name: string) => `--${PREFIXES[side]}-${name}`;
    if (own.credentials && registries.length === 0) throw misplaced(option("username"), side, "is no registry");
    if (places[side].some((text) => text.startsWith("s3://"))) continue;
    if (own.endpoint !== undefined) throw misplaced(option("endpoint"), side, "is no S3 bucket");
    if (own.region !== undefined) throw misplaced(option("region"), side, "is no S3 bucket");
    if (own.profile !== undefined && registries.length === 0) {
      throw misplaced(option("profile"), side, "is neither an S3 bucket nor a registry");
    }
  }
}

/** The registry that a reference names; undefined for any other place, and for what is no reference at all. */
function registryOf(text: string): string | undefined {
  if (!isRepositoryText(text) || isStoreText(text)) return undefined;
  try {
    const reference = parseReference(text);
    return reference.kind === "registry" ? reference.registry : undefined;
  } catch (error) {
    // Whoever opens it says what is wrong with it.
    if (isImageError(error, "invalid-reference")) return undefined;
    throw error;
  }
}

function misplaced(option: string, side: Side, why: string): ImageError {
  return new ImageError("usage", `Cannot use ${option}: the ${side} ${why}`, {
    hint: "Check which side the option is for: --src-… is the source, --dst-… the target",
  });
}
