import { ImageError, messageOf, printable, printableLines } from "../errors.ts";
import { systemProblem } from "../bytes/system_errors.ts";

/** What helps those whose credential helper is none of those that s3lo may start. */
const RUN_HINT =
  "Run docker login without that helper, pass --username and --password-stdin, or see docs/permissions.md";

/** What helps those who name a device or a descriptor. */
const SPECIAL_HINT =
  "Name a file, a pipe or /dev/null, or - for standard input or output: other special files stay closed";

/** The exit code of a failure: 2 for wrong usage, 1 for everything else. */
export function exitCodeOf(error: unknown): number {
  return error instanceof ImageError && (error.code === "usage" || error.code === "invalid-reference") ? 2 : 1;
}

/** What stderr gets of a failure: one line, a second one with the next step, and with `debug` where it came from. */
export function errorLines(error: unknown, prefix = "", debug = false): string {
  const known = permissionDenied(error) ?? (error instanceof ImageError ? undefined : systemProblem(error));
  const message = known?.message ?? oneLine(messageOf(error) || "Unknown failure");
  const hint = known !== undefined ? known.hint : error instanceof ImageError ? error.hint : undefined;
  const lines = [printable(`Error: ${prefix}${message}`)];
  if (hint) lines.push(printable(`  ${oneLine(hint)}`));
  if (debug) lines.push(...causes(error));
  else if (!(error instanceof ImageError) && !known) {
    lines.push("  This is a bug in s3lo; --debug shows where it comes from");
  }
  return `${printableLines(lines.join("\n"))}\n`;
}

/** What the runtime refused, in words: somebody runs s3lo with fewer permissions than the command needs. */
function permissionDenied(error: unknown): { readonly message: string; readonly hint?: string } | undefined {
  for (let current = error; current instanceof Error; current = current.cause) {
    if (!(current instanceof Deno.errors.NotCapable)) continue;
    const needed = /Requires (\w+) access to "?([^",]*)/.exec(current.message);
    const [, kind = "more", what = ""] = needed ?? [];
    // What lies in /dev, /proc and /sys the runtime keeps from every program that may not do just anything.
    if (kind === "all") {
      const message = error instanceof ImageError ? oneLine(error.message) : `Cannot open "${what}": permission denied`;
      return { message, hint: SPECIAL_HINT };
    }
    return {
      message: `Not permitted: this needs ${kind} access${what ? ` to ${what}` : ""} (see docs/permissions.md)`,
      ...(kind === "run" ? { hint: RUN_HINT } : {}),
    };
  }
  return undefined;
}

function oneLine(text: string): string {
  return text.replaceAll(/\s*\n\s*/g, "; ");
}

function causes(error: unknown): string[] {
  const lines: string[] = [];
  for (let current = error; current instanceof Error; current = current.cause) {
    lines.push(current.stack ?? String(current));
  }
  return lines;
}
