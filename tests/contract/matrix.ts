/** The table of the copy matrix: which cells of source × target × shape don't come out as they went in, and why. */
import type { PlaceKind } from "./place.ts";
import { TRAITS } from "./place.ts";
import type { ShapeName } from "./shapes.ts";

/** Shapes whose root is an index. */
const INDEXES: ReadonlySet<ShapeName> = new Set(["index", "nested", "referrers"]);

/** What becomes of an image of this shape in a place. */
export type Fate =
  /** Read back as it was written, with what refers to it. */
  | "same"
  /** So, but for what refers to it, which has no room there. */
  | "without-referrers"
  /** Config and tars are the same; manifest and compression are the place's own. */
  | "repacked"
  /** Refused with `unsupported`, and nothing is written. */
  | "refused"
  /** Written, and not to be had by an export: the error names another way. */
  | "kept-inside";

/** What becomes of a shape that is written to a place and read back. */
export function fateOf(shape: ShapeName, kind: PlaceKind): Fate {
  const traits = TRAITS[kind];
  if (INDEXES.has(shape) && !traits.acceptsIndex) return "refused";
  // Docker's export knows the manifests of one level.
  if (shape === "nested" && kind === "docker29") return "kept-inside";
  // Docker cannot load such layers: they lie there unpacked, beside a manifest that says so.
  if (shape === "zstd" && kind === "docker-archive") return "repacked";
  if (!traits.keepsRoot) return "repacked";
  return shape === "referrers" && !traits.holdsReferrers ? "without-referrers" : "same";
}
