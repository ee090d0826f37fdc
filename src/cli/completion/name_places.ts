import type { PlaceSettings, Settings } from "../command.ts";
import type { NamePlace } from "./name_cache.ts";

/** What tells where a bucket is: settings, or as much of them as a half-typed line has. */
type PlaceOptions = Pick<Settings, "value"> & { bucket(name: string): PlaceSettings };

/** The bucket that a reference names, as `side` reaches it; undefined for other places. */
export function namePlace(
  options: PlaceOptions,
  text: string,
  side: "src" | "dst" | undefined,
): NamePlace | undefined {
  const bucket = bucketIn(text);
  if (bucket === undefined) return undefined;
  const value = (name: string) =>
    (side && options.value(`${side}-${name}`)) ?? options.value(name) ?? options.bucket(bucket).value(name);
  return { bucket, endpoint: value("endpoint"), profile: value("profile") };
}

/** The bucket of `s3://bucket/…`. */
export function bucketIn(text: string): string | undefined {
  return /^s3:\/\/([^/]+)(?:\/|$)/.exec(text)?.[1];
}

/** The name and tag in a reference to an image of a bucket. */
export function nameIn(reference: string): string | undefined {
  return /^s3:\/\/[^/]+\/([^@]+:[^@:/]+)(?:@|$)/.exec(reference)?.[1];
}
