import { ImageError } from "../errors.ts";
import { possibleLandings } from "../archive/bundle_names.ts";
import type { Bundle } from "../archive/bundle_reader.ts";
import type { ImageSource } from "../image/places.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { Digest } from "../oci/digest.ts";
import { type LoadTarget, locationIn } from "../oci/collection.ts";
import type { ImageLocation } from "../oci/location.ts";
import { findHeldBlobs } from "../transports/bundle_places.ts";
import { openSource } from "../transports/open.ts";
import type { Session } from "../transports/session.ts";

/** Most blobs and images that an error names. */
const MAX_NAMED = 3;

/** An image that is to be loaded, as far as its needs are concerned. */
interface NeedingImage {
  readonly entry: { readonly name: string };
  readonly location: ImageLocation;
  readonly leftOut: readonly Descriptor[];
}

/** A blob that is nowhere. */
interface MissingBlob {
  readonly blob: Descriptor;
  readonly image: string;
}

/**
 * Finds every blob that a bundle leaves out at the target, before anything is written: under the image itself, and in a
 * registry also under the other images that hold it, as the bundle says.
 *
 * Gives the places that hold such blobs and can hand them over. Throws `not-found`, naming the first blobs and images, when
 * any is missing.
 */
export async function findNeeds(
  session: Session,
  target: LoadTarget,
  { bundle, images }: { readonly bundle: Bundle; readonly images: readonly NeedingImage[] },
): Promise<Map<Digest, ImageSource>> {
  const holders = new Map<Digest, ImageSource>();
  const needing = images.filter(({ leftOut }) => leftOut.length > 0);
  const missing: MissingBlob[] = [];
  if (needing[0] && isStore(target)) {
    // All images of a store share their blobs, so one question is enough.
    const { location } = needing[0];
    const blobs = new Map(needing.flatMap(({ leftOut }) => leftOut).map((blob) => [blob.digest, blob]));
    const found = await findHeldBlobs(session, location, [...blobs.values()]);
    missing.push(...needing.flatMap((image) => missingOf(image, found)));
  } else {
    for (const image of needing) {
      const found = await findHeldBlobs(session, image.location, image.leftOut);
      for (const each of missingOf(image, found)) {
        const holder = holders.get(each.blob.digest) ?? await findHolder(session, target, bundle, each.blob);
        if (holder) holders.set(each.blob.digest, holder);
        else missing.push(each);
      }
    }
  }
  if (missing.length > 0) throw missingError(bundle, missing);
  return holders;
}

/** Whether all images share their blobs at the target. */
function isStore(target: LoadTarget): boolean {
  const { kind } = "image" in target ? target.image : target.collection;
  return kind === "s3" || kind === "local";
}

/** Another repository of the registry that holds a blob. */
async function findHolder(
  session: Session,
  target: LoadTarget,
  bundle: Bundle,
  blob: Descriptor,
): Promise<ImageSource | undefined> {
  if ("image" in target) return undefined;
  const names = bundle.needs.get(blob.digest)?.images ?? [];
  const landings = names.flatMap((name) => possibleLandings(name));
  const locations = landings.map((landing) => locationIn(target.collection, landing));
  for (const location of new Map(locations.map((each) => [each.text, each])).values()) {
    if ((await findHeldBlobs(session, location, [blob])).size > 0) return await openSource(session, location);
  }
  return undefined;
}

function missingOf(image: NeedingImage, found: ReadonlySet<Digest>): MissingBlob[] {
  return image.leftOut.filter((blob) => !found.has(blob.digest)).map((blob) => ({ blob, image: image.entry.name }));
}

function missingError(bundle: Bundle, missing: readonly MissingBlob[]): ImageError {
  const blobs = [...new Set(missing.map(({ blob }) => blob.digest))];
  const images = [...new Set(missing.map(({ image }) => image))];
  const isDelta = blobs.some((digest) => bundle.needs.has(digest));
  const what = `${blobs.length === 1 ? "blob" : "blobs"} ${listed(blobs)} of ${listed(images)}`;
  return isDelta
    ? new ImageError(
      "not-found",
      `Cannot load "${bundle.name}": it relies on ${what}, which the target does not hold`,
      {
        hint: "Load the bundle that --since named first, or save one without --since",
      },
    )
    : new ImageError("not-found", `Cannot load "${bundle.name}": ${what} missing, in the bundle and at the target`, {
      hint: "Save the bundle again",
    });
}

function listed(names: readonly string[]): string {
  const shown = names.slice(0, MAX_NAMED).map((name) => `"${name}"`).join(", ");
  return names.length > MAX_NAMED ? `${shown} and ${names.length - MAX_NAMED} more` : shown;
}
