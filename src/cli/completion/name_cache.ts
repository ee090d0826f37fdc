import { tryLockFile } from "../../bytes/file_lock.ts";
import { cacheFolder, type Env, join, processEnv } from "../settings/user_folders.ts";

/** How long names are taken for right without asking again. */
export const FRESH_MS = 60_000;

/** How long they are shown at all; older than fresh they are asked for anew meanwhile. */
const USEFUL_MS = 10 * 60_000;

/** How long a failed look-up is not tried again. */
const FAILED_MS = 30_000;

/** Most names of one bucket, and most buckets, that are remembered. */
const MAX_NAMES = 20_000;
const MAX_FILES = 64;

/** Largest file that is read. */
const MAX_FILE_BYTES = 4 * 1024 * 1024;

/** A bucket, and as who it is looked at where. */
export interface NamePlace {
  readonly bucket: string;
  readonly endpoint?: string | undefined;
  readonly profile?: string | undefined;
}

/** What is remembered of a bucket. */
export interface KnownNames {
  /** Images and tags: `team/app:v1`. */
  readonly names: readonly string[];
  /** Whether they are all, and asked for just now; otherwise somebody should ask again. */
  readonly isFresh: boolean;
  /** Whether asking failed just now, so that asking again is of no use yet. */
  readonly recentlyFailed: boolean;
}

interface CacheFile {
  readonly version: 1;
  /** When all names were asked for, in milliseconds since 1970; 0 when they never were. */
  readonly askedAt: number;
  /** When it was written last. */
  readonly at: number;
  readonly failed?: true;
  readonly names: readonly string[];
}

/**
 * The names of images in buckets, remembered for completion in the user's cache folder. Files are opened at once and written
 * in place, so that a command which has given up writing can still remember what it saw, and nothing else.
 *
 * Nothing here throws: without a home, or on a full disk, nothing is remembered.
 */
export class NameCache implements Disposable {
  readonly #files: ReadonlyMap<string, Deno.FsFile>;

  private constructor(files: ReadonlyMap<string, Deno.FsFile>) {
    this.#files = files;
  }

  /** Opens what is remembered of these buckets, and makes room where too many are. */
  static async open(
    places: readonly NamePlace[],
    env: Env = processEnv,
    os: string = Deno.build.os,
  ): Promise<NameCache> {
    const files = new Map<string, Deno.FsFile>();
    const names: string[] = [];
    try {
      const home = cacheFolder(os, env);
      const folder = home && join(os, home, "completion");
      if (folder !== undefined && places.length > 0 && await isOwnFolder(folder)) {
        for (const place of places) {
          const name = await fileName(place, env);
          names.push(name);
          if (!files.has(keyOf(place))) files.set(keyOf(place), await openOwnFile(join(os, folder, name)));
        }
        await removeOldest(folder, os, names);
      }
    } catch { /* read-only, full, or somebody else's */ }
    return new NameCache(files);
  }

  /** What is remembered of a bucket; undefined when it is nothing, or too old. */
  async read(place: NamePlace): Promise<KnownNames | undefined> {
    const file = this.#files.get(keyOf(place));
    const known = file && await readFile(file);
    const isWithin = (time: number, spanMs: number) => Math.abs(Date.now() - time) < spanMs;
    if (!known || !isWithin(known.at, USEFUL_MS)) return undefined;
    return {
      names: known.names,
      isFresh: isWithin(known.askedAt, FRESH_MS),
      recentlyFailed: known.failed === true && isWithin(known.at, FAILED_MS),
    };
  }

