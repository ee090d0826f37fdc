/** What a scenario is. */
import type { Lab, Side } from "./lab.ts";
import type { Command } from "./measure.ts";
import type { PayloadName } from "./payloads.ts";
import type { Seeds } from "./seeds.ts";
import type { ToolName, Tools } from "./tools.ts";

/** Whom a row of the result is about: a tool, or something to compare with. */
export type Contestant = ToolName | "empty program";

/** One measured run, prepared. */
export interface Attempt {
  /** The servers that the command talks to, for wires. */
  readonly hosts?: Readonly<Record<Side, string>>;
  /** Prepares what depends on the wires; called when they are laid. */
  readonly before?: () => Promise<void>;
  /** Makes the command; called when the wires are laid. */
  readonly command: () => Command;
  /** Takes away what the run made. */
  readonly finish?: () => Promise<void>;
}

/** A scenario with everything set up for one payload. */
export interface Stage extends AsyncDisposable {
  readonly contestants: readonly Contestant[];
  prepare(contestant: Contestant): Promise<Attempt>;
}

/** What a stage is set up from. */
export interface StageContext {
  readonly lab: Lab;
  readonly tools: Tools;
  readonly seeds: Seeds;
}

/** Something that s3lo and its rivals do. */
export interface Scenario {
  readonly name: string;
  readonly about: string;
  readonly payloads: readonly PayloadName[];
  readonly needsEngine?: boolean;
  /** Runs that are too short to be told by one each: so many times more rounds. */
  readonly roundsFactor?: number;
  open(context: StageContext): Promise<Stage>;
}
