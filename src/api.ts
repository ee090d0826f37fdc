/**
 * The library: copies, inspects, lists and reads container images wherever they are. References are those of the command:
 * `s3://bucket/app:v1`, `local://folder//app:v1`, `ghcr.io/owner/app:v1`.
 *
 * Credentials are found as the command finds them: AWS's usual chain, and what `docker login` left. Everything throws
 * {@linkcode ImageError}.
 *
 * @example Say which platforms an image has
 * ```ts
 * import { parsePlatform, selectPlatform } from "@s3lo/cli/api";
 *
 * const manifests = [
 *   { digest: "sha256:aa", platform: parsePlatform("linux/amd64") },
 *   { digest: "sha256:bb", platform: parsePlatform("linux/arm64") },
 * ];
 * const chosen = selectPlatform(manifests, parsePlatform("linux/aarch64"));
 * if (chosen?.digest !== "sha256:bb") throw new Error("not the image for ARM");
 * ```
 *
 * @module
 */
import { toStream } from "./bytes/blob_reader.ts";
import type { ImageSource } from "./image/places.ts";
import { SourceBlob } from "./image/source_blob.ts";
import { parseListedCollection } from "./oci/collection.ts";
import { parseDigest } from "./oci/digest.ts";
import { parseLocation } from "./oci/location.ts";
import { openSource } from "./transports/open.ts";
import { Session } from "./transports/session.ts";

export { type ErrorCode, ImageError, type ImageErrorOptions } from "./errors.ts";
export {
  formatPlatform,
  hostPlatform,
  parsePlatform,
  type Platform,
  type SelectOptions,
  selectPlatform,
} from "./oci/platform.ts";

/** What holds for every place that is opened. */
export interface ImageOptions {
  /** S3 endpoint of your own server; default AWS_ENDPOINT_URL, the profile's, else AWS. */
  readonly endpoint?: string;
  /** S3 region; default AWS_REGION, the profile's, else asked of the bucket. */
  readonly region?: string;
  /** AWS profile; default AWS_PROFILE. */
  readonly profile?: string;
  /** PEM files of further certificate authorities. */
  readonly caFiles?: readonly string[];
  /** Whether registries are spoken to by http. Default false. */
  readonly plainHttp?: boolean;
  /** For one registry; otherwise those of `docker login`. Throws `usage` where two would get them. */
  readonly credentials?: { readonly username: string; readonly password: string };
  /** Stops the work. */
  readonly signal?: AbortSignal;
}

/** What may differ between the two ends of a copy. */
export type SideOptions = Pick<ImageOptions, "endpoint" | "region" | "profile" | "credentials" | "plainHttp">;

/** How an image is copied. */
export interface CopyImageOptions extends ImageOptions {
  /** Only these platforms, as `linux/arm64`. Default: all, and the index byte for byte. */
  readonly platforms?: readonly string[];
  /** Copy signatures, SBOMs and whatever else refers to the image too. Default false. */
  readonly includeReferrers?: boolean;
  /** Replace a tag that is immutable. Default false. */
  readonly force?: boolean;
  /** What holds for the source alone. */
  readonly source?: SideOptions;
  /** What holds for the target alone. */
  readonly target?: SideOptions;
}

/** What a copy did. */
export interface CopiedImage {
  /** Digest of what the target's tag means now. */
  readonly digest: string;
  /** Its media type. */
  readonly mediaType: string;
  /** Configs and layers whose bytes passed through this process. No blob is counted in two of these three. */
  readonly blobsCopied: number;
  /** Their stored size. */
  readonly bytesCopied: number;
  /** Those that the target's store or registry took over by itself: a copy on the server, a mount, a link. */
  readonly blobsLinked: number;
  /** Their stored size. */
  readonly bytesLinked: number;
  /** Those that the target had. */
  readonly blobsSkipped: number;
  /** Their stored size. */
  readonly bytesSkipped: number;
  /** Platforms that the source's index names and does not hold whole (an archive, a daemon), and that stayed behind. */
  readonly platformsMissing: readonly string[];
}

/** An entry of an index, or a single image. */
export interface InspectedImage {
  /** `linux/arm64/v8`; `(attestation)` for what is no image; undefined where a single image says nothing. */
  readonly platform: string | undefined;
  /** Digest of the manifest or index: `sha256:…`. */
  readonly digest: string;
  /** Compressed size of its layers, in bytes. */
  readonly sizeBytes: number;
  /** Its layers, lowest first; sizes as stored, in bytes. */
  readonly layers: readonly { readonly digest: string; readonly size: number; readonly mediaType: string }[];
}

/** What a reference means. */
export interface Inspection {
  /** Digest of the manifest or index: `sha256:…`. */
  readonly digest: string;
  /** Its media type. */
  readonly mediaType: string;
  /** Whether it is an index of several images. */
  readonly isIndex: boolean;
  /** The images of an index in its order; of a single image, itself. */
  readonly images: readonly InspectedImage[];
}

