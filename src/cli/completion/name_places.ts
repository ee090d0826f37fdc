import type { Collection, Location } from "../../oci/location.ts";
import type { PlaceSettings, Settings } from "../command.ts";
import type { NamePlace } from "./name_cache.ts";

/** What tells where a bucket is: settings, or as much of them as a half-typed line has. */
type PlaceOptions = Pick<Settings, "value"> & { bucket(name: string): PlaceSettings };

/** The bucket that a place is in, as `side` reaches it; undefined for other places. */
export function namePlace(
  options: PlaceOptions,
  place: Location | Collection,
  side: "src" | "dst" | undefined,
): NamePlace | undefined {
  if (place.kind !== "s3") return undefined;
  const { bucket } = place;
  const value = (name: string) =>
    (side && options.value(`${side}-${name}`)) ?? options.value(name) ?? options.bucket(bucket).value(name);
  return { bucket, endpoint: value("endpoint"), profile: value("profile") };
}

/** The name and tag of an image of a bucket, where the reference says both. */
export function nameIn(place: Location | Collection): string | undefined {
  return place.kind === "s3" && "image" in place && place.tag !== undefined ? `${place.image}:${place.tag}` : undefined;
}
