/**
 * Whether a thread could load this module. A file has to be readable and there (a program that was bundled into a few files
 * has none), which is asked beforehand, because a thread that fails to load says so on stderr whatever its owner does. A
 * module of any other place, as of JSR, came with the program that asks, and only a file has a path to ask about.
 */
export async function isThreadModule(module: URL): Promise<boolean> {
  if (module.protocol !== "file:") return true;
  const { state } = await Deno.permissions.query({ name: "read", path: module });
  return state === "granted" && await Deno.stat(module).then(({ isFile }) => isFile, () => false);
}
