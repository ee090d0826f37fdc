import { ImageError } from "../errors.ts";
import { isStoreFolder } from "../objects/open_local_store.ts";
import type { LocalLocation, LocalReading } from "../oci/locations/local.ts";

/**
 * Decides which part of a local reference is the store: what `//` says; else the deepest folder along the path that is a
 * store; else (to write) the folder before the last part.
 *
 * Throws `not-found`, listing what was tried, when there is nothing to read.
 */
export async function resolveLocal(
  { readings, explicit, text }: LocalLocation,
  access: "read" | "write",
): Promise<LocalReading> {
  const [first] = readings;
  if (explicit) return first;
  for (const reading of readings) {
    if (await isStoreFolder(reading.folder)) return reading;
  }
  if (access === "write") return first;
  const tried = readings.map((reading) => `"${reading.folder}"`).join(", ");
  throw new ImageError("not-found", `Cannot read "${text}": no folder along it is a store (tried ${tried})`, {
    hint: "Say where the store ends with //, for example local:///srv/store//team/app:v1",
  });
}
