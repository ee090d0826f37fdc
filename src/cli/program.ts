import type { CommandSpec } from "./command.ts";
import { BUNDLE_LIST, BUNDLE_LOAD, BUNDLE_SAVE } from "./commands/bundle.ts";
import { completeCommand, COMPLETION } from "./commands/completion.ts";
import { COPY } from "./commands/copy.ts";
import { DIGEST } from "./commands/digest.ts";
import { DOCTOR } from "./commands/doctor.ts";
import { helpCommand } from "./commands/help.ts";
import { INDEX_ADD, INDEX_CREATE, INDEX_REMOVE } from "./commands/index.ts";
import { INSPECT } from "./commands/inspect.ts";
import { LIST } from "./commands/list.ts";
import { PULL } from "./commands/pull.ts";
import { PUSH } from "./commands/push.ts";
import { VERSION_COMMAND } from "./commands/version.ts";

/** Every command, in the order of the help. */
export const COMMANDS: readonly CommandSpec[] = [
  COPY,
  PULL,
  PUSH,
  INSPECT,
  DIGEST,
  LIST,
  INDEX_CREATE,
  INDEX_ADD,
  INDEX_REMOVE,
  BUNDLE_SAVE,
  BUNDLE_LOAD,
  BUNDLE_LIST,
  DOCTOR,
  COMPLETION,
  VERSION_COMMAND,
  helpCommand(() => COMMANDS),
  completeCommand(() => COMMANDS),
];
