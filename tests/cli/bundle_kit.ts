/** What the tests of bundles have in common. */
import { multiImage } from "../support/images.ts";
import { tempFolder, writeStore } from "./places.ts";

// The same seed gives the first image's shared layer and its first platform's layer to the others too.
/** Three platforms and their attestations. */
export const app = multiImage({ seed: 31, layerBytes: 150_000, attestations: true });
/** Two platforms; the first two layers of one are those of `app`. */
export const db = multiImage({
  seed: 31,
  layerBytes: 150_000,
  layersPerPlatform: 3,
  platforms: ["linux/amd64", "linux/s390x"],
});
/** A later `app`. */
export const newer = multiImage({ seed: 31, layerBytes: 150_000, layersPerPlatform: 4 });

/** A store with the images, and bundles of them in the same folder. */
export async function prepared(): Promise<
  AsyncDisposable & { path: string; refs: string[]; ref: (name: string) => string }
> {
  const folder = await tempFolder();
  await writeStore(`${folder.path}/src`, "team/app", "v1", app);
  await writeStore(`${folder.path}/src`, "db", "v2", db);
  await writeStore(`${folder.path}/src`, "team/app", "v2", newer);
  const ref = (name: string) => `local://${folder.path}/src//${name}`;
  return { ...folder, ref, refs: [ref("team/app:v1"), ref("db:v2")] };
}

/** The names of the files in a tar. */
export async function tarNames(path: string): Promise<string[]> {
  const { stdout } = await new Deno.Command("tar", { args: ["tf", path], stdout: "piped" }).output();
  return new TextDecoder().decode(stdout).trim().split("\n");
}

/** Flips one bit of a file. */
export async function flipByte(path: string, position: number): Promise<void> {
  using file = await Deno.open(path, { read: true, write: true });
  const byte = new Uint8Array(1);
  await file.seek(position, Deno.SeekMode.Start);
  await file.read(byte);
  byte[0]! ^= 1;
  await file.seek(position, Deno.SeekMode.Start);
  await file.write(byte);
}

/** Whether there is a file or folder. */
export async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}
