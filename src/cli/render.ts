import type { OptionValues } from "./command.ts";
import { printable } from "./text.ts";

/** The formats of a result. */
export type OutputFormat = "text" | "json" | "yaml";

/** The format that `--output` asks for. */
export function outputFormat(options: OptionValues): OutputFormat {
  return (options.value("output") ?? "text") as OutputFormat;
}

/** A result in the asked format: `text` renders it for people, the others give `data` with stable names. */
export async function render(format: OutputFormat, data: unknown, text: () => string): Promise<string> {
  // What could steer a terminal becomes an escape of the format: readers of the document see the same text.
  if (format === "json") return `${printable(JSON.stringify(data, null, 2))}\n`;
  if (format === "yaml") return await yaml(data);
  return printable(text());
}

async function yaml(data: unknown): Promise<string> {
  const { stringify } = await import("yaml");
  const options = { aliasDuplicateObjects: false, lineWidth: 0 } as const;
  const plain = stringify(data, options);
  if (printable(plain) === plain) return plain;
  // Only quoted texts have escapes.
  return printable(stringify(data, { ...options, defaultStringType: "QUOTE_DOUBLE", defaultKeyType: "QUOTE_DOUBLE" }));
}
