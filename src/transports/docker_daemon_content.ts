import type { OnPhase } from "../archive/phase.ts";
import type { EngineImage } from "../engine/engine_image.ts";
import type { ImageSource } from "../image/places.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { Digest } from "../oci/digest.ts";
import type { Manifest } from "../oci/manifest.ts";
import type { LayerCompression } from "../oci/media_types.ts";
import type { DaemonSelection } from "./docker_daemon_choice.ts";

/** What the target of a push holds already. Every answer saves work, none is needed. */
export interface KnownContent {
  /** A manifest that is held there with everything below it. */
  readonly findManifest?: ((digest: Digest) => Promise<Manifest | undefined>) | undefined;
  /** The manifest of an image with this config that is held there with all its layers. */
  readonly findImage?: ((config: Digest) => Promise<Manifest | undefined>) | undefined;
  /** Layers that are held there, in the form in which they are stored, by their diff IDs. */
  readonly findLayer?: ((diffId: Digest) => Promise<Descriptor | undefined>) | undefined;
  /** Whether a blob is held there. */
  readonly hasBlob?: ((digest: Digest) => Promise<boolean>) | undefined;
}

/** How an image is read out of a daemon. */
export interface DaemonSourceOptions extends DaemonSelection {
  /** How raw layers are stored; they come raw from classic stores and podman. Default `zstd`. */
  readonly compression?: LayerCompression | undefined;
  readonly level?: number | undefined;
  readonly known?: KnownContent | undefined;
  /** Where the export is stored while it is read; default `TMPDIR`. */
  readonly temporaryFolder?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onPhase?: OnPhase | undefined;
}

/** An image that was described by the daemon and is to be read. */
export interface DescribedImage {
  readonly image: EngineImage;
  /** As the user wrote it. */
  readonly name: string;
  readonly options: DaemonSourceOptions;
}

/** Where a source has its bytes from: the bytes are exported when they are needed. */
export interface DaemonContent extends Pick<ImageSource, "root" | "manifest" | "openBlob">, AsyncDisposable {
  /**
   * Whether the root is the daemon's own or the one that the target has of this image, and not built here; known once the
   * root was read.
   */
  readonly isOriginal: boolean;
}
