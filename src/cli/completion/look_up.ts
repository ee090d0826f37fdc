import { isImageError } from "../../errors.ts";
import type { StoreCollection } from "../../oci/location.ts";
import type { CommandIo, OptionValues, Settings } from "../command.ts";
import { credentialPrograms } from "../credential_programs.ts";
import { giveUp, keptPermissions } from "../give_up.ts";
import { openSession } from "../open_session.ts";
import { readSettings, settingsWithoutFile } from "../settings/settings.ts";
import type { SaidSoFar } from "./complete.ts";
import { NameCache, type NamePlace } from "./name_cache.ts";
import { namePlace } from "./name_places.ts";

/** How names are looked up for a half-typed line. */
export interface LookUpOptions {
  readonly said: SaidSoFar;
  readonly side: "src" | "dst" | undefined;
  readonly io: CommandIo;
  /** How long the shell waits; undefined: nobody does, names are only remembered. */
  readonly limitMs: number | undefined;
  readonly backgroundMs: number;
}

/** The names of the images of a store, for a half-typed line. Never throws. */
export async function lookUpNames(store: StoreCollection, options: LookUpOptions): Promise<LookUp> {
  const { said, side, io, limitMs } = options;
  const settings = await settingsSoFar(said);
  const place = namePlace(settings, store, side);
  using cache = await NameCache.open(place ? [place] : []);
  // What was opened is all that is written from here on.
  await giveUp(await keptPermissions({ net: "references", write: "never" }, [store], credentialPrograms));
  const region = (side && settings.value(`${side}-region`)) ?? settings.value("region");
  const own = place ? overlaid(settings, new Map(Object.entries({ ...place, region }))) : settings;
  const list = (signal: AbortSignal) => listNames(store, own, { ...io, signal, note: () => {} });
  if (!place) return { names: await list(io.signal).catch(() => []), needsRefresh: false };
  if (limitMs !== undefined) return await namesInTime(cache, place, limitMs, list);
  await refresh(cache, place, () => list(AbortSignal.any([io.signal, AbortSignal.timeout(options.backgroundMs)])));
  return { names: [], needsRefresh: false };
}

/** The settings that hold for a half-typed line; a file of settings that is broken is passed over. */
async function settingsSoFar(said: SaidSoFar): Promise<Settings> {
  const typed: OptionValues = {
    flag: () => false,
    value: (name) => said.get(name),
    values: (name) => said.has(name) ? [said.get(name)!] : [],
    origin: (name) => said.has(name) ? `--${name}` : undefined,
  };
  try {
    return await readSettings(typed);
  } catch (error) {
    if (!isImageError(error, "usage")) throw error;
    return settingsWithoutFile(typed);
  }
}

/** Settings with some of them replaced, as if they had been typed. */
function overlaid(settings: Settings, values: ReadonlyMap<string, string | undefined>): Settings {
  const own = (name: string) => values.get(name);
  return {
    ...settings,
    value: (name) => own(name) ?? settings.value(name),
    values: (name) => own(name) === undefined ? settings.values(name) : [own(name)!],
    origin: (name) => own(name) === undefined ? settings.origin(name) : `--${name}`,
  };
}

/** The names of a store, asked for with the settings that hold for it. Throws what listing throws. */
async function listNames(store: StoreCollection, settings: Settings, io: CommandIo): Promise<readonly string[]> {
  const { listImages } = await import("../../transports/list_images.ts");
  await using session = await openSession(settings, io);
  const images = await listImages(session, store);
  return images.flatMap(({ name, tags }) => tags.map((tag) => `${name}:${tag}`));
}

/** What a look-up gave in time, and whether somebody should look again without anybody waiting. */
export interface LookUp {
  readonly names: readonly string[];
  readonly needsRefresh: boolean;
}

/**
 * The names of a bucket: remembered ones, else its own where they come within `limitMs`. `list` asks the bucket; its signal
 * ends it when the time is over.
 */
export async function namesInTime(
  cache: NameCache,
  place: NamePlace,
  limitMs: number,
  list: (signal: AbortSignal) => Promise<readonly string[]>,
): Promise<LookUp> {
  const known = await cache.read(place);
  if (known) return { names: known.names, needsRefresh: !known.isFresh && !known.recentlyFailed };
  if (limitMs <= 0) return { names: [], needsRefresh: true };
  const late = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const tooLate = new Promise<undefined>((resolve) => timer = setTimeout(() => resolve(undefined), limitMs));
  try {
    const names = await Promise.race([list(late.signal).catch(() => undefined), tooLate]);
    if (!names) return { names: [], needsRefresh: true };
    await cache.keep(place, names, true);
    return { names, needsRefresh: false };
  } finally {
    clearTimeout(timer);
    late.abort();
  }
}

/** Asks a bucket for its names and remembers them, or that it did not answer; one process at a time. */
export async function refresh(
  cache: NameCache,
  place: NamePlace,
  list: () => Promise<readonly string[]>,
): Promise<void> {
  await cache.alone(place, async () => {
    try {
      await cache.keep(place, await list(), true);
    } catch {
      await cache.keepFailure(place);
    }
  });
}
