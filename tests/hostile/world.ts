/** What outlives a round of the fuzz: good images, files outside that must stay as they are, and who runs. */
import process from "node:process";
import { readSettings } from "../../src/bucket/settings.ts";
import type { ObjectStore } from "../../src/objects/object_store.ts";
import { hexOf } from "../../src/oci/digest.ts";
import { Session } from "../../src/transports/session.ts";
import { writeStore } from "../cli/places.ts";
import { multiImage, singleImage } from "../support/images.ts";
import { makeLink, makePipe, makeSocket } from "../support/special_files.ts";
import { lookAtCanary, makeCanary } from "./canary.ts";
import { linkTargets, NOBODY } from "./received.ts";
import { bundleSaveCommand, copyCommand } from "../support/by_text.ts";

const HOST = { os: "linux", architecture: "amd64" };

/** Everything that outlives a round. */
export class World implements AsyncDisposable {
  readonly folder: string;
  readonly images = new Map([
    ["multi", multiImage({ seed: 1, layersPerPlatform: 1, layerBytes: 20_000 })],
    ["single", singleImage({ os: "linux", architecture: "s390x" }, { seed: 2, compression: "zstd" })],
    ["large", singleImage(HOST, { seed: 3, layersPerPlatform: 1, layerBytes: 9 * 1024 * 1024, compression: "none" })],
  ]);
  readonly canaries: readonly string[];
  readonly nodes: readonly string[];
  readonly #socket: Disposable[] = [];

  constructor(folder: string) {
    this.folder = folder;
    this.canaries = [`${folder}/canary`, `${folder}/canary of nobody`];
    this.nodes = [`${folder}/nodes`, `${folder}/nodes of nobody`];
  }

  static async make(): Promise<World> {
    const world = new World(await Deno.realPath(await Deno.makeTempDir({ prefix: "s3lo-hostile-" })));
    await Deno.chmod(world.folder, 0o755);
    await loadSettings();
    await using session = new Session();
    for (const [tag, image] of world.images) {
      await writeStore(`${world.folder}/good`, "app", tag, image);
      const source = `local://${world.folder}/good//app:${tag}`;
      await copyCommand(session, source, `oci-archive:${world.folder}/${tag}.tar:app:${tag}`);
      await copyCommand(session, source, `oci:${world.folder}/layout:app:${tag}`);
    }
    const bundled = ["single", "multi"].map((tag) => `local://${world.folder}/good//app:${tag}`);
    await bundleSaveCommand(session, `${world.folder}/bundle.tar`, bundled);
    const hexes = world.hexes;
    for (const [index, canary] of world.canaries.entries()) {
      await makeCanary(canary, hexes);
      const nodes = world.nodes[index]!;
      await Deno.mkdir(nodes);
      await makePipe(`${nodes}/pipe`);
      world.#socket.push(await makeSocket(`${nodes}/socket`));
      const links = linkTargets(world.canaries[0]!, world.canaries[1]!, hexes[0]!);
      for (const [name, to] of links) await makeLink(to, `${nodes}/${name}`);
    }
    if (Deno.uid() === 0) {
      await handOver(world.canaries[1]!, NOBODY);
      await handOver(world.nodes[1]!, NOBODY);
    }
    return world;
  }

  get hexes(): readonly string[] {
    return [...this.images.values()].flatMap(({ blobs }) => [...blobs.keys()].map(hexOf));
  }

  async look(): Promise<string[]> {
    return (await Promise.all(this.canaries.map(lookAtCanary))).flat();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#socket) socket[Symbol.dispose]();
    await Deno.remove(this.folder, { recursive: true });
  }
}

/** Gives a folder and all that is in it to a user, links as links. */
export async function handOver(path: string, user: number): Promise<void> {
  const { lchown } = await import("node:fs/promises");
  await lchown(path, user, user);
  if (!(await Deno.lstat(path)).isDirectory) return;
  for await (const { name } of Deno.readDir(path)) await handOver(`${path}/${name}`, user);
}

/** Whether rounds can take place as somebody who may do little: as root, who can become nobody and root again. */
export async function canBeNobody(folder: string): Promise<boolean> {
  if (Deno.build.os !== "linux" || Deno.uid() !== 0 || !process.seteuid || !process.setegid) return false;
  // Folders on the way that only root may pass through, as a test run's own.
  for (let path = folder; path !== ""; path = path.slice(0, path.lastIndexOf("/"))) {
    const mode = await Deno.stat(path).then((found) => found.mode, () => null);
    const isOpen = mode === null || (mode & 0o001) !== 0;
    if (!isOpen && !await Deno.chmod(path, (mode & 0o777) | 0o011).then(() => true, () => false)) return false;
  }
  return true;
}

/** Loads what is loaded only once a store has settings: the next user may not read it. */
export async function loadSettings(): Promise<void> {
  const bytes = new TextEncoder().encode("default: {}\n") as Uint8Array<ArrayBuffer>;
  const read = () => Promise.resolve({ bytes, etag: "" });
  await readSettings({ read } as unknown as ObjectStore);
}

/** Who the process is, for as long as the scope lasts. */
export function become(user: number): Disposable {
  if (user === 0) return { [Symbol.dispose]: () => {} };
  process.setegid!(user);
  process.seteuid!(user);
  return {
    [Symbol.dispose]() {
      process.seteuid!(0);
      process.setegid!(0);
    },
  };
}
