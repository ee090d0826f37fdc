import { displayWidth, type TerminalSize } from "./progress_lines.ts";
import type { NoteStream } from "./standard_streams.ts";

/** What decides whether a live display is shown. */
export interface ScreenFacts {
  readonly isTerminal: boolean;
  /** A variable of the environment. */
  readonly env: (name: string) => string | undefined;
}

/** Whether lines can be drawn anew: not where TERM says that it is a plain printer, nor in a log of a build. */
export function drawsLive({ isTerminal, env }: ScreenFacts): boolean {
  const isBuild = !["", "0", "false"].includes(env("CI")?.toLowerCase() ?? "");
  return isTerminal && env("TERM") !== "dumb" && !isBuild;
}

/** The terminal behind stderr: a block of lines at its end that is drawn anew, and text that comes above it. */
export class Screen {
  readonly #notes: NoteStream;
  readonly #size: () => TerminalSize;
  #lines: readonly string[] = [];

  /** Draws nothing yet. */
  constructor(notes: NoteStream, size: () => TerminalSize) {
    this.#notes = notes;
    this.#size = size;
  }

  /** The terminal's size as it is now. */
  get size(): TerminalSize {
    return this.#size();
  }

  /** Writes text that stays, above the block. Never throws. */
  print(text: string): void {
    this.#notes.write(`${this.#up()}${text}${this.#block()}`);
  }

  /** Shows a block of lines in place of the one before. */
  show(lines: readonly string[]): void {
    // A terminal that takes nothing for the moment gets the newest block later.
    if (this.#notes.isBehind) return;
    const up = this.#up();
    this.#lines = lines;
    if (up !== "" || lines.length > 0) this.#notes.write(`${up}${this.#block()}`);
  }

  /** Takes the block away. */
  clear(): void {
    const up = this.#up();
    this.#lines = [];
    if (up !== "") this.#notes.write(up);
  }

  /**
   * Goes to where the block begins and wipes it, and what a user has typed below (`^C`). A terminal that got narrower has
   * broken its lines in two. Line by line: some terminals keep what is wiped at once with the whole screen.
   */
  #up(): string {
    if (this.#lines.length === 0) return "";
    const { columns } = this.#size();
    const height = this.#lines.reduce((sum, line) => sum + Math.max(1, Math.ceil(displayWidth(line) / columns)), 0);
    return `\r\x1b[2K${"\x1b[1A\x1b[2K".repeat(height)}`;
  }

  #block(): string {
    return this.#lines.map((line) => `${line}\n`).join("");
  }
}
