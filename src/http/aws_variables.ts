import { ImageError } from "../errors.ts";

/** Variables that name an AWS identity and place, without any character that is no part of their text. */
const VARIABLES = [
  "AWS_ACCESS_KEY_ID",
  "AWS_SECRET_ACCESS_KEY",
  "AWS_SESSION_TOKEN",
  "AWS_REGION",
  "AWS_DEFAULT_REGION",
  "AWS_ENDPOINT_URL",
  "AWS_ENDPOINT_URL_S3",
] as const;

/**
 * Makes sure that none of AWS's variables holds a blank or a line break, as those have that were filled from a file: they
 * would go into headers, and fail there in ways that name nothing. Throws `unauthorized`.
 */
export function checkAwsVariables(env: (name: string) => string | undefined): void {
  for (const name of VARIABLES) {
    const value = env(name) ?? "";
    // deno-lint-ignore no-control-regex
    if (!/[\u0000-\u0020\u007f]/.test(value)) continue;
    const what = /[\r\n]/.test(value) ? "a line break" : /[ \t]/.test(value) ? "a blank" : "a control character";
    throw new ImageError("unauthorized", `Cannot use ${name}: it holds ${what}`, {
      hint: `Set ${name} again without it`,
    });
  }
}
