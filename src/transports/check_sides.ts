import { isImageError } from "../errors.ts";
import { isStoreText, parseReference } from "../oci/reference.ts";
import { isRepositoryText } from "./open.ts";
import type { Session } from "./session.ts";
import type { Side } from "./sides.ts";

/**
 * Holds the credentials that were given against the places of a command, before anything is sent. Throws `usage` where the
 * same would go to more than one registry.
 */
export function checkSides(session: Session, places: Readonly<Record<Side, readonly string[]>>): void {
  for (const side of ["source", "target"] as const) {
    for (const text of places[side]) {
      const registry = registryOf(text);
      if (registry !== undefined) session.registryAccess(registry, side);
    }
  }
}

/** The registry that a reference names; undefined for any other place, and for what is no reference at all. */
export function registryOf(text: string): string | undefined {
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
