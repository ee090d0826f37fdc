import { ImageError, isImageError, messageOf } from "../errors.ts";

/** The system's name of a failure, like `ENOENT`; undefined for anything else. */
export function systemCode(error: unknown): string | undefined {
  const code = error instanceof Error ? (error as { code?: unknown }).code : undefined;
  return typeof code === "string" ? code : undefined;
}

/** Whether a path, or a folder on the way to it, is not there. */
export function isMissing(error: unknown): boolean {
  return systemCode(error) === "ENOENT" || systemCode(error) === "ENOTDIR";
}

/**
 * Turns a failure of the file system into an error for a person; `action` reads on from "Cannot".
 *
 * Codes: `not-found`, `denied`, `unsupported` (full disk, quota, file too large), `conflict` (a file where a folder should
 * be, or the other way round), else `unavailable`. An {@linkcode ImageError} is returned as it is.
 */
export function localError(error: unknown, action: string, folder: string): ImageError {
  if (isImageError(error)) return error;
  const options = { cause: error };
  switch (systemCode(error)) {
    case "ENOENT":
      return new ImageError("not-found", `Cannot ${action} in "${folder}": it is not there`, options);
    case "ENOSPC":
    case "EDQUOT":
      return new ImageError("unsupported", `Cannot ${action} in "${folder}": the disk is full`, {
        ...options,
        hint: `Free space on the file system of "${folder}" or choose another folder`,
      });
    case "EFBIG":
      return new ImageError("unsupported", `Cannot ${action} in "${folder}": the file system takes no file so large`, {
        ...options,
        hint: "Choose a folder on a file system that takes large files",
      });
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return new ImageError("denied", `Cannot ${action} in "${folder}": the system denies it`, {
        ...options,
        hint: `Check who owns "${folder}" and whether it is writable`,
      });
    case "EEXIST":
    case "EISDIR":
    case "ENOTDIR":
    case "ENOTEMPTY":
      return new ImageError("conflict", `Cannot ${action} in "${folder}": a file or folder is in the way`, options);
  }
  if (error instanceof Deno.errors.NotCapable) {
    return new ImageError("denied", `Cannot ${action} in "${folder}": the runtime was not given that permission`, {
      ...options,
      hint: `Run with --allow-read and --allow-write for "${folder}"`,
    });
  }
  return new ImageError("unavailable", `Cannot ${action} in "${folder}": ${messageOf(error)}`, options);
}
