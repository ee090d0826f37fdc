import { ImageError, printableData, printableLines } from "../errors.ts";
import type { OptionValues } from "./command.ts";
import type { Template } from "./template.ts";

/** The formats of a result; a template is the user's own. */
export type OutputFormat = "text" | "json" | "yaml" | { readonly template: string };

/** Whether a value of `--format` is a template. */
export function isTemplateText(text: string): boolean {
  return text.includes("{{") || text.includes("}}");
}

/** The format that `--output` or `--format` asks for. */
export function outputFormat(options: OptionValues): OutputFormat {
  const template = options.values("format").filter(isTemplateText).at(-1);
  return template === undefined ? (options.value("output") ?? "text") as OutputFormat : { template };
}

/** Refuses a template that is wrong, before anything is done, and one beside another format. Throws `usage`. */
export async function checkFormat(options: OptionValues): Promise<void> {
  const format = outputFormat(options);
  if (typeof format === "string") return;
  if (options.origin("output") === "--output") throw new ImageError("usage", "Pass --output or --format, not both");
  await readTemplate(format.template);
}

async function readTemplate(text: string): Promise<Template> {
  return (await import("./template.ts")).parseTemplate(text);
}

/**
 * A result in the asked format: `text` renders it for people, the others give `data` with stable names.
 *
 * `text` gets the data with all that could steer a terminal or forge a line made visible; it makes lines of that and of
 * nothing else that comes from outside.
 */
export async function render<T>(format: OutputFormat, data: T, text: (data: T) => string): Promise<string> {
  // What could steer a terminal becomes an escape of the format: readers of the document see the same text.
  if (format === "json") return `${printableLines(JSON.stringify(data, null, 2))}\n`;
  if (format === "yaml") return await yaml(data);
  if (format === "text") return printableLines(text(printableData(data)));
  return printableLines((await readTemplate(format.template)).render(data));
}

async function yaml(data: unknown): Promise<string> {
  const { stringify } = await import("yaml");
  const options = { aliasDuplicateObjects: false, lineWidth: 0 } as const;
  const plain = stringify(wellFormed(data), options);
  if (printableLines(plain) === plain) return plain;
  // Only quoted texts have escapes.
  return printableLines(
    stringify(wellFormed(data), { ...options, defaultStringType: "QUOTE_DOUBLE", defaultKeyType: "QUOTE_DOUBLE" }),
  );
}

/** Texts without halves of surrogate pairs, for which YAML has no form, not even an escape. */
function wellFormed(data: unknown): unknown {
  if (typeof data === "string") return data.toWellFormed();
  if (Array.isArray(data)) return data.map(wellFormed);
  if (typeof data !== "object" || data === null) return data;
  return Object.fromEntries(Object.entries(data).map(([name, value]) => [name.toWellFormed(), wellFormed(value)]));
}
