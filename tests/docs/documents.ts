/** The documents as tests read them: their blocks of code, and the command lines in these. */
import { ROOT } from "../../scripts/source_files.ts";

/** A fenced block of a page. */
export interface Block {
  readonly page: string;
  /** The line on which its text begins. */
  readonly line: number;
  readonly language: string;
  /** What the comment right before it says, for example `run: site`. */
  readonly marker: string | undefined;
  readonly text: string;
}

/** The pages, by their paths from the root. */
export async function pages(): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of Deno.readDir(`${ROOT}/docs`)) if (name.endsWith(".md")) names.push(`docs/${name}`);
  return ["CONTRIBUTING.md", "README.md", "SECURITY.md", ...names.sort()];
}

/** The text of a page. */
export async function pageText(page: string): Promise<string> {
  return await Deno.readTextFile(`${ROOT}/${page}`);
}

/** The fenced blocks of a page, in order. */
export async function blocksOf(page: string): Promise<Block[]> {
  const blocks: Block[] = [];
  let marker: string | undefined;
  let open: { readonly line: number; readonly language: string; readonly lines: string[] } | undefined;
  for (const [index, line] of (await pageText(page)).split("\n").entries()) {
    const fence = line.match(/^\s*```(\S*)/);
    if (open && fence) {
      const { line, language, lines } = open;
      blocks.push({ page, line, language, marker, text: `${lines.join("\n")}\n` });
      [open, marker] = [undefined, undefined];
    } else if (open) open.lines.push(line);
    else if (fence) open = { line: index + 2, language: fence[1]!, lines: [] };
    else if (line.trim() !== "") marker = line.match(/^<!-- (.*) -->$/)?.[1];
  }
  if (open) throw new Error(`${page}:${open.line}: the block has no end`);
  return blocks;
}

/** The one block of a page with a marker. */
export async function blockOf(page: string, marker: string): Promise<Block> {
  const [block, ...others] = (await blocksOf(page)).filter((each) => each.marker === marker);
  if (!block || others.length > 0) throw new Error(`${page} has not one block "${marker}"`);
  return block;
}

/** What a shell would make of a character: nothing but itself, a blank, the end of a command, or a redirection. */
const TOKEN =
  /\s+|#[^\n]*|&&|\|\||[|;&()]|\d?(?:<<<|<<|<|>>|>)(?:&\d)?|(?:'[^']*'|"(?:\\.|[^"\\])*"|\\.|[^\s'"\\|;&()<>])+/gy;

/**
 * The commands of a script, each as its words; redirections, variables that are set for one command, and what a here
 * document holds are left out. Knows what documents write, and no more of the shell.
 */
export function commandsOf(script: string): string[][] {
  const commands: string[][] = [[]];
  let heredocEnd: string | undefined;
  for (const line of script.replaceAll("\\\n", " ").split("\n")) {
    if (heredocEnd !== undefined) {
      if (line === heredocEnd) heredocEnd = undefined;
      continue;
    }
    let redirection: string | undefined;
    commands.push([]);
    for (const [token] of line.matchAll(TOKEN)) {
      if (/^\s/.test(token) || token.startsWith("#")) continue;
      if (/^(?:&&|\|\||[|;&()])$/.test(token)) commands.push([]);
      else if (/^\d?[<>]/.test(token)) redirection = token;
      else if (redirection !== undefined) {
        if (redirection.endsWith("<<")) heredocEnd = unquoted(token);
        redirection = undefined;
      } else if (commands.at(-1)!.length > 0 || !/^[A-Za-z_]\w*=/.test(token)) commands.at(-1)!.push(unquoted(token));
    }
  }
  return commands.filter((words) => words.length > 0);
}

function unquoted(word: string): string {
  return word.replaceAll(
    /'([^']*)'|"((?:\\.|[^"\\])*)"|\\(.)/g,
    (_, single, double, escaped) => single ?? double ?? escaped,
  );
}
