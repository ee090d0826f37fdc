import { ImageError } from "../errors.ts";
import type { ArchivedImage } from "../archive/archived_image.ts";
import { openConvertedImage } from "../archive/docker_archive_reader.ts";
import type { BlobReader, ByteRange } from "../bytes/blob_reader.ts";
import type { EngineClient } from "../engine/engine_client.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { Digest } from "../oci/digest.ts";
import type { Manifest } from "../oci/manifest.ts";
import type { DaemonContent, DescribedImage } from "./docker_daemon_content.ts";
import { type OpenedExport, openExport } from "./docker_daemon_export.ts";

interface Opened {
  readonly exported: OpenedExport;
  readonly archived: ArchivedImage;
}

/**
 * An image of a daemon that keeps layers unpacked (classic stores, podman): a manifest is built around its config, which
 * stays as it is, and layers are compressed. An image that the target knows by its config costs nothing.
 */
export class PackedImage implements DaemonContent {
  readonly #client: EngineClient;
  readonly #described: DescribedImage;
  #root: Promise<Manifest> | undefined;
  #opened: Promise<Opened> | undefined;
  #isOriginal = false;

  /** Exports nothing yet. */
  constructor(client: EngineClient, described: DescribedImage) {
    this.#client = client;
    this.#described = described;
  }

  get isOriginal(): boolean {
    return this.#isOriginal;
  }

  root(): Promise<Manifest> {
    return this.#root ??= this.#readRoot();
  }

  async manifest(child: Descriptor): Promise<Manifest> {
    const root = await this.root();
    if (root.descriptor.digest === child.digest) return root;
    return await (await this.#open()).archived.manifest(child);
  }

  async openBlob(blob: Descriptor, range?: ByteRange): Promise<BlobReader> {
    return await (await this.#open()).archived.openBlob(blob, range);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const opened = await this.#opened?.catch(() => undefined);
    await opened?.archived[Symbol.asyncDispose]();
    await opened?.exported[Symbol.asyncDispose]();
  }

  async #readRoot(): Promise<Manifest> {
    const { image, options, name } = this.#described;
    const isConfigId = this.#client.info.store !== "containerd";
    const known = isConfigId ? await options.known?.findImage?.(image.id) : undefined;
    if (known && configOf(known) === image.id) {
      this.#isOriginal = true;
      return known;
    }
    const { root, isOriginal } = (await this.#open()).archived;
    this.#isOriginal = isOriginal;
    if (isConfigId && configOf(root) !== image.id) {
      throw new ImageError("conflict", `Cannot read image "${name}" from the daemon: it exported another image`);
    }
    return root;
  }

  #open(): Promise<Opened> {
    return this.#opened ??= this.#export();
  }

  async #export(): Promise<Opened> {
    const { image, name, options } = this.#described;
    const { temporaryFolder, signal, compression, level, onPhase } = options;
    const known = await this.#knownLayers();
    // Where files are named by diff IDs, the bytes of known layers need not even be stored.
    const isUnneeded = (digest: Digest) => Promise.resolve(known.has(digest));
    const exported = await openExport(this.#client, {
      id: image.id,
      name,
      isUnneeded,
      temporaryFolder,
      signal,
      onPhase,
    });
    try {
      const knownLayers = (diffId: Digest) => known.get(diffId);
      const intake = { compression, level, knownLayers, temporaryFolder, signal, onPhase };
      return { exported, archived: await openConvertedImage(exported.files, intake) };
    } catch (error) {
      await exported[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #knownLayers(): Promise<ReadonlyMap<Digest, Descriptor>> {
    const { image, options } = this.#described;
    const known = new Map<Digest, Descriptor>();
    for (const diffId of new Set(image.diffIds)) {
      const layer = await options.known?.findLayer?.(diffId);
      if (layer) known.set(diffId, layer);
    }
    return known;
  }
}

function configOf({ content }: Manifest): Digest | undefined {
  return content.kind === "image" ? content.config.digest : undefined;
}
