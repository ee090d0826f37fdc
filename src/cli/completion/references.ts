/** Where to look, as the command line says so far. */
export interface CompletionPlace {
  readonly endpoint?: string | undefined;
  readonly region?: string | undefined;
  readonly profile?: string | undefined;
}

/** How long a shell waits for a look-up. */
const LIMIT_MS = 300;

/** How long the names of a store are taken for right, in milliseconds. */
const FRESH_MS = 30_000;

/** The forms a reference to a store begins with. */
const SCHEMES = ["s3://", "local://"] as const;

/** What may be put into a command line without quotes. Stores of others may hold names that a shell would act on. */
const HARMLESS = /^[A-Za-z0-9._/:@+-]+$/;

/** The images of a store: `name:tag`. */
type Names = readonly string[];

/**
 * What a reference to an image in a bucket or folder can become: first the image's name, then its tags. Never slower than
 * {@linkcode LIMIT_MS} and never an error: nothing is an answer too. A look-up that takes longer is thrown away.
 */
export async function completeReference(typed: string, place: CompletionPlace): Promise<readonly string[]> {
  if (typed === "") return SCHEMES;
  const opening = SCHEMES.filter((scheme) => scheme.startsWith(typed) && scheme !== typed);
  if (opening.length > 0) return opening;
  const store = /^(s3:\/\/[^/]+)\/|^(local:\/\/.*?[^/:])\/\/(?!.*\/\/)/.exec(typed);
  if (!store) return typed.startsWith("local://") ? await folders(typed) : [];
  const location = (store[1] ?? store[2])!;
  const start = store[0];
  const names = await limited(storeNames(location, place));
  return nextParts(typed.slice(start.length), names.filter((name) => HARMLESS.test(name))).map((part) => start + part);
}

/** What comes next in names that begin as typed: whole names as long as no `:` is typed, else whole references. */
function nextParts(typed: string, names: Names): readonly string[] {
  const matching = names.filter((name) => name.startsWith(typed));
  if (typed.includes(":")) return matching;
  return [...new Set(matching.map((name) => name.slice(0, name.lastIndexOf(":") + 1)))];
}

/** Folders below the one that is typed so far; a store gets `//`, after which its images follow. */
async function folders(typed: string): Promise<readonly string[]> {
  const path = typed.slice("local://".length);
  const parent = path.slice(0, path.lastIndexOf("/") + 1);
  const found: string[] = [];
  try {
    for await (const entry of Deno.readDir(parent === "" ? "." : parent)) {
      const whole = `${parent}${entry.name}`;
      if (!entry.isDirectory || entry.name.startsWith(".") || !whole.startsWith(path)) continue;
      if (!HARMLESS.test(entry.name)) continue;
      const isStore = await Deno.stat(`${whole}/manifests`).then((info) => info.isDirectory, () => false);
      found.push(`local://${whole}${isStore ? "//" : "/"}`);
    }
  } catch { /* not there, or not readable */ }
  return found.sort();
}

async function limited(names: Promise<Names>): Promise<Names> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<Names>((resolve) =>
    timer = setTimeout(() => resolve([]), LIMIT_MS - Math.min(200, performance.now()))
  );
  try {
    return await Promise.race([names.catch(() => []), late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The names of a store: remembered ones while they are fresh, else its own, which are then remembered. */
async function storeNames(location: string, place: CompletionPlace): Promise<Names> {
  const file = await cacheFile(location, place);
  const known = file && await readCache(file);
  if (known) return known;
  const { Session } = await import("../../transports/session.ts");
  const { listImages } = await import("../../transports/list_images.ts");
  await using session = new Session(place);
  const images = await listImages(session, location);
  const names = images.flatMap(({ name, tags }) => tags.map((tag) => `${name}:${tag}`));
  if (file) await writeCache(file, names).catch(() => {}); // a full or read-only disk is no reason to be without names
  return names;
}

/** A file of one's own cache folder; undefined where there is none, and for folders, which are quick to list. */
async function cacheFile(location: string, place: CompletionPlace): Promise<string | undefined> {
  if (!location.startsWith("s3://")) return undefined;
  const windows = Deno.build.os === "windows" ? Deno.env.get("LOCALAPPDATA") : undefined;
  const home = Deno.env.get("HOME");
  const folder = Deno.env.get("XDG_CACHE_HOME") || windows || (home && `${home}/.cache`);
  const environment = ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_PROFILE", "AWS_ACCESS_KEY_ID"].map((name) =>
    Deno.env.get(name)
  );
  const { endpoint, region, profile } = place;
  if (!folder) return undefined;
  const key = new TextEncoder().encode(JSON.stringify([location, endpoint, region, profile, environment]));
  const name = new Uint8Array(await crypto.subtle.digest("SHA-256", key)).subarray(0, 16);
  return `${folder}/s3lo/completion/${Array.from(name, (byte) => byte.toString(16).padStart(2, "0")).join("")}.json`;
}

async function readCache(file: string): Promise<Names | undefined> {
  try {
    const { mtime } = await Deno.stat(file);
    if (!mtime || Math.abs(Date.now() - mtime.getTime()) > FRESH_MS) return undefined;
    const names: unknown = JSON.parse(await Deno.readTextFile(file));
    return Array.isArray(names) ? names.filter((name) => typeof name === "string") : undefined;
  } catch {
    return undefined;
  }
}

/** Written beside and renamed, so that a second shell never reads half of it; readable for the user alone. */
async function writeCache(file: string, names: Names): Promise<void> {
  await Deno.mkdir(file.slice(0, file.lastIndexOf("/")), { recursive: true, mode: 0o700 });
  const part = `${file}.${crypto.randomUUID()}`;
  await Deno.writeTextFile(part, JSON.stringify(names), { mode: 0o600 });
  await Deno.rename(part, file);
}
