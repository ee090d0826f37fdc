import { ImageError } from "../errors.ts";
import { Members } from "../oci/json.ts";
import { type ArchiveFiles, readSmallFile } from "./archive_files.ts";
import { isSameName } from "./image_names.ts";
import { normalizeEntryName } from "./tar_index.ts";

/** Largest `manifest.json`. */
const MAX_BYTES = 16 * 1024 * 1024;

/** One image of Docker's `manifest.json`. */
export interface DockerManifestEntry {
  /** File of the config. */
  readonly config: string;
  readonly names: readonly string[];
  /** Files of the layers, the lowest first. */
  readonly layers: readonly string[];
  /** Whether Docker's classic store wrote it, which keeps no manifests: those in the archive were made for it. */
  readonly isFromClassicStore: boolean;
}

/**
 * Reads Docker's `manifest.json`; undefined when there is none. Throws `invalid-input`.
 *
 * Format: what `docker save` writes since 1.10, and podman, skopeo, kaniko, bazel, crane after it.
 */
export async function readDockerManifest(files: ArchiveFiles): Promise<readonly DockerManifestEntry[] | undefined> {
  const bytes = await readSmallFile(files, "manifest.json", MAX_BYTES);
  if (!bytes) return undefined;
  const what = `"manifest.json" of "${files.name}"`;
  const list = parseList(bytes, what);
  return list.map((item, position) => {
    const members = new Members(item, `entry ${position} of ${what}`);
    const config = members.string("Config");
    if (!config) throw members.missing("Config");
    return {
      config: fileName(config, what),
      names: members.strings("RepoTags") ?? [],
      layers: (members.strings("Layers") ?? []).map((layer) => fileName(layer, what)),
      isFromClassicStore: members.has("LayerSources"),
    };
  });
}

/**
 * Chooses the image that a name stands for, or `@0` by its place; without a name there must be one only.
 *
 * Throws `not-found`, and `usage` when it is not clear which one is meant; both list what there is.
 */
export function chooseDockerImage(
  entries: readonly DockerManifestEntry[],
  wanted: string | undefined,
  what: string,
): DockerManifestEntry {
  const place = wanted?.match(/^@([0-9]{1,6})$/)?.[1];
  const found = wanted === undefined
    ? entries
    : place !== undefined
    ? entries.slice(Number(place), Number(place) + 1)
    : entries.filter((entry) => entry.names.some((name) => isSameName(name, wanted)));
  const [first] = found;
  if (!first) {
    if (entries.length === 0) throw new ImageError("not-found", `Cannot read "${what}": it holds no image`);
    throw new ImageError("not-found", `Cannot find image "${wanted}" in "${what}": it holds ${listed(entries)}`);
  }
  if (found.every((entry) => entry.config === first.config)) return first;
  throw new ImageError("usage", `Cannot choose an image of "${what}": it holds several images: ${listed(found)}`, {
    hint: "Name one of them after the path: path:name:tag",
  });
}

function parseList(bytes: Uint8Array, what: string): readonly unknown[] {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new ImageError("invalid-input", `Cannot read ${what}: it is not valid JSON`, { cause });
  }
  if (!Array.isArray(value)) throw new ImageError("invalid-input", `Invalid ${what}: expected a list`);
  return value;
}

function fileName(text: string, what: string): string {
  try {
    return normalizeEntryName(text);
  } catch (cause) {
    throw new ImageError("invalid-input", `Invalid ${what}: ${(cause as Error).message}`, { cause });
  }
}

function listed(entries: readonly DockerManifestEntry[]): string {
  const names = entries.map((entry, position) => `"${entry.names[0] ?? `@${position}`}"`);
  return names.length > 20 ? `${names.slice(0, 20).join(", ")} and ${names.length - 20} more` : names.join(", ");
}