/** An image and its tags. */
export interface ImageTags {
  /** The name, without a tag. */
  readonly name: string;
  /** Its tags. */
  readonly tags: readonly string[];
}

/**
 * Copies an image from any place to any other. The target's tag appears last: it is there and whole, or not there.
 *
 * @example Into a folder and on to a bucket
 * ```ts ignore
 * import { copy } from "@s3lo/cli/api";
 *
 * await copy("alpine:3", "local://./store//alpine:3", { platforms: ["linux/amd64"] });
 * const { digest } = await copy("local://./store//alpine:3", "s3://my-bucket/alpine:3");
 * ```
 */
export async function copy(source: string, target: string, options: CopyImageOptions = {}): Promise<CopiedImage> {
  const [from, to] = [parseLocation(source), parseLocation(target)];
  const { copyCommand } = await import("./commands/copy.ts");
  await using session = new Session(options);
  const { images: [report] } = await copyCommand(session, from, to, options);
  return {
    digest: report!.digest,
    mediaType: report!.media_type,
    blobsCopied: report!.blobs_copied,
    bytesCopied: report!.bytes_copied,
    blobsLinked: report!.blobs_linked,
    bytesLinked: report!.bytes_linked,
    blobsSkipped: report!.blobs_skipped,
    bytesSkipped: report!.bytes_skipped,
    platformsMissing: report!.platforms_missing ?? [],
  };
}

/**
 * Tells what a reference means: platforms, layers, sizes. No layer is read.
 *
 * @example The platforms of an image
 * ```ts ignore
 * import { inspect } from "@s3lo/cli/api";
 *
 * const { images } = await inspect("s3://my-bucket/app:v1");
 * ```
 */
export async function inspect(reference: string, options: ImageOptions = {}): Promise<Inspection> {
  const location = parseLocation(reference);
  const { inspectCommand } = await import("./commands/inspect.ts");
  await using session = new Session(options);
  const report = await inspectCommand(session, location);
  const entries = report.platforms ??
    [{
      platform: report.platform,
      digest: report.digest,
      total_size: report.total_size ?? 0,
      layers: report.layers ?? [],
    }];
  return {
    digest: report.digest,
    mediaType: report.media_type,
    isIndex: report.is_index,
    images: entries.map((entry) => ({
      platform: entry.platform,
      digest: entry.digest,
      sizeBytes: entry.total_size,
      layers: entry.layers.map(({ digest, size, media_type }) => ({ digest, size, mediaType: media_type })),
    })),
  };
}

/**
 * Lists the images and tags of a store (`s3://bucket`, `local://folder`), of a registry repository, or of a registry that
 * has a catalog.
 *
 * @example The tags of a bucket
 * ```ts ignore
 * import { list } from "@s3lo/cli/api";
 *
 * const images = await list("s3://my-bucket");
 * ```
 */
export async function list(location: string, options: ImageOptions = {}): Promise<readonly ImageTags[]> {
  const collection = parseListedCollection(location);
  const { listCommand } = await import("./commands/list.ts");
  await using session = new Session(options);
  return (await listCommand(session, collection)).images;
}

/** An image that is open for reading. Dispose it at the end. */
export interface OpenedImage extends AsyncDisposable {
  /** Digest of the manifest or index: `sha256:…`. */
  readonly digest: string;
  /** Its media type. */
  readonly mediaType: string;
  /** The manifest or index, as it is stored. */
  readonly manifest: Uint8Array<ArrayBuffer>;
  /**
   * The bytes of a blob that a manifest of the image names. Reading fails before the last bytes are handed out when size or
   * digest are wrong.
   */
  readonly blob: (descriptor: {
    readonly digest: string;
    readonly size: number;
    readonly mediaType: string;
  }) => Promise<ReadableStream<Uint8Array<ArrayBuffer>>>;
}

/**
 * Opens an image for reading, wherever it is.
 *
 * @example Read an image's config
 * ```ts ignore
 * import { openImage } from "@s3lo/cli/api";
 *
 * await using image = await openImage("s3://my-bucket/app:v1");
 * const { config } = JSON.parse(new TextDecoder().decode(image.manifest));
 * const { Env } = await new Response(await image.blob(config)).json();
 * ```
 */
export async function openImage(reference: string, options: ImageOptions = {}): Promise<OpenedImage> {
  const location = parseLocation(reference);
  const session = new Session(options);
  let source: ImageSource | undefined;
  try {
    const opened = source = await openSource(session, location);
    const { descriptor, bytes } = await opened.root();
    return {
      digest: descriptor.digest,
      mediaType: descriptor.mediaType,
      manifest: bytes,
      blob: async ({ digest, size, mediaType }) => {
        const blob = { digest: parseDigest(digest), size, mediaType };
        return toStream(await new SourceBlob(opened, blob, { signal: options.signal }).open());
      },
      async [Symbol.asyncDispose]() {
        await opened[Symbol.asyncDispose]();
        await session[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await source?.[Symbol.asyncDispose]();
    await session[Symbol.asyncDispose]();
    throw error;
  }
}
