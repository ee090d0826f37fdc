import type { CommandSpec } from "./command.ts";
import { COPY } from "./commands/copy.ts";
import { INSPECT } from "./commands/inspect.ts";
import { LIST } from "./commands/list.ts";
import { VERSION_COMMAND } from "./commands/version.ts";

/** Every command, in the order of the help. */
export const COMMANDS: readonly CommandSpec[] = [COPY, INSPECT, LIST, VERSION_COMMAND];
