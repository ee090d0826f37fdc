/** The program as another user: `child.ts USER ARGUMENT…`. What it loads later is loaded before it may read little. */
import process from "node:process";
import { main } from "../../src/cli/main.ts";
import "../../src/api.ts";
import { loadSettings } from "./world.ts";

const LATER = [
  "commands/copy.ts",
  "commands/list.ts",
  "commands/pull.ts",
  "transports/bucket_source.ts",
  "transports/bucket_target.ts",
  "transports/oci_archive.ts",
  "transports/oci_layout.ts",
  "objects/open_local_store.ts",
];
await loadSettings();
for (const module of LATER) await import(new URL(`../../src/${module}`, import.meta.url).href);

const [user = "0", ...args] = Deno.args;
if (user !== "0") {
  process.setegid?.(Number(user));
  process.seteuid?.(Number(user));
}
Deno.exit(await main(args));
