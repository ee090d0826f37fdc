/** Results: medians of runs, ratios, and the table that people read. */
import type { Side } from "./lab.ts";
import type { Cost } from "./measure.ts";
import type { Contestant } from "./scenario.ts";
import type { Traffic } from "./wire.ts";

/** What one contestant needed for one scenario; the medians of its rounds. */
export interface Row {
  readonly tool: Contestant;
  readonly rounds: number;
  readonly wallMs: number;
  readonly cpuMs: number;
  readonly rssMib: number;
  readonly writtenMib: number;
  /** Of one run; a server that is both sides is listed as the source. */
  readonly traffic: Readonly<Partial<Record<Side, Traffic>>>;
  /** Wall and processor time by those of the best rival: the least that any other tool needed. */
  readonly wallRatio?: number;
  readonly cpuRatio?: number;
}

/** One scenario with one payload over one network. */
export interface Result {
  readonly scenario: string;
  readonly about: string;
  readonly payload: string;
  readonly profile: string;
  readonly rows: readonly Row[];
}

/** All of one run of the bench. */
export interface Report {
  /** RFC 3339. */
  readonly date: string;
  readonly commit: string;
  /** Cores and processor; no name of the machine. */
  readonly machine: string;
  /** Load average of the last minute when it began and when it ended: others on the machine blur small differences. */
  readonly load: readonly [number, number];
  readonly results: readonly Result[];
}

/** The middle of some numbers; of two in the middle their mean. */
export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((left, right) => left - right);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The row of a contestant's runs, without ratios. */
export function rowOf(tool: Contestant, costs: readonly Cost[], traffic: Row["traffic"]): Row {
  const middle = (of: (cost: Cost) => number) => median(costs.map(of));
  const mib = (bytes: number) => bytes / 1024 / 1024;
  return {
    tool,
    rounds: costs.length,
    wallMs: middle((cost) => cost.wallMs),
    cpuMs: middle((cost) => cost.cpuMs),
    rssMib: mib(Math.max(...costs.map((cost) => cost.rssBytes))),
    writtenMib: mib(middle((cost) => cost.writtenBytes)),
    traffic,
  };
}

/** Rows with their ratios to the best of the others. */
export function withRatios(rows: readonly Row[]): readonly Row[] {
  return rows.map((row) => {
    const others = rows.filter((other) => other.tool !== row.tool);
    if (others.length === 0) return row;
    return {
      ...row,
      wallRatio: row.wallMs / Math.min(...others.map((other) => other.wallMs)),
      cpuRatio: row.cpuMs / Math.min(...others.map((other) => Math.max(other.cpuMs, 1))),
    };
  });
}

/** A result as lines of text, in columns. */
export function resultLines({ about, payload, profile, rows }: Result): string[] {
  const head = ["", "wall s", "ratio", "cpu s", "ratio", "rss MiB", "disk MiB", "requests", "MB from", "MB to"];
  const lines = rows.map((row) => [
    row.tool,
    seconds(row.wallMs),
    ratio(row.wallRatio),
    seconds(row.cpuMs),
    ratio(row.cpuRatio),
    row.rssMib.toFixed(0),
    row.writtenMib.toFixed(1),
    requests(row.traffic),
    megabytes(row.traffic, "receivedBytes"),
    megabytes(row.traffic, "sentBytes"),
  ]);
  const widths = head.map((_, column) => Math.max(...[head, ...lines].map((line) => line[column]!.length)));
  const format = (line: readonly string[]) =>
    line.map((cell, column) => column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)).join("  ");
  return [`${about}: ${payload} (${profile}, ${rows[0]?.rounds ?? 0} rounds)`, format(head), ...lines.map(format), ""];
}

/** Milliseconds as seconds. */
export function seconds(ms: number): string {
  return (ms / 1000).toFixed(ms < 1000 ? 3 : 2);
}

function ratio(value: number | undefined): string {
  return value === undefined ? "" : value.toFixed(2);
}

/** Requests of source and target: `12+30`. */
export function requests(traffic: Row["traffic"]): string {
  return Object.values(traffic).map((side) => side.requests).join("+");
}

function megabytes(traffic: Row["traffic"], member: "sentBytes" | "receivedBytes"): string {
  return Object.values(traffic).map((side) => (side[member] / 1e6).toFixed(1)).join("+");
}
