/** What a terminal shows: the part of one that the program's output needs. */
export class TerminalScreen {
  readonly columns: number;
  readonly rows: number;
  readonly #lines: string[] = [""];
  /** Lines from here on are on the screen; those before have scrolled away. */
  #top = 0;
  #row = 0;
  #column = 0;

  constructor(columns: number, rows: number) {
    this.columns = columns;
    this.rows = rows;
  }

  /** Everything that was shown and stayed, scrolled away or not, without blank lines at the end. */
  get text(): string {
    return this.#lines.map((line) => line.trimEnd()).join("\n").trimEnd();
  }

  /** Takes what a program writes. Throws at a sequence that it does not know. */
  write(output: string): void {
    for (let rest = output; rest !== "";) {
      // deno-lint-ignore no-control-regex
      const escape = /^\x1b\[(\d*)([AJK])/.exec(rest);
      if (escape) {
        this.#command(escape[2]!, Number(escape[1] || 0));
        rest = rest.slice(escape[0].length);
        continue;
      }
      const character = String.fromCodePoint(rest.codePointAt(0)!);
      if (character === "\x1b") throw new Error(`unknown sequence ${JSON.stringify(rest.slice(0, 10))}`);
      this.#put(character);
      rest = rest.slice(character.length);
    }
  }

  #command(letter: string, number: number): void {
    if (letter === "A") this.#row = Math.max(this.#row - (number || 1), this.#top);
    else if (letter === "K" && number === 2) this.#lines[this.#row] = "";
    else throw new Error(`unknown sequence ${number}${letter}`);
  }

  #put(character: string): void {
    if (character === "\r") this.#column = 0;
    else if (character === "\n") this.#next();
    else {
      if (this.#column === this.columns) {
        this.#column = 0;
        this.#next();
      }
      const line = this.#lines[this.#row]!.padEnd(this.#column);
      this.#lines[this.#row] = line.slice(0, this.#column) + character + line.slice(this.#column + 1);
      this.#column++;
    }
  }

  #next(): void {
    this.#row++;
    this.#lines[this.#row] ??= "";
    this.#top = Math.max(this.#top, this.#row - this.rows + 1);
  }
}
