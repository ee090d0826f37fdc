import { systemProblem } from "../bytes/system_errors.ts";
import { ImageError, messageOf } from "../errors.ts";

/** What became of a step that may fail. */
export type Attempted<T> = { readonly value: T } | { readonly error: ImageError };

/** Runs a step among many: a failure is given back instead of thrown, so that the others go on; a stop is thrown. */
export async function attempt<T>(step: () => Promise<T>): Promise<Attempted<T>> {
  try {
    return { value: await step() };
  } catch (error) {
    if (!(error instanceof ImageError)) {
      const known = systemProblem(error);
      const hint = known?.hint ?? "This is a bug in s3lo; run the command for this image alone, with --debug";
      return { error: new ImageError("unavailable", known?.message ?? messageOf(error), { cause: error, hint }) };
    }
    if (error.code === "aborted") throw error;
    return { error };
  }
}
