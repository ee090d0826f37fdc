/**
 * Writes the table of docs/permissions.md from what the program is compiled with.
 *
 *   deno task permissions
 */
import { CREDENTIAL_HELPERS, permissionFlags, permissionGrants } from "../src/cli/permissions.ts";
import { ROOT } from "./source_files.ts";

const START = "<!-- table -->";
const END = "<!-- end of table -->";

/** The table as Markdown, one row for each permission. */
export function permissionsTable(): string {
  const rows = permissionGrants("linux").map(({ name, only, why, modules, givenUp }) => {
    const granted = name === "run" ? "the credential helpers below, and the shell" : only?.join(", ") ?? "all";
    return [`\`--allow-${name}\``, granted, why, modules.map((module) => `\`${module}\``).join(", "), givenUp];
  });
  const head = ["permission", "for", "why", "used by", "given up"];
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]!.length)));
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column]!)).join(" | ")} |`;
  const helpers = CREDENTIAL_HELPERS.map((name) => `\`docker-credential-${name}\``).join(", ");
  return [
    line(head),
    `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`,
    ...rows.map(line),
    "",
    `Credential helpers: ${helpers}.`,
    "",
    "From source, with the same permissions:",
    "",
    "```sh",
    `deno install --global --name s3lo ${permissionFlags(permissionGrants("linux")).join(" ")} jsr:@s3lo/cli`,
    "```",
  ].join("\n");
}

if (import.meta.main) {
  const path = `${ROOT}/docs/permissions.md`;
  const text = await Deno.readTextFile(path);
  const [before = "", after = ""] = [text.split(START)[0], text.split(END)[1]];
  await Deno.writeTextFile(path, `${before}${START}\n\n${permissionsTable()}\n\n${END}${after}`);
}
