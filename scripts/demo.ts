/**
 * Shows the main job end to end with no network and no service: makes a small real image of seven platforms, copies it
 * from store to store with all platforms, inspects it, copies one platform out, and verifies every digest itself.
 *
 *   deno task demo      works in the folder demo/, which it removes first
 */
import { nextSteps } from "./demo/next_steps.ts";
import { verifyStore } from "./demo/verify_store.ts";
import { demoImage, writeStore } from "./demo_image.ts";
import { ROOT } from "./source_files.ts";

const PLATFORM = "linux/arm64";

/** What the command line may do in the demo. */
const PERMISSIONS = ["--no-prompt", "--allow-env", "--allow-read=.", "--allow-write=demo"];

function say(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

/** Runs the command line as a user would, showing the command. */
async function s3lo(...args: string[]): Promise<void> {
  say(`\n$ s3lo ${args.join(" ")}`);
  const command = new Deno.Command(Deno.execPath(), { args: ["run", ...PERMISSIONS, "main.ts", ...args], cwd: ROOT });
  const { code } = await command.spawn().status;
  if (code !== 0) throw new Error(`s3lo ${args[0]} ended with ${code}`);
}

/** Verifies what a copy wrote and says so. */
async function verify(store: string, tag: string, root: string | undefined): Promise<void> {
  const found = await verifyStore(`${ROOT}/demo/${store}`, "hello", tag);
  if (found.root !== root) throw new Error(`demo/${store} holds ${found.root}, not ${root}`);
  say(
    `verified demo/${store}: ${found.root} and ${found.reached} blobs (${found.sizeBytes} bytes), every digest right`,
  );
}

async function main(): Promise<void> {
  await Deno.remove(`${ROOT}/demo`, { recursive: true }).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
  const image = demoImage();
  await writeStore(image, `${ROOT}/demo/source`, "hello", "v1");
  say(`made demo/source: ${[...image.platforms.keys()].join(", ")}`);
  await verify("source", "v1", image.root.digest);

  await s3lo("copy", "local://./demo/source//hello:v1", "local://./demo/store//hello:v1");
  await verify("store", "v1", image.root.digest);

  await s3lo("inspect", "local://./demo/store//hello:v1");

  await s3lo("copy", "--platform", PLATFORM, "local://./demo/store//hello:v1", "local://./demo/single//hello:arm64");
  await verify("single", "arm64", image.platforms.get(PLATFORM));
  say(`\n${nextSteps()}`);
}

if (import.meta.main) {
  try {
    await main();
  } catch (error) {
    say(`demo failed: ${error instanceof Error ? error.message : String(error)}`);
    Deno.exit(1);
  }
}
