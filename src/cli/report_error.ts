import { ImageError, messageOf } from "../errors.ts";
import { printable } from "./text.ts";

/** The exit code of a failure: 2 for wrong usage, 1 for everything else. */
export function exitCodeOf(error: unknown): number {
  return error instanceof ImageError && (error.code === "usage" || error.code === "invalid-reference") ? 2 : 1;
}

/** What stderr gets of a failure: one line, a second one with the next step, and with `debug` where it came from. */
export function errorLines(error: unknown, prefix = "", debug = false): string {
  const denied = permissionDenied(error);
  const message = denied ?? oneLine(messageOf(error) || "Unknown failure");
  const hint = error instanceof ImageError ? error.hint : undefined;
  const lines = [`Error: ${prefix}${message}`];
  if (hint) lines.push(`  ${oneLine(hint)}`);
  if (debug) lines.push(...causes(error));
  else if (!(error instanceof ImageError) && !denied) {
    lines.push("  This is a fault of s3lo; --debug shows where it comes from");
  }
  return `${printable(lines.join("\n"))}\n`;
}

/** What the runtime refused, in words: somebody runs s3lo with fewer permissions than the command needs. */
function permissionDenied(error: unknown): string | undefined {
  for (let current = error; current instanceof Error; current = current.cause) {
    if (!(current instanceof Deno.errors.NotCapable)) continue;
    const needed = /Requires (\w+) access to "?([^",]*)/.exec(current.message);
    const [, kind = "more", what = ""] = needed ?? [];
    return `Not permitted: this needs ${kind} access${what ? ` to ${what}` : ""} (see docs/permissions.md)`;
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
