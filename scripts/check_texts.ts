/** Fails on texts that the source must not have: rules of the house that no linter knows. */
import { programFiles, report, ROOT } from "./source_files.ts";

interface Rule {
  readonly pattern: RegExp;
  /** Where the text is allowed, as the start of a path. */
  readonly except: readonly string[];
  readonly why: string;
  /** How often it may occur in all files together. */
  readonly limit?: number;
}

const RULES: readonly Rule[] = [
  {
    // Not after a slash, nor in the registry's client: `/v2/app/blobs/…` is an address and no path of a store.
    pattern: /(?<![\w/])blobs\//g,
    except: ["src/registry/"],
    limit: 1,
    why: "paths of blobs are built by blobPath() alone",
  },
  {
    pattern: /\bmessage\??\.(?:includes|startsWith|endsWith|match|search|indexOf)\b|\.test\(\s*\w+\.message\b/g,
    except: [],
    why: "branch on the code of an error, never on its text",
  },
  { pattern: /\bconsole\s*\./g, except: ["src/cli/"], why: "only src/cli prints" },
  {
    pattern: /\b(?:Deno|process)\s*\.\s*(?:stdout|stderr)\b/g,
    except: ["src/cli/", "main.ts"],
    why: "only src/cli prints",
  },
  {
    pattern: /\bDeno\.(?:args|exit|exitCode)\b|\bprocess\.(?:argv|exit|exitCode)\b/g,
    except: ["src/cli/", "main.ts"],
    why: "only src/cli knows arguments and exit codes",
  },
  { pattern: /\b(?:not implemented|unimplemented|TODO|FIXME)\b/gi, except: [], why: "finish it or leave it out" },
];

/** A source file by its path from the root. */
export interface SourceText {
  readonly path: string;
  readonly text: string;
}

/** One line for each text that is wrong; empty when all is well. */
export function textComplaints(files: readonly SourceText[]): string[] {
  const complaints: string[] = [];
  for (const { pattern, except, why, limit = 0 } of RULES) {
    const found = files.filter(({ path }) => !except.some((start) => path.startsWith(start))).flatMap((file) => {
      const code = withoutComments(file.text);
      return [...code.matchAll(pattern)].map((match) => {
        const line = code.slice(0, match.index).split("\n").length;
        return `${file.path}:${line}: "${match[0]}": ${why}`;
      });
    });
    if (found.length > limit) complaints.push(...found);
  }
  return complaints;
}

/** What must be told apart from comments (strings, templates, regular expressions after an operator), and comments. */
const TOKENS = new RegExp(
  [
    /\/\*[\s\S]*?\*\//,
    /\/\/[^\n]*/,
    /"(?:\\.|[^"\\\n])*"/,
    /'(?:\\.|[^'\\\n])*'/,
    /`(?:\\[\s\S]|[^`\\])*`/,
    /(?<=[(,=:[!&|?{};]\s*|\breturn\s+)\/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\//,
  ].map((token) => token.source).join("|"),
  "g",
);

/** The source with blanks for comments; lines keep their numbers, strings and templates stay. */
export function withoutComments(source: string): string {
  return source.replace(TOKENS, (text) => /^\/[*/]/.test(text) ? text.replace(/[^\n]/g, " ") : text);
}

if (import.meta.main) {
  const files: SourceText[] = [];
  for (const path of await programFiles(ROOT)) files.push({ path, text: await Deno.readTextFile(`${ROOT}/${path}`) });
  report("texts", textComplaints(files));
}
