import { ImageError, isImageError } from "../errors.ts";
import type { BlobReader, ByteRange } from "../bytes/blob_reader.ts";
import type { EngineClient } from "../engine/engine_client.ts";
import type { EngineImage } from "../engine/engine_image.ts";
import type { ImageSource, LeftOutEntry } from "../image/places.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { Manifest } from "../oci/manifest.ts";
import { formatPlatform, normalizePlatform, type Platform, selectPlatform } from "../oci/platform.ts";
import { chooseFromDaemon } from "./docker_daemon_choice.ts";
import type { DaemonContent, DaemonSourceOptions } from "./docker_daemon_content.ts";
import { KeptImage } from "./docker_daemon_kept.ts";
import { PackedImage } from "./docker_daemon_packed.ts";

/**
 * Opens an image of the daemon for reading, by name or ID. Nothing is exported until a byte is needed that neither the
 * daemon's description nor the target has.
 *
 * Throws `not-found` for the image or its platform.
 */
export async function openDaemonSource(
  client: EngineClient,
  name: string,
  options: DaemonSourceOptions = {},
): Promise<DaemonSource> {
  const image = await findImage(client, name, options.signal);
  if (image.root && image.manifests.length > 0) {
    const choice = chooseFromDaemon({ ...image, root: image.root }, name, options);
    return new DaemonSource(new KeptImage(client, { image, name, options }, choice), name, image, choice.leftOut);
  }
  checkPlatform(image, name, options.platform);
  return new DaemonSource(new PackedImage(client, { image, name, options }), name, image, []);
}

/** An image in the daemon, opened for reading. */
export class DaemonSource implements ImageSource {
  readonly name: string;
  /** Ranges come from a local file: one after the other is as fast. */
  readonly parallelRanges = 1;
  /** What the daemon says of the image. */
  readonly image: EngineImage;
  /** What the image's index names and the daemon does not hold whole, so that it stays behind. */
  readonly leftOut: readonly LeftOutEntry[];
  readonly #content: DaemonContent;

  /** Use {@linkcode openDaemonSource}. */
  constructor(content: DaemonContent, name: string, image: EngineImage, leftOut: readonly LeftOutEntry[]) {
    this.#content = content;
    this.name = name;
    this.image = image;
    this.leftOut = leftOut;
  }

  /**
   * Whether the root is the daemon's own or the one that the target has of this image, and not built here around a config;
   * known once the root was read.
   */
  get isOriginal(): boolean {
    return this.#content.isOriginal;
  }

  root(): Promise<Manifest> {
    return this.#content.root();
  }

  manifest(child: Descriptor): Promise<Manifest> {
    return this.#content.manifest(child);
  }

  openBlob(blob: Descriptor, range?: ByteRange): Promise<BlobReader> {
    return this.#content.openBlob(blob, range);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#content[Symbol.asyncDispose]();
  }
}

/** Podman calls what it has built `localhost/…`, and by its Docker API looks for short names in docker.io only. */
async function findImage(client: EngineClient, name: string, signal: AbortSignal | undefined): Promise<EngineImage> {
  try {
    return await client.inspectImage(name, signal);
  } catch (error) {
    if (client.info.store !== "podman" || !isImageError(error, "not-found") || hasHost(name)) throw error;
    return await client.inspectImage(`localhost/${name}`, signal).catch(() => {
      throw error;
    });
  }
}

/** Whether a name begins with a registry's host. */
function hasHost(name: string): boolean {
  const slash = name.indexOf("/");
  const first = name.slice(0, Math.max(slash, 0));
  return /[.:]/.test(first) || first === "localhost";
}

/** Throws `not-found` when the one platform that the daemon holds is not the one asked for. */
function checkPlatform({ platform }: EngineImage, name: string, wanted: Platform | undefined): void {
  // An image that does not say what it runs on is as good as any.
  if (!wanted || platform.os === "" || platform.architecture === "" || selectPlatform([{ platform }], wanted)) return;
  throw new ImageError(
    "not-found",
    `Cannot find platform ${formatPlatform(wanted)} of image "${name}" in the daemon: it holds ` +
      formatPlatform(normalizePlatform(platform)),
  );
}
