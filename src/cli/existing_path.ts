import { ImageError, messageOf } from "../errors.ts";

/** Failures of a registry that may come of a name that was meant to be a path. */
const CODES: readonly string[] = ["not-found", "unauthorized", "denied", "unavailable"];

/**
 * The same failure, with a better hint where an operand that was read as an image of Docker Hub is also the name of a file or
 * folder here: a valid name of an image stays one, and only a failure makes the other meaning likely.
 */
export async function withPathHint(error: unknown, operands: readonly string[]): Promise<unknown> {
  if (!(error instanceof ImageError) || !CODES.includes(error.code)) return error;
  // Which operand the error is about is told nowhere else; a wrong guess costs a hint.
  const words = messageOf(error);
  for (const operand of operands) {
    // A colon or an @ makes it a name, as does a registry's host.
    if (!/^[a-z0-9][a-z0-9._/-]*$/.test(operand) || !words.includes(`"${operand}`)) continue;
    const info = await Deno.stat(operand).catch(() => undefined);
    if (!info) continue;
    const hint = info.isDirectory
      ? `Write oci:${operand} or local://${operand}//IMAGE:TAG if the folder of that name is meant`
      : `Write oci-archive:${operand} or docker-archive:${operand} if the file of that name is meant`;
    return new ImageError(error.code, error.message, { hint, cause: error.cause ?? error });
  }
  return error;
}
