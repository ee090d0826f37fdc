import { ImageError } from "../errors.ts";
import type { ImageLocation } from "../oci/location.ts";
import type { OptionValues } from "./command.ts";

/** The two sides, and how the names of their options begin. */
const SIDES = [["source", "src"], ["target", "dst"]] as const;

/** What each option of a side is for. */
const NEEDS: readonly (readonly [option: string, needed: "registry" | "bucket" | "either", why: string])[] = [
  ["username", "registry", "is no registry"],
  ["plain-http", "registry", "is no registry"],
  ["endpoint", "bucket", "is no S3 bucket"],
  ["region", "bucket", "is no S3 bucket"],
  ["profile", "either", "is neither an S3 bucket nor a registry"],
];

/**
 * Checks that what is typed for a side can be meant for it, before anything is opened: whoever mixes the sides up hears of it
 * at once. What the environment says of a side holds for places of its kind, and hinders nobody who names others.
 *
 * Throws `usage`.
 */
export function checkSideOptions(
  options: OptionValues,
  places: Readonly<Record<"source" | "target", readonly ImageLocation[]>>,
): void {
  for (const [side, prefix] of SIDES) {
    const isRegistry = places[side].some(({ kind }) => kind === "registry");
    const isBucket = places[side].some(({ kind }) => kind === "s3");
    for (const [name, needed, why] of NEEDS) {
      const option = `--${prefix}-${name}`;
      const isMet = (needed !== "bucket" && isRegistry) || (needed !== "registry" && isBucket);
      if (isMet || options.origin(option.slice(2)) !== option) continue;
      throw new ImageError("usage", `Cannot use ${option}: the ${side} ${why}`, {
        hint: "Check which side the option is for: --src-… is the source, --dst-… the target",
      });
    }
  }
}
