/** Reads CHANGELOG.md, whose sections are the texts of releases. */

/**
 * The text below the heading of a version (`## [0.2.0] - 2026-12-01`), or of `Unreleased`, without the heading.
 *
 * @throws {Error} where there is no such section, or nothing in it
 */
export function changelogSection(text: string, version: string): string {
  const lines = text.split(/\r?\n/);
  const isHeading = (line: string) => line.startsWith("## ");
  const start = lines.findIndex((line) => isHeading(line) && line.slice(3).startsWith(`[${version}]`));
  if (start < 0) throw new Error(`CHANGELOG.md has no section "## [${version}]": write what is new in this version`);
  const length = lines.slice(start + 1).findIndex(isHeading);
  const section = lines.slice(start + 1, length < 0 ? undefined : start + 1 + length).join("\n").trim();
  if (section === "") throw new Error(`The section "## [${version}]" of CHANGELOG.md is empty`);
  return `${section}\n`;
}
