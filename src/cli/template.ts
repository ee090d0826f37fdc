import { clipped, ImageError, printable } from "../errors.ts";
import { suggestion } from "./parse_options.ts";
import { FREE_MEMBERS, REPORT_MEMBERS } from "./report_members.ts";

/** A result as `--format` wants it, ready to be filled in. */
export interface Template {
  /** The text for one value; of a list for each of its items, one a line. */
  render(data: unknown): string;
}

/** Where a value lies below the current one: names, and places in a list. */
type Path = readonly string[];

type Node =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "value"; readonly call: Call }
  | { readonly kind: "range"; readonly path: Path; readonly body: readonly Node[] };

interface Call {
  readonly name: "print" | "json" | "len" | "join";
  readonly path: Path;
  /** What `join` puts between. */
  readonly separator: string;
}

const FORMS = 'Write {{.digest}}, {{json .}}, {{len .layers}}, {{join .tags ", "}}, {{index .annotations "key"}} or ' +
  "{{range .platforms}}{{.platform}} {{end}}";

/**
 * Reads a template: text with members of the result in double braces, named as in the JSON of docs/json.md, or as Go programs
 * would write them (`.MediaType` is `media_type`). `\n` and `\t` stand for a line's end and a tab.
 *
 * Throws `usage` for what is no template, and for names that no result has, before anything is done.
 */
export function parseTemplate(text: string): Template {
  const tokens = [...text.matchAll(/\{\{([^{}]*)\}\}|\{\{|\}\}|(?:(?!\{\{|\}\})[\s\S])+/g)];
  const open: { path: Path; body: Node[] }[] = [];
  const root: Node[] = [];
  for (const [whole, action] of tokens) {
    const body = open.at(-1)?.body ?? root;
    if (action === undefined) {
      if (whole === "{{" || whole === "}}") throw wrong(text, `"${whole}" without its other half`);
      body.push({ kind: "text", text: whole.replaceAll("\\n", "\n").replaceAll("\\t", "\t") });
      continue;
    }
    const words = action.trim();
    const range = /^range\s+(\S+)$/.exec(words)?.[1];
    if (range !== undefined) open.push({ path: parsePath(range, text), body: [] });
    else if (words === "end") {
      const done = open.pop();
      if (!done) throw wrong(text, "{{end}} without a {{range}}");
      (open.at(-1)?.body ?? root).push({ kind: "range", ...done });
    } else body.push({ kind: "value", call: parseCall(words, text) });
  }
  if (open.length > 0) throw wrong(text, "{{range}} without its {{end}}");
  const renderOne = (data: unknown) => {
    const line = fill(root, data, text);
    return line.endsWith("\n") ? line : `${line}\n`;
  };
  return { render: (data) => Array.isArray(data) ? data.map(renderOne).join("") : renderOne(data) };
}

function parseCall(words: string, text: string): Call {
  const [, name = "print", rest = ""] = /^(?:(json|len|join|index)\s+)?(.*)$/s.exec(words) ?? [];
  const parts = [...rest.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)];
  const [first, second] = parts;
  const wants = name === "join" || name === "index" ? 2 : 1;
  if (
    parts.length !== wants || first?.[2] === undefined || (wants === 2 && second?.[1] === undefined && name === "join")
  ) {
    throw wrong(text, `"{{${clipped(words, 60)}}}" is not understood`);
  }
  const path = parsePath(first[2], text);
  const given = second?.[1]?.replaceAll("\\n", "\n").replaceAll("\\t", "\t").replaceAll(/\\(.)/g, "$1") ??
    second?.[2] ?? "";
  if (name === "index") return { name: "print", path: [...path, given], separator: "" };
  return { name: name as Call["name"], path, separator: given };
}

/** `.a.b`, `.platforms.0`, `.`; names that no result has are refused. */
function parsePath(word: string, text: string): Path {
  if (word === ".") return [];
  if (!/^(?:\.[A-Za-z0-9_-]+)+$/.test(word)) {
    throw wrong(text, `"${clipped(word, 60)}" is no member: one begins with a dot`);
  }
  const path = word.slice(1).split(".");
  for (const name of path) {
    if (/^\d+$/.test(name)) continue;
    const known = REPORT_MEMBERS.find((each) => plain(each) === plain(name));
    if (known === undefined) {
      const near = suggestion(plain(name), REPORT_MEMBERS.map(plain));
      const meant = REPORT_MEMBERS.find((each) => near === `Did you mean ${plain(each)}?`);
      throw new ImageError("usage", `Invalid --format: no result has a "${clipped(name, 60)}"`, {
        hint: meant ? `Did you mean .${meant}?` : "See the names with -o json, or in docs/json.md",
      });
    }
    if (FREE_MEMBERS.includes(known)) break; // below it are the image's own names
  }
  return path;
}

function fill(nodes: readonly Node[], data: unknown, text: string): string {
  return nodes.map((node) => {
    if (node.kind === "text") return node.text;
    if (node.kind === "value") return show(node.call, data, text);
    const value = follow(data, node.path);
    if (value === undefined || value === null) return "";
    if (typeof value !== "object") throw wrong(text, `{{range .${node.path.join(".")}}}: it is no list`);
    return Object.values(value).map((item) => fill(node.body, item, text)).join("");
  }).join("");
}

function show(call: Call, data: unknown, text: string): string {
  const value = follow(data, call.path);
  if (call.name === "json") return JSON.stringify(value ?? null);
  if (value === undefined || value === null) return call.name === "len" ? "0" : "";
  const where = `.${call.path.join(".")}`;
  if (call.name === "len") {
    if (typeof value === "string") return String(value.length);
    if (typeof value === "object") return String(Object.keys(value).length);
    throw wrong(text, `{{len ${where}}}: it is neither a list nor a text`);
  }
  if (call.name === "join") {
    if (!Array.isArray(value)) throw wrong(text, `{{join ${where}}}: it is no list`);
    return value.map(plainText).join(call.separator);
  }
  return plainText(value);
}

/** A value as it is printed: texts of one line, lists and objects as JSON. */
function plainText(value: unknown): string {
  return typeof value === "object" && value !== null ? JSON.stringify(value) : printable(String(value ?? ""));
}

/** What lies at a path; undefined where a result leaves that out. */
function follow(data: unknown, path: Path): unknown {
  let current = data;
  for (const name of path) {
    if (typeof current !== "object" || current === null) return undefined;
    const members = current as Readonly<Record<string, unknown>>;
    const key = Object.hasOwn(members, name) ? name : Object.keys(members).find((each) => plain(each) === plain(name));
    current = key === undefined ? undefined : members[key];
  }
  return current;
}

/** A name without what differs between the ways to write it: `MediaType`, `media_type`, `mediatype`. */
function plain(name: string): string {
  return name.replaceAll(/[_-]/g, "").toLowerCase();
}

function wrong(text: string, why: string): ImageError {
  return new ImageError("usage", `Invalid --format "${clipped(text)}": ${why}`, { hint: FORMS });
}