  /** Remembers names: all that a bucket has, or some that it has too. */
  async keep(place: NamePlace, names: readonly string[], isAll: boolean): Promise<void> {
    await this.#change(place, (known) => ({
      version: 1,
      at: Date.now(),
      askedAt: isAll ? Date.now() : known?.askedAt ?? 0,
      names: isAll || !known ? names : [...new Set([...known.names, ...names])],
    }));
  }

  /** Remembers that a look-up failed, so that not every Tab tries it again. */
  async keepFailure(place: NamePlace): Promise<void> {
    await this.#change(place, (known) => ({
      version: 1,
      at: Date.now(),
      askedAt: known?.askedAt ?? 0,
      failed: true,
      names: known?.names ?? [],
    }));
  }

  /** Runs a look-up unless another process runs it already, or nothing could be remembered of it. */
  async alone(place: NamePlace, lookUp: () => Promise<void>): Promise<void> {
    const file = this.#files.get(keyOf(place));
    if (!file || await tryLockFile(file).catch(() => "busy") !== "locked") return;
    try {
      await lookUp();
    } finally {
      await file.unlock().catch(() => {});
    }
  }

  /** Closes the files. */
  [Symbol.dispose](): void {
    for (const file of this.#files.values()) file.close();
  }

  async #change(place: NamePlace, change: (known: CacheFile | undefined) => CacheFile): Promise<void> {
    const file = this.#files.get(keyOf(place));
    // Whoever holds the lock is about to write what it saw just now.
    if (!file || await tryLockFile(file).catch(() => "busy") !== "locked") return;
    try {
      const next = change(await readFile(file));
      const text = JSON.stringify({ ...next, names: next.names.slice(0, MAX_NAMES) });
      // Whoever reads meanwhile finds no whole document and asks the bucket.
      await file.truncate(0);
      await file.seek(0, Deno.SeekMode.Start);
      const bytes = new TextEncoder().encode(text);
      for (let written = 0; written < bytes.byteLength;) written += await file.write(bytes.subarray(written));
    } catch { /* a full disk is no reason to be without names */ }
  }
}

function keyOf({ bucket, endpoint, profile }: NamePlace): string {
  return JSON.stringify([bucket, endpoint, profile]);
}

/** A file's name tells nothing of the bucket. Another identity may see other names. */
async function fileName({ bucket, endpoint, profile }: NamePlace, env: Env): Promise<string> {
  const key = JSON.stringify([
    bucket,
    endpoint ?? env("AWS_ENDPOINT_URL_S3") ?? env("AWS_ENDPOINT_URL") ?? "",
    profile ?? env("AWS_PROFILE") ?? "",
    env("AWS_ACCESS_KEY_ID") ?? "",
  ]);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(key)));
  return `${Array.from(digest.subarray(0, 16), (byte) => byte.toString(16).padStart(2, "0")).join("")}.json`;
}

/** Makes the folder; one that is a link, or that others may write to, is left alone. */
async function isOwnFolder(folder: string): Promise<boolean> {
  await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
  const { isDirectory, mode } = await Deno.lstat(folder);
  return isDirectory && ((mode ?? 0) & 0o022) === 0;
}

async function openOwnFile(path: string): Promise<Deno.FsFile> {
  const info = await Deno.lstat(path).catch(() => undefined);
  if (info && !info.isFile) throw new Error("no file");
  return await Deno.open(path, { read: true, write: true, create: true, mode: 0o600 });
}

async function removeOldest(folder: string, os: string, kept: readonly string[]): Promise<void> {
  const found: { readonly path: string; readonly time: number }[] = [];
  for await (const entry of Deno.readDir(folder)) {
    if (!entry.isFile || !/^[0-9a-f]{32}\.json$/.test(entry.name) || kept.includes(entry.name)) continue;
    const path = join(os, folder, entry.name);
    found.push({ path, time: (await Deno.stat(path)).mtime?.getTime() ?? 0 });
  }
  const surplus = found.length + kept.length - MAX_FILES;
  if (surplus <= 0) return;
  const oldest = found.toSorted((left, right) => left.time - right.time).slice(0, surplus);
  for (const { path } of oldest) await Deno.remove(path);
}

async function readFile(file: Deno.FsFile): Promise<CacheFile | undefined> {
  try {
    const { size } = await file.stat();
    if (size === 0 || size > MAX_FILE_BYTES) return undefined;
    await file.seek(0, Deno.SeekMode.Start);
    const bytes = new Uint8Array(size);
    let length = 0;
    while (length < size) {
      const count = await file.read(bytes.subarray(length));
      if (count === null) break;
      length += count;
    }
    const found: CacheFile = JSON.parse(new TextDecoder().decode(bytes.subarray(0, length)));
    if (found.version !== 1 || !Array.isArray(found.names)) return undefined;
    return { ...found, names: found.names.filter((name) => typeof name === "string") };
  } catch {
    return undefined;
  }
}
