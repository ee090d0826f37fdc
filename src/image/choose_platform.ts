import type { Descriptor } from "../oci/descriptor.ts";
import type { Manifest } from "../oci/manifest.ts";
import { formatPlatform, namesPlatform, normalizePlatform, type Platform, selectPlatform } from "../oci/platform.ts";
import { variantDistance } from "../oci/variant.ts";
import { readChild } from "./index_walk.ts";
import type { ImageSource } from "./places.ts";
import { configPlatform, namedImages, noPlatform } from "./select_platforms.ts";

/**
 * Why an image may not run on the machine that it was chosen for.
 *
 * - `unnamed`: it does not say what it runs on.
 * - `other`: it is for another platform, and there is no other image to choose.
 * - `newer`: it needs a newer variant of the machine's architecture than the machine is known to be.
 */
export type PlatformDoubt = "unnamed" | "other" | "newer";

/** What was chosen for a machine. */
export interface MachineChoice {
  readonly root: Manifest;
  /** As the index or the config names it; undefined where neither does. */
  readonly platform: Platform | undefined;
  readonly doubt?: PlatformDoubt;
}

/**
 * Chooses the image of an index for a machine: one that it runs, else the oldest variant of its architecture, else the only
 * image there is if that does not say what it runs on. A single image is taken whatever it is for: there is nothing to
 * choose, and whoever asked for it may know better.
 *
 * Throws `not-found`, listing what is there, when an index holds nothing for the machine.
 */
export async function chooseForMachine(source: ImageSource, root: Manifest, machine: Platform): Promise<MachineChoice> {
  const { content } = root;
  if (content.kind === "artifact") return { root, platform: undefined };
  if (content.kind === "image") return withDoubt(root, await configPlatform(source, content), machine);
  const images = await namedImages(source, root, (named) => selectPlatform(named, machine, RUNS) !== undefined);
  const chosen = selectPlatform(images, machine, RUNS) ?? oldestVariant(images, machine) ?? onlyUnnamed(images);
  if (!chosen) throw noPlatform(source.name, images.flatMap(({ platform }) => platform ?? []), machine);
  const label = chosen.platform ? formatPlatform(chosen.platform) : "";
  return withDoubt(await readChild(source, chosen, label), chosen.platform, machine);
}

const RUNS = { otherArchitectures: true };

function withDoubt(root: Manifest, platform: Platform | undefined, machine: Platform): MachineChoice {
  if (!platform || !namesPlatform(platform)) return { root, platform: undefined, doubt: "unnamed" };
  if (selectPlatform([{ platform }], machine, RUNS)) return { root, platform };
  return { root, platform, doubt: variantAhead(platform, machine) === undefined ? "other" : "newer" };
}

/** How far an image's variant is ahead of what is known of a machine of its architecture; undefined for another one. */
function variantAhead(platform: Platform, machine: Platform): number | undefined {
  const [image, own] = [normalizePlatform(platform), normalizePlatform(machine)];
  if (image.os !== own.os || image.architecture !== own.architecture) return undefined;
  return variantDistance(own.architecture, image.variant ?? "", own.variant ?? "");
}

function oldestVariant(images: readonly Descriptor[], machine: Platform): Descriptor | undefined {
  const ahead = images.flatMap((image) => {
    const distance = image.platform && variantAhead(image.platform, machine);
    return distance === undefined ? [] : [{ image, distance }];
  });
  return ahead.toSorted((one, other) => one.distance - other.distance)[0]?.image;
}

function onlyUnnamed(images: readonly Descriptor[]): Descriptor | undefined {
  const [only, ...more] = images;
  return only && more.length === 0 && !(only.platform && namesPlatform(only.platform)) ? only : undefined;
}
