/** Files outside of a store that nothing done to the store may touch, and a look at everything about them. */
import { lstat, readlink } from "node:fs/promises";
import { digestOf } from "../../src/oci/digest.ts";

/** Makes files in a folder that look like what s3lo removes or replaces in its own folders, long untouched. */
export async function makeCanary(folder: string, hexes: readonly string[]): Promise<void> {
  await Deno.mkdir(`${folder}/below/sha256`, { recursive: true });
  const names = [
    "file",
    "index.json",
    "oci-layout",
    "s3lo.yaml",
    "lock",
    "manifest.json",
    "below/file",
    `7-${crypto.randomUUID()}`,
    ".index.json.s3lo-0123abcd",
    ...hexes.flatMap((hex) => [hex, `.s3lo-partial-${hex}`, `below/sha256/${hex}`]),
  ];
  const longAgo = new Date(Date.now() - 90 * 24 * 3600 * 1000);
  for (const name of names) {
    await Deno.writeTextFile(`${folder}/${name}`, `canary ${name}`);
    await Deno.utime(`${folder}/${name}`, longAgo, longAgo);
  }
}

/** Everything about the files of a folder but when they were read: names, contents, owners, modes, times, second names. */
export async function lookAtCanary(folder: string): Promise<string[]> {
  const seen: string[] = [];
  const look = async (path: string) => {
    const { dev, ino, mode, uid, gid, nlink, size, mtimeNs, ctimeNs } = await lstat(path, { bigint: true });
    const facts = [dev, ino, mode, uid, gid, nlink, size, mtimeNs, ctimeNs].join(" ");
    const type = await Deno.lstat(path);
    if (type.isDirectory) {
      seen.push(`${path}/ ${facts}`);
      const names = (await Array.fromAsync(Deno.readDir(path))).map(({ name }) => name);
      for (const name of names.sort()) await look(`${path}/${name}`);
    } else {
      const content = type.isSymlink ? await readlink(path) : type.isFile ? digestOf(await Deno.readFile(path)) : "";
      seen.push(`${path} ${facts} ${content}`);
    }
  };
  await look(folder);
  return seen;
}
