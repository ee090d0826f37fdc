import { fileFailure } from "../bytes/file_failure.ts";
import { systemCode } from "../bytes/system_code.ts";
import { ImageError, isImageError, messageOf } from "../errors.ts";

/**
 * Turns a failure of the file system into an error for a person; `action` reads on from "Cannot".
 *
 * Codes: `not-found`, `denied`, `unsupported` (full disk, quota, file too large, name too long), `conflict` (a file where a
 * folder should be, or the other way round), else `unavailable`. An {@linkcode ImageError} is returned as it is.
 */
export function localError(error: unknown, action: string, folder: string): ImageError {
  if (isImageError(error)) return error;
  const options = { cause: error };
  const failure = fileFailure(error);
  if (failure) {
    const { code, why, hint } = failure;
    return new ImageError(code, `Cannot ${action} in "${folder}": ${why}`, { ...options, hint });
  }
  if (systemCode(error) === "ENOENT") {
    return new ImageError("not-found", `Cannot ${action} in "${folder}": it is not there`, options);
  }
  if (error instanceof Deno.errors.NotCapable) {
    return new ImageError("denied", `Cannot ${action} in "${folder}": the runtime was not given that permission`, {
      ...options,
      hint: `Run with --allow-read and --allow-write for "${folder}"`,
    });
  }
  return new ImageError("unavailable", `Cannot ${action} in "${folder}": ${messageOf(error)}`, options);
}
