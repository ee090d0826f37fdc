import type { Wait } from "../bytes/retry.ts";
import { printable } from "../errors.ts";
import type { Phase } from "../archive/phase.ts";
import { count, formatDuration, formatSize, formatSizes } from "./text.ts";
import { waitNotes } from "./wait_notes.ts";

const DOING = {
  exporting: "Exporting",
  reading: "Reading",
  unpacking: "Unpacking",
  compressing: "Compressing",
} as const;

/** What goes on where no bytes move: what is waited for, and what is prepared. */
export class Activity {
  readonly #note: (text: string) => void;
  readonly #sayWait: (wait: Wait) => void;
  readonly #now: () => number;
  #isShown = false;
  #waits: (Wait & { readonly sinceMs: number })[] = [];
  #step: { readonly text: string; readonly sinceMs: number } | undefined;
  /** Steps of one kind, by what they work on: layers are compressed several at once. */
  readonly #phases = new Map<string, Phase>();

  /** `note` gets what no display shows. */
  constructor(note: (text: string) => void, now: () => number = () => performance.now()) {
    this.#note = note;
    this.#sayWait = waitNotes(note, now);
    this.#now = now;
  }

  /** Whether a display is there that shows it. */
  set isShown(isShown: boolean) {
    this.#isShown = isShown;
  }

  /** A server is waited for. */
  readonly wait = (wait: Wait): void => {
    if (!this.#isShown) return this.#sayWait(wait);
    const sinceMs = this.#now();
    this.#waits = [...this.#waits.filter(({ host }) => host !== wait.host), { ...wait, sinceMs }];
  };

  /** Something is prepared that takes its time; told again and again while it goes on. */
  readonly phase = (phase: Phase): void => {
    const { kind } = phase;
    const isNewKind = [...this.#phases.values()].every((each) => each.kind !== kind);
    if (isNewKind) this.#phases.clear();
    const isNew = !this.#phases.has(phase.name);
    this.#phases.set(phase.name, phase);
    if (isNew && !this.#isShown) this.#note(`${DOING[kind]} ${phase.name}`);
    const sinceMs = isNewKind ? this.#now() : this.#step?.sinceMs ?? this.#now();
    this.#step = { text: phaseText(kind, [...this.#phases.values()]), sinceMs };
  };

  /** The copy is at a step where no bytes move. */
  begin(text: string): void {
    this.#phases.clear();
    this.#step = { text: printable(text), sinceMs: this.#now() };
  }

  /** Bytes move. */
  end(): void {
    this.#phases.clear();
    this.#step = undefined;
    this.#waits = [];
  }

  /** One line of it; undefined when there is nothing to say. */
  get text(): string | undefined {
    const now = this.#now();
    this.#waits = this.#waits.filter(({ sinceMs, waitMs }) => now < sinceMs + waitMs);
    const wait = this.#waits.at(-1);
    if (wait) {
      const left = formatDuration(Math.max(wait.sinceMs + wait.waitMs - now, 0), { isRough: true });
      return printable(`Waiting for ${wait.host}, up to ${left}: ${wait.reason}`);
    }
    const step = this.#step;
    if (!step) return undefined;
    const elapsedMs = now - step.sinceMs;
    return elapsedMs < 1000 ? step.text : `${step.text}, ${formatDuration(elapsedMs, { isRough: true })}`;
  }
}

function phaseText(kind: Phase["kind"], phases: readonly Phase[]): string {
  const what = phases.length === 1 ? phases[0]!.name : count(phases.length, kind === "compressing" ? "layer" : "file");
  const doneBytes = phases.reduce((sum, phase) => sum + phase.doneBytes, 0);
  const totalBytes = phases.reduce((sum, phase) => sum + (phase.totalBytes ?? NaN), 0);
  const sizes = totalBytes > 0 ? formatSizes(Math.min(doneBytes, totalBytes), totalBytes) : formatSize(doneBytes);
  return printable(`${DOING[kind]} ${what}${doneBytes > 0 ? `  ${sizes}` : ""}`);
}
