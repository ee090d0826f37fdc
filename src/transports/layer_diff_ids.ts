import { readImageConfig } from "../oci/image_config.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { Digest } from "../oci/digest.ts";
import type { Manifest } from "../oci/manifest.ts";
import { MEDIA_TYPES } from "../oci/media_types.ts";

/** Which diff ids the layers of some images have, by what the images' configs say; a config is read when it is asked for. */
export class LayerDiffIds {
  readonly #readConfig: (config: Descriptor) => Promise<Uint8Array>;
  readonly #layers = new Map<
    Digest,
    { readonly config: Descriptor; readonly position: number; readonly count: number }
  >();
  readonly #diffIds = new Map<Digest, Promise<readonly Digest[]>>();

  /** `readConfig` reads a config whole and checked; it is called once for each config at most. */
  constructor(readConfig: (config: Descriptor) => Promise<Uint8Array>) {
    this.#readConfig = readConfig;
  }

  /** Learns which layers an image has. Of a layer in several images the first one counts. */
  note({ content }: Manifest): void {
    if (content.kind !== "image" || !isImageConfig(content.config)) return;
    const { config, layers } = content;
    for (const [position, { digest }] of layers.entries()) {
      if (!this.#layers.has(digest)) this.#layers.set(digest, { config, position, count: layers.length });
    }
  }

  /** The diff id of a layer; undefined for one of no known image, or where a config names not just one for each layer. */
  async of(layer: Digest): Promise<Digest | undefined> {
    const place = this.#layers.get(layer);
    if (!place) return undefined;
    const reading = this.#diffIds.get(place.config.digest) ?? this.#read(place.config);
    this.#diffIds.set(place.config.digest, reading);
    try {
      const diffIds = await reading;
      return diffIds.length === place.count ? diffIds[place.position] : undefined;
    } catch (error) {
      this.#diffIds.delete(place.config.digest);
      throw error;
    }
  }

  async #read(config: Descriptor): Promise<readonly Digest[]> {
    return readImageConfig(await this.#readConfig(config), `config "${config.digest}"`).diffIds;
  }
}

/** Whether a descriptor is that of an image's config, not of some artifact's. */
export function isImageConfig({ mediaType }: Descriptor): boolean {
  return mediaType === MEDIA_TYPES.ociConfig || mediaType === MEDIA_TYPES.dockerConfig;
}
