import { ImageError, isImageError } from "../errors.ts";
import type { ImageName } from "../archive/image_names.ts";
import type { EngineClient } from "../engine/engine_client.ts";
import { compareVersions } from "../engine/engine_info.ts";
import type { EngineImage } from "../engine/engine_image.ts";
import type { Digest } from "../oci/digest.ts";
import { isContainerImage } from "../oci/container_image.ts";
import { readImageConfig } from "../oci/image_config.ts";
import { blobsOf, type Manifest } from "../oci/manifest.ts";
import { formatPlatform, normalizePlatform, type Platform } from "../oci/platform.ts";
import type { ReadConfig } from "./docker_daemon_reuse.ts";

/** What a load is to bring about. */
export interface KeptLoad {
  /** The name that the image gets in the end. */
  readonly name: ImageName;
  /** Its ID: the digest of the manifest or index. */
  readonly id: Digest;
  /** What the daemon had under this ID before. */
  readonly before: EngineImage | undefined;
  /** Whether blobs were left out because the daemon had them. */
  readonly leftOut: boolean;
  /** The manifests that were sent. */
  readonly sent: ReadonlySet<Digest>;
  readonly signal?: AbortSignal | undefined;
}

/** The first API version (Docker 25.0) whose containerd store surely keeps an image that comes without a name. */
const NAMELESS_API_VERSION = "1.44";

/**
 * The name under which a daemon with the containerd store is sent an image: none, so that a name which stands for another
 * image is moved only when this one is there, whole and unpacked. One that the image has already stays: a second entry
 * without a name would outlive it. `wanted` is the name that it gets in the end.
 */
export function loadingName(client: EngineClient, wanted: string, before: EngineImage | undefined): string | undefined {
  if (before?.names[0] !== undefined) return before.names[0];
  return compareVersions(client.info.apiVersion, NAMELESS_API_VERSION) < 0 ? wanted : undefined;
}

/** Whether every image that a daemon could run of this one is unpacked, as far as it says. */
export function isUnpacked(image: EngineImage): boolean {
  return image.manifests.every((entry) => entry.isUnpacked !== false);
}

/**
 * The platform by which a daemon is asked to unpack a single image that it does not run, which it would not do unasked;
 * undefined for an index, of which it unpacks what it runs, and where the config names none or one of another operating
 * system.
 */
export async function platformToUnpack(
  client: EngineClient,
  { content }: Manifest,
  readConfig: ReadConfig | undefined,
): Promise<Platform | undefined> {
  if (!isContainerImage(content) || !readConfig || !client.knowsPlatforms) return undefined;
  // Of layers that must not be distributed the daemon would say that they are missing.
  if (blobsOf(content).foreign.length > 0) return undefined;
  const { platform } = readImageConfig(await readConfig(content.config), `config "${content.config.digest}"`);
  const own = client.info.platform;
  if (platform.os !== own.os || platform.architecture === "") return undefined;
  return formatPlatform(normalizePlatform(platform)) === formatPlatform(own) ? undefined : platform;
}

/**
 * Waits for a load and gives the image its name once it is there, whole and unpacked. One that is not is removed, unless it
 * was there before; the name then stands for what it stood for.
 *
 * Returns the ID. Throws what the load throws, `conflict` when the daemon has dropped what it had.
 */
export async function finishKeptLoad(
  client: EngineClient,
  loading: Promise<unknown>,
  load: KeptLoad,
): Promise<Digest> {
  const { name, id, signal } = load;
  try {
    await loading;
    const image = await loadedImage(client, load);
    if (isIncomplete(image, load)) throw dropped(name);
    await client.tagImage(id, name.full.slice(0, -name.tag.length - 1), name.tag, signal);
    const named = await client.inspectImage(name.full, signal);
    if (named.id === id) return id;
    throw new ImageError(
      "conflict",
      `Cannot load "${name.full}": the daemon has image "${named.id}" by that name, not "${id}"`,
    );
  } catch (error) {
    throw await undo(client, load, error);
  }
}

async function loadedImage(client: EngineClient, { name, id, signal }: KeptLoad): Promise<EngineImage> {
  try {
    return await client.inspectImage(id, signal);
  } catch (error) {
    if (!isImageError(error, "not-found")) throw error;
    throw new ImageError("conflict", `Cannot load "${name.full}": the daemon took it and does not have "${id}"`, {
      cause: error,
    });
  }
}

/** Removes what a failed load has left, and gives the error to throw. */
async function undo(client: EngineClient, { name, id, before, ...load }: KeptLoad, error: unknown): Promise<unknown> {
  if (!isImageError(error)) return error;
  if (before) {
    if (error.code !== "invalid-input") return error;
    const known = before.names[0] ?? id;
    const hint = `The daemon had it already; remove it with docker rmi ${known}, and pull again`;
    return new ImageError(error.code, error.message, { hint, cause: error });
  }
  // Not by the run's signal, which may be what ended the load.
  const left = load.leftOut ? await client.inspectImage(id).catch(() => undefined) : undefined;
  await client.removeImage(id).catch(() => {});
  return left && isIncomplete(left, load) ? dropped(name, error) : error;
}

function isIncomplete({ manifests }: EngineImage, { leftOut, sent }: Pick<KeptLoad, "leftOut" | "sent">): boolean {
  return leftOut && manifests.some((entry) => !entry.isComplete && sent.has(entry.descriptor.digest));
}

function dropped({ full }: ImageName, cause?: unknown): ImageError {
  return new ImageError("conflict", `Cannot load "${full}": the daemon dropped layers that it had before`, {
    hint: "Pull again; all layers are sent then",
    cause,
  });
}
