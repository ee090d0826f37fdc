import { type ImageLocation, label, type StoreLocation } from "../../src/oci/location.ts";

/** The one canonical spelling of a place; of a folder, that of its first reading. */
export function spelled(location: ImageLocation): string {
  return location.kind === "s3" || location.kind === "local" ? spelledStore(location) : label(location);
}

function spelledStore(location: StoreLocation): string {
  const suffix = (location.tag === undefined ? "" : `:${location.tag}`) +
    (location.digest === undefined ? "" : `@${location.digest}`);
  if (location.kind === "s3") return `s3://${location.bucket}/${location.image}${suffix}`;
  const [reading] = location.readings;
  return `local://${reading.folder}//${reading.image}${suffix}`;
}
