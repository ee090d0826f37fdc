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
  if (format === "json") return `${JSON.stringify(data, null, 2)}\n`;
  if (format === "yaml") return (await import("yaml")).stringify(data, { aliasDuplicateObjects: false, lineWidth: 0 });
  return printable(text());
}
