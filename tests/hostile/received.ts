/** Stores and layouts as somebody hostile would hand them over: what can lie in them, and what changes while they are used. */
import { setImmediate } from "node:timers";
import { digestOf } from "../../src/oci/digest.ts";
import type { Random } from "../support/images.ts";
import { pick } from "../soak/schedule.ts";

/** Users that files belong to: root and nobody. Owners of files are given by root alone. */
export const NOBODY = 65534;

/** Where things can be put: places of folders, and of files. */
export interface Places {
  readonly folders: readonly string[];
  readonly files: readonly string[];
}

/** The places of a store that has an image's blobs. */
export function storePlaces(hexes: readonly string[], image: string, tags: readonly string[]): Places {
  return {
    folders: [
      ...[".s3lo", ".s3lo/tmp", ".s3lo/partial", "blobs", "blobs/sha256", "manifests", `manifests/${image}`],
      ...tags.map((tag) => `manifests/${image}/${tag}`),
      ...["lost+found", "recipes", "chunks/sha256", "manifests/loop", "elsewhere"],
    ],
    files: [
      ...[".s3lo/lock", "s3lo.yaml", `.s3lo/tmp/7-${crypto.randomUUID()}`, "notes"],
      ...hexes.flatMap((hex) => [`blobs/sha256/${hex}`, `blobs/sha256/${hex}`, `.s3lo/partial/${hex}`]),
      ...tags.map((tag) => `manifests/${image}/${tag}/manifest.json`),
    ],
  };
}

/** The places of a layout, or of a folder with archives in it. */
export function layoutPlaces(hexes: readonly string[], names: readonly string[]): Places {
  return {
    folders: ["blobs", "blobs/sha256", "blobs/sha512"],
    files: [
      ...["oci-layout", "index.json", ".index.json.s3lo-0123abcd", ".oci-layout.0123abcd"],
      ...hexes.flatMap((hex) => [`blobs/sha256/${hex}`, `.s3lo-partial-${hex}`, `blobs/sha256/.${hex}.s3lo-0123abcd`]),
      ...names.flatMap((name) => [`.${name}.s3lo-0123abcd`]),
    ],
  };
}

/** What is put into a folder: made beforehand, since a name can be moved to its place at any moment. */
export class Stash {
  readonly #folder: string;
  /** Contents that were put somewhere, so that nobody takes them for what s3lo wrote. */
  readonly contents = new Set<string>();
  #count = 0;

  /** `nodes`: a folder with a `pipe` and a `socket`; `links`: with links to everything worth leading to. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Makes something at a new path of the stash and gives the path. `kind` says what; owner and mode are drawn. */
  async make(
    random: Random,
    nodes: string,
    { isFolder, owner }: { isFolder: boolean; owner: number },
  ): Promise<string> {
    const path = `${this.#folder}/${this.#count++}`;
    const links = isFolder ? FOLDER_LINKS : FILE_LINKS;
    switch (random.next(10)) {
      case 0:
        await Deno.link(`${nodes}/pipe`, path);
        break;
      case 1:
        await Deno.link(`${nodes}/socket`, path);
        break;
      case 2:
      case 3:
        await this.#file(path, random, owner);
        break;
      case 4:
        await Deno.mkdir(path);
        break;
      default:
        // A second name of a link is the link itself.
        await Deno.link(`${nodes}/${pick(random, links)}`, path);
    }
    return path;
  }

  /** A free path of the stash, for what is taken out. */
  free(): string {
    return `${this.#folder}/${this.#count++}`;
  }

  /** A file of drawn bytes: no blob has its length. */
  async #file(path: string, random: Random, owner: number): Promise<void> {
    const bytes = random.bytes(1 + random.next(3) * 50_021);
    this.contents.add(digestOf(bytes));
    await Deno.writeFile(path, bytes);
    if (Deno.uid() === 0) await Deno.chown(path, random.next(3) === 0 ? NOBODY - owner : owner, null);
    await Deno.chmod(path, pick(random, [0o644, 0o666, 0o444, 0o600, 0o000]));
  }
}

const FILE_LINKS = [
  "to file",
  "to nothing",
  "to circle",
  "to hex",
  "to index",
  "to marker",
  "to folder",
  "to inside",
  "to pipe",
];
const FOLDER_LINKS = ["to folder", "to below", "to sha256", "to nothing", "to circle", "to up", "to file"];

/** Where each link of {@linkcode Stash} leads; `canary` and `other` are folders outside, `hex` the digits of a blob. */
export function linkTargets(canary: string, other: string, hex: string): ReadonlyMap<string, string> {
  return new Map([
    ["to file", `${canary}/file`],
    ["to nothing", `${other}/nothing there`],
    ["to circle", "to circle"],
    ["to hex", `${other}/${hex}`],
    ["to index", `${canary}/index.json`],
    ["to marker", `${other}/oci-layout`],
    ["to folder", canary],
    ["to below", `${other}/below`],
    ["to sha256", `${canary}/below/sha256`],
    ["to up", ".."],
    ["to inside", "../../s3lo.yaml"],
    ["to pipe", `${canary}/../nodes/pipe`],
  ]);
}

/** One thing that is put in place of another. */
export interface Move {
  readonly at: string;
  /** What is put there. */
  readonly from: string;
  /** Where that goes which was there. */
  readonly out: string;
  /** How long after the one before: in milliseconds, or in turns of the event loop, to come between any two steps. */
  readonly wait: { readonly ms: number } | { readonly turns: number };
}

/** Puts things in place of others while somebody works: at drawn moments, until it is stopped. */
export class Swapper {
  #isStopped = false;
  /** How many took place. */
  swaps = 0;

  constructor(moves: readonly Move[]) {
    if (moves.length > 0) void this.#run(moves);
  }

  stop(): void {
    this.#isStopped = true;
  }

  async #run(moves: readonly Move[]): Promise<void> {
    for (const move of moves) {
      const { wait } = move;
      if ("ms" in wait) await new Promise((resolve) => setTimeout(resolve, wait.ms));
      else for (let turns = wait.turns; turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve));
      if (this.#isStopped) return;
      if (swap(move)) this.swaps++;
    }
  }
}

/** Puts one thing in place of another; what is outside must not be changed by this either. */
export function swap({ at, from, out }: Pick<Move, "at" | "from" | "out">): boolean {
  const folder = at.slice(0, at.lastIndexOf("/"));
  try {
    if (Deno.realPathSync(folder) !== folder) return false;
  } catch {
    return false;
  }
  try {
    Deno.renameSync(at, out);
  } catch {
    // Nothing is there yet; what is put there meets whoever makes it.
  }
  try {
    Deno.renameSync(from, at);
    return true;
  } catch {
    return false;
  }
}
