/** Links, pipes and sockets for tests, which Deno alone makes only with rights that tests do not have. */
import { createServer } from "node:net";
import { socketPath } from "./sockets.ts";

/** Makes a symbolic link. */
export async function makeLink(to: string, at: string): Promise<void> {
  await run('ln -s -- "$1" "$2"', to, at);
}

/** Makes a named pipe. */
export async function makePipe(at: string): Promise<void> {
  await run('mkfifo -- "$1"', at);
}

/** Makes a socket; somebody listens there until it is disposed. Its path may be longer than a socket's can. */
export async function makeSocket(at: string): Promise<Disposable> {
  const made = await socketPath();
  const server = createServer().listen(made);
  await new Promise((resolve) => server.once("listening", resolve));
  await Deno.rename(made, at);
  return { [Symbol.dispose]: () => void server.close() };
}

async function run(script: string, ...args: readonly string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command("sh", { args: ["-c", script, "sh", ...args] }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
}
