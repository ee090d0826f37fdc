/**
 * Whether a thread could load this module: it may be read, and it is there (a program that was bundled into a few files has
 * none). Asked beforehand, because a thread that fails to load says so on stderr whatever its owner does.
 */
export async function isThreadModule(module: URL): Promise<boolean> {
  const { state } = await Deno.permissions.query({ name: "read", path: module });
  return state === "granted" && await Deno.stat(module).then(({ isFile }) => isFile, () => false);
}
