import { readHalfTyped } from "../../oci/collection.ts";
import { SCHEMES, type StoreCollection } from "../../oci/location.ts";
import { isDigestTag } from "../../oci/referrers.ts";

/** The forms a reference to a store begins with. */
const STORES = [SCHEMES.s3, SCHEMES.local] as const;

/** Those of the other places, which have a path behind them. */
const PATHS = [SCHEMES.oci, SCHEMES["oci-archive"], SCHEMES["docker-archive"]] as const;

/** What may be put into a command line without quotes. Stores of others may hold names that a shell would act on. */
const HARMLESS = /^[A-Za-z0-9._/:@+-]+$/;

/** The images of a store, `name:tag`; of a folder, or of a bucket. */
export type NamesOf = (store: StoreCollection) => Promise<readonly string[]>;

/**
 * What a reference can become: first its scheme, then the image's name, then its tags; folders and files where a path
 * follows. Never an error: nothing is an answer too. `isList`: only whole stores are meant.
 */
export async function completeReference(
  typed: string,
  namesOf: NamesOf,
  isList = false,
): Promise<readonly string[]> {
  const schemes = isList ? STORES : [...STORES, ...PATHS, SCHEMES.daemon];
  const opening = schemes.filter((scheme) => scheme.startsWith(typed) && scheme !== typed);
  if (opening.length > 0 && !PATHS.some((scheme) => typed === scheme)) return opening;
  const path = PATHS.find((scheme) => typed.startsWith(scheme));
  if (path) return await entries(path, typed.slice(path.length), path !== SCHEMES.oci);
  const half = readHalfTyped(typed);
  if (!half) {
    return typed.startsWith(SCHEMES.local)
      ? await entries(SCHEMES.local, typed.slice(SCHEMES.local.length), false)
      : [];
  }
  const { start, store } = half;
  const names = (await namesOf(store)).filter((name) => HARMLESS.test(name));
  return nextParts(
    typed.slice(start.length),
    names.filter((name) => !isDigestTag(name.slice(name.lastIndexOf(":") + 1))),
  )
    .map((part) => start + part);
}

/** What comes next in names that begin as typed: whole names as long as no `:` is typed, else whole references. */
function nextParts(typed: string, names: readonly string[]): readonly string[] {
  const matching = names.filter((name) => name.startsWith(typed));
  if (typed.includes(":")) return matching;
  return [...new Set(matching.map((name) => name.slice(0, name.lastIndexOf(":") + 1)))];
}

/** Folders (and files) below what is typed so far, behind a prefix; a store gets `//`, after which its images follow. */
export async function entries(prefix: string, path: string, withFiles: boolean): Promise<readonly string[]> {
  const parent = path.slice(0, path.lastIndexOf("/") + 1);
  const found: string[] = [];
  try {
    for await (const entry of Deno.readDir(parent === "" ? "." : parent)) {
      const whole = `${parent}${entry.name}`;
      if (entry.name.startsWith(".") || !whole.startsWith(path) || !HARMLESS.test(entry.name)) continue;
      if (entry.isDirectory) {
        const isStore = prefix === SCHEMES.local &&
          await Deno.stat(`${whole}/manifests`).then((info) => info.isDirectory, () => false);
        found.push(`${prefix}${whole}${isStore ? "//" : "/"}`);
      } else if (withFiles) found.push(`${prefix}${whole}`);
    }
  } catch { /* not there, or not readable */ }
  return found.sort();
}
