import { ImageError } from "../errors.ts";
import type { Collection, Location } from "../oci/location.ts";
import type { OptionSpec, OptionValues } from "./command.ts";

/** How objects are stored in a bucket; for commands that write to one. */
export const STORAGE_OPTIONS: readonly OptionSpec[] = [
  {
    name: "storage-class",
    value: "CLASS",
    help:
      "S3 storage class of what blobs are written (default: INTELLIGENT_TIERING on AWS, elsewhere the server's own)",
  },
  {
    name: "sse-kms-key-id",
    value: "KEY",
    help: "Encrypt everything that is written to the bucket with this KMS key: its id, ARN or alias",
  },
];

/** For commands by which a server may copy between its buckets. */
export const VERIFY_OPTION: OptionSpec = {
  name: "verify",
  help: "Read and hash what one server would copy between buckets by itself, before anything refers to it",
};

/** Classes whose objects cannot be read before somebody has them restored. */
const ARCHIVES: readonly string[] = ["GLACIER", "DEEP_ARCHIVE"];

/**
 * Checks what the command line says of {@linkcode STORAGE_OPTIONS} for a target, before anything is opened. Which classes
 * and keys there are is the server's to know: one that it does not take ends the command when it says so.
 *
 * Throws `usage`.
 */
export function checkStorageOptions(options: OptionValues, target: Location | Collection): void {
  const [storageClass, key] = [options.value("storage-class"), options.value("sse-kms-key-id")];
  for (const name of ["storage-class", "sse-kms-key-id"]) {
    // What the environment says holds for buckets, and hinders nobody who writes elsewhere.
    if (options.origin(name) !== `--${name}` || target.kind === "s3") continue;
    throw new ImageError("usage", `--${name} is for buckets, and "${target.text}" is none`, {
      hint: "Leave it out, or write to s3://bucket/…",
    });
  }
  if (storageClass !== undefined) checkStorageClass(storageClass, options.origin("storage-class"));
  if (key !== undefined && !/^[\x21-\x7e]{1,2048}$/.test(key)) {
    throw new ImageError("usage", `Invalid --sse-kms-key-id "${key}": expected a key's id, its ARN, or alias/NAME`);
  }
}

/** Checks the name of a storage class; `origin` says in the error where it stands. Throws `usage`. */
export function checkStorageClass(storageClass: string, origin = "--storage-class"): void {
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(storageClass)) {
    throw new ImageError("usage", `Invalid ${origin} "${storageClass}": expected a name like STANDARD_IA`);
  }
  if (ARCHIVES.includes(storageClass.toUpperCase())) {
    throw new ImageError(
      "usage",
      `Cannot use ${origin} ${storageClass}: what lies there cannot be read at once`,
      {
        hint: "Use GLACIER_IR, which can be read like any other",
      },
    );
  }
  if (/^[a-z0-9_]+$/.test(storageClass)) {
    throw new ImageError("usage", `Invalid ${origin} "${storageClass}": classes are written in capitals`, {
      hint: `Write ${storageClass.toUpperCase()}`,
    });
  }
}
