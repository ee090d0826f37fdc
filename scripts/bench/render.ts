/**
 * Writes the newest results of the history between the markers of docs/bench.md.
 *
 *   deno task bench:table
 */
import { ROOT } from "../source_files.ts";
import { type Report, requests, type Result, type Row, seconds } from "./results.ts";

/** The file that keeps every run that was asked to be kept: one report per line, the oldest first. */
const HISTORY_PATH = `${ROOT}/docs/bench_history.jsonl`;

/** The page that shows the newest results. */
const PAGE_PATH = `${ROOT}/docs/bench.md`;

const START = "<!-- bench -->";
const END = "<!-- /bench -->";

async function readHistory(): Promise<readonly Report[]> {
  const text = await Deno.readTextFile(HISTORY_PATH);
  return text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line) as Report);
}

/** Adds a report to the history. */
export async function appendHistory(report: Report): Promise<void> {
  await Deno.writeTextFile(HISTORY_PATH, `${JSON.stringify(report)}\n`, { append: true });
}

/** The newest result of each scenario, payload and network, in the order in which they first came. */
export function newestResults(history: readonly Report[]): readonly (Result & { readonly date: string })[] {
  const newest = new Map<string, Result & { readonly date: string }>();
  for (const { date, results } of history) {
    for (const result of results) {
      newest.set(`${result.scenario} ${result.payload} ${result.profile}`, { ...result, date });
    }
  }
  return [...newest.values()];
}

/** The table in Markdown, with the machine and the days of the runs above it. */
export function markdownTable(history: readonly Report[]): string {
  const results = newestResults(history);
  const days = [...new Set(results.map(({ date }) => date.slice(0, 10)))].sort();
  const lines = results.flatMap((result) => {
    const own = result.rows.find((row) => row.tool === "s3lo");
    if (!own) return [];
    const rivals = result.rows.filter((row) => row.tool !== "s3lo").toSorted((left, right) =>
      left.wallMs - right.wallMs
    );
    const cells = [
      `${result.about}, ${result.payload}${result.profile === "lan" ? "" : ` (${result.profile})`}`,
      cost(own),
      `${own.rssMib.toFixed(0)} MiB`,
      requests(own.traffic) || "–",
      rivals[0] ? `${rivals[0].tool} ${cost(rivals[0])}` : "–",
      own.wallRatio === undefined ? "–" : own.wallRatio.toFixed(2),
    ];
    return [`| ${cells.join(" | ")} |`];
  });
  return [
    `${history.at(-1)?.machine ?? ""}; measured ${
      days.join(", ")
    }. Time as wall / processor seconds; servers and clients`,
    "share the machine, so ratios count, not seconds. `far`: 20 ms and 25 MB/s for each connection.",
    "",
    "| what | s3lo | memory | requests | best rival | ratio |",
    "| --- | --- | --- | --- | --- | --- |",
    ...lines,
  ].join("\n");
}

/** The text with what is between the markers replaced. Throws when there are none. */
export function renderInto(text: string, table: string): string {
  const start = text.indexOf(START);
  const end = text.indexOf(END);
  if (start < 0 || end < start) throw new Error(`There is no ${START} … ${END} to write between`);
  return `${text.slice(0, start + START.length)}\n\n${table}\n\n${text.slice(end)}`;
}

function cost(row: Row): string {
  return `${seconds(row.wallMs)} / ${seconds(row.cpuMs)} s`;
}

if (import.meta.main) {
  const history = await readHistory();
  await Deno.writeTextFile(PAGE_PATH, renderInto(await Deno.readTextFile(PAGE_PATH), markdownTable(history)));
}
