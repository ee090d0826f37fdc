/** Runs what documents show, as a person would: in a shell, with `s3lo` on PATH. */
import assert from "node:assert/strict";
import { programCommand } from "../cli/program.ts";
import type { Block } from "./documents.ts";

/** A name in a document, and what stands in its place. */
export type Replaced = readonly (readonly [name: string, own: string])[];

/** Where and as whom a script is run. */
export interface Surroundings {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
}

/** Makes `s3lo` in a folder that exists, and gives the PATH that begins with it. */
export async function pathWithProgram(folder: string): Promise<string> {
  const program = programCommand().map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(" ");
  await Deno.writeTextFile(`${folder}/s3lo`, `#!/bin/sh\nexec ${program} "$@"\n`, { mode: 0o755 });
  return `${folder}:${Deno.env.get("PATH")}`;
}

/** Runs a block as it stands but for the names that are replaced, and gives its stdout. It must succeed. */
export async function runBlock(block: Block, { cwd, env }: Surroundings, replaced: Replaced): Promise<string> {
  const script = replaced.reduce((text, [name, own]) => text.replaceAll(name, own), block.text);
  const { code, stdout, stderr } = await new Deno.Command("bash", {
    args: ["-euo", "pipefail", "-c", script],
    stdin: "null",
    cwd,
    env: { NO_COLOR: "1", ...env },
  }).output();
  const decoder = new TextDecoder();
  assert.equal(code, 0, `${block.page}:${block.line}: ${script}\n${decoder.decode(stderr)}`);
  return decoder.decode(stdout);
}
