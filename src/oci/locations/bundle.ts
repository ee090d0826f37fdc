/** Several images in one file: its parts, a folder with an image layout, or standard input for `-`. No scheme names it. */
export interface BundleLocation {
  readonly kind: "bundle";
  /** The file, or files of its parts. */
  readonly paths: readonly string[];
  /** As it was written; for messages. */
  readonly text: string;
}

/** The bundle that the operands of a command name. */
export function bundleAt(paths: readonly string[]): BundleLocation {
  return { kind: "bundle", paths, text: paths.join(" ") };
}
