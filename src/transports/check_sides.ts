import type { Collection, Location } from "../oci/location.ts";
import type { Session } from "./session.ts";
import type { Side } from "./sides.ts";

/**
 * Holds the credentials that were given against the places of a command, before anything is sent. Throws `usage` where the
 * same would go to more than one registry.
 */
export function checkSides(
  session: Session,
  places: Readonly<Record<Side, readonly (Location | Collection)[]>>,
): void {
  for (const side of ["source", "target"] as const) {
    for (const place of places[side]) if (place.kind === "registry") session.registryAccess(place.registry, side);
  }
}
