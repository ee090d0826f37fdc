import { ImageError } from "../errors.ts";

/** Commands of the Go tool that s3lo does not have yet: what to do meanwhile. */
const LATER: ReadonlyMap<string, string> = new Map([
  ["cat", "Copy the image to a folder with s3lo copy REF oci:FOLDER:TAG and unpack the layer, or use the Go tool"],
  ["clean", "Use the Go tool on the same bucket, or a lifecycle rule"],
  ["config", "Edit s3lo.yaml in the bucket, or use the Go tool; settings of s3lo itself: s3lo help options"],
  ["delete", "Use the Go tool on the same bucket, or remove manifests/IMAGE/TAG/ with an S3 client"],
  ["serve", "Copy the image to a registry: s3lo copy REF HOST/NAME:TAG"],
  ["sign", "Use the Go tool or cosign; s3lo copy --include-referrers takes signatures along"],
  ["stats", "Use the Go tool on the same bucket, or see single images with s3lo inspect REF"],
  ["verify", "Use the Go tool or cosign; s3lo inspect shows which signatures there are"],
]);

/** Commands of the Go tool under their old names, and the later name. */
const OLD_NAMES: ReadonlyMap<string, string> = new Map([
  ["bucket stats", "stats"],
  ["bucket doctor", "doctor"],
  ["bucket clean", "clean"],
  ["security sign", "sign"],
  ["security verify", "verify"],
]);

/** What other tools call what s3lo does, or does not. */
const OTHER_NAMES: ReadonlyMap<string, string> = new Map([
  ["cp", "Use s3lo copy SOURCE TARGET"],
  ["mirror", "Use s3lo copy --all-tags SOURCE TARGET"],
  ["sync", "Use s3lo copy --all-tags SOURCE TARGET"],
  ["ls", "Use s3lo list LOCATION"],
  ["tags", "Use s3lo list REPOSITORY"],
  ["list-tags", "Use s3lo list REPOSITORY"],
  ["catalog", "Use s3lo list HOST/"],
  ["images", "Use s3lo list LOCATION"],
  ["manifest", "Use s3lo inspect --raw REF"],
  ["show", "Use s3lo inspect REF"],
  ["resolve", "Use s3lo digest REF"],
  ["save", "Use s3lo pull --file FILE REF, or s3lo bundle save --file FILE REF... for several images"],
  ["export", "Use s3lo pull --file FILE REF"],
  ["load", "Use s3lo push --file FILE REF, or s3lo bundle load FILE TARGET for a bundle"],
  ["import", "Use s3lo push --file FILE REF"],
  ["login", "Run docker login HOST: s3lo takes what it leaves; for buckets whatever the AWS SDK finds"],
  ["logout", "Run docker logout HOST"],
  ["rm", "Use the Go tool on the same bucket: deleting comes with a later version of s3lo"],
  ["tag", "Use s3lo copy REF NEWREF: within a bucket no byte is moved"],
  ["init", "Leave it out: a bucket or folder needs no preparation"],
  ["bucket init", "Leave it out: a bucket or folder needs no preparation"],
]);

/** The names of the commands that come later, in order. */
export const LATER_NAMES: readonly string[] = [...LATER.keys()];

/**
 * What is known of a command that s3lo does not have: one of the Go tool, or another tool's word for something. Undefined for
 * names that nobody uses. `second` is the word behind it.
 */
export function knownElsewhere(first: string, second = ""): ImageError | undefined {
  const both = `${first} ${second}`;
  const name = OLD_NAMES.get(both) ?? first;
  if (name === "doctor") return doctorOfBucket();
  const later = LATER.get(name);
  if (later !== undefined) {
    return new ImageError("usage", `"s3lo ${name}" comes with a later version`, { hint: later });
  }
  const typed = OTHER_NAMES.has(both) ? both : first;
  const other = OTHER_NAMES.get(typed);
  return other === undefined ? undefined : new ImageError("usage", `Unknown command "${typed}"`, { hint: other });
}

/** What `doctor` of a bucket says for the time being. */
export function doctorOfBucket(): ImageError {
  return new ImageError("usage", "Looking through a whole bucket comes with a later version", {
    hint: "See a single image with s3lo inspect REF, and this machine with s3lo doctor --self",
  });
}
