import { ImageError } from "../errors.ts";
import type { BlobReader } from "../bytes/blob_reader.ts";
import { retrying } from "../bytes/retry.ts";
import { type Digest, hexOf } from "../oci/digest.ts";
import type { Platform } from "../oci/platform.ts";
import type { EngineConnection } from "./connection.ts";
import { EngineApi } from "./engine_api.ts";
import {
  type EngineImage,
  type EngineImageSummary,
  parseEngineImage,
  parseEngineImageSummary,
} from "./engine_image.ts";
import { compareVersions, type EngineInfo, readEngineInfo } from "./engine_info.ts";
import { readLoadReply } from "./load_reply.ts";

/** Settings of a client. */
export interface EngineClientOptions {
  /** Told of every request, with nothing secret in it; for `--debug`. */
  readonly log?: ((line: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** From here on a daemon tells which platforms of an image it holds, and exports a chosen one. */
const PLATFORM_API_VERSION = "1.48";

/** How often podman is asked for its images: its whole list fails where one of them is removed in the middle of it. */
const LIST_TRIES = 4;

/**
 * The Docker Engine API, as far as images need it; podman's service speaks it too.
 *
 * Spec: Docker Engine API v1.51 (and older, as the daemon has it).
 */
export class EngineClient implements Disposable {
  /** What the daemon says of itself. */
  readonly info: EngineInfo;
  readonly #api: EngineApi;

  private constructor(api: EngineApi, info: EngineInfo) {
    this.#api = api;
    this.info = info;
  }

  /**
   * Reaches the daemon, agrees on a version of the API and asks what it is.
   *
   * Throws `unavailable` when nobody answers, `unsupported` when no version fits.
   */
  static async connect(connection: EngineConnection, options: EngineClientOptions = {}): Promise<EngineClient> {
    const api = new EngineApi(connection, options.log);
    try {
      return new EngineClient(api, await readEngineInfo(api, options.signal));
    } catch (error) {
      api[Symbol.dispose]();
      throw error;
    }
  }

  /** The daemon's address, as it may be shown. */
  get address(): string {
    return this.#api.connection.address;
  }

  /** Whether the daemon tells platforms apart in inspection and export. */
  get knowsPlatforms(): boolean {
    return this.info.store === "containerd" && compareVersions(this.info.apiVersion, PLATFORM_API_VERSION) >= 0;
  }

  /** Describes an image by name or ID, with its manifests where the daemon knows them. Throws `not-found`. */
  async inspectImage(name: string, signal?: AbortSignal): Promise<EngineImage> {
    const query = this.knowsPlatforms ? "?manifests=1" : "";
    const action = `inspect image "${name}" in the daemon`;
    return parseEngineImage(
      await this.#api.object({ method: "GET", path: `${imagePath(name)}/json${query}`, action, signal }),
    );
  }

  /**
   * Lists the images that have a name or stand at the top of one; with their manifests where the daemon knows them, which
   * takes it some 40 ms for an image of many platforms.
   */
  async listImages(options: ListImagesOptions = {}): Promise<EngineImageSummary[]> {
    const query = new URLSearchParams(this.knowsPlatforms ? { manifests: "1" } : {});
    const { repository, signal } = options;
    if (repository !== undefined) query.set("filters", JSON.stringify({ reference: [repository] }));
    const path = query.size > 0 ? `/images/json?${query}` : "/images/json";
    const list = await retrying(async () => {
      const response = await this.#api.send({ method: "GET", path, action: "list the daemon's images", signal });
      return parseList(await response.bytes(64 * 1024 * 1024));
    }, { tries: this.info.store === "podman" ? LIST_TRIES : 1, baseDelayMs: 50, signal });
    return list.map(parseEngineImageSummary).filter((image) => image !== undefined);
  }

  /**
   * Loads a tar (docker-archive or OCI layout) that is made while it is sent; one that fails to be made cuts the request
   * off, and the daemon drops what it got.
   *
   * Returns the names or IDs loaded. Throws `invalid-input` with the daemon's words when it refuses or cannot unpack what it
   * got, also after status 200; `unavailable` when the connection breaks; and whatever `tar` throws.
   */
  async loadImage(tar: BlobReader, options: LoadImageOptions = {}): Promise<string[]> {
    const { platform, signal } = options;
    const query = new URLSearchParams({ quiet: "1" });
    if (platform && this.knowsPlatforms) query.set("platform", JSON.stringify(platformJson(platform)));
    const action = `load into the daemon at "${this.address}"`;
    const response = await this.#api.send({
      method: "POST",
      path: `/images/load?${query}`,
      action,
      headers: { "content-type": "application/x-tar" },
      body: { content: tar },
      signal,
    });
    await using reply = response.reader();
    return await readLoadReply(reply, action);
  }

  /**
   * Exports images as one tar stream, of one platform if given and the daemon can choose.
   *
   * Throws `not-found`, and `unsupported` for a platform where the daemon cannot choose.
   */
  async saveImage(names: readonly string[], options: SaveImageOptions = {}): Promise<BlobReader> {
    const query = new URLSearchParams(names.map((name) => ["names", name]));
    if (options.platform) {
      if (!this.knowsPlatforms) {
        throw new ImageError(
          "unsupported",
          "Cannot export a chosen platform: the daemon holds one platform of an image",
        );
      }
      query.set("platform", JSON.stringify(platformJson(options.platform)));
    }
    const list = names.map((name) => `"${name}"`).join(", ");
    const response = await this.#api.send({
      method: "GET",
      path: `/images/get?${query}`,
      action: `export ${list} from the daemon`,
      refusalHint: this.#otherWay(),
      signal: options.signal,
    });
    return response.reader();
  }

  /**
   * Exports an image of podman by its own API as an OCI archive; its layers are those that podman has unpacked, compressed
   * anew. It can export every image so, and in Docker's format only those whose layers Docker's manifests can name (no zstd).
   *
   * Throws `unsupported` for a daemon that has no such API.
   */
  async savePodmanImage(id: Digest, signal?: AbortSignal): Promise<BlobReader> {
    const { libpodVersion } = this.info;
    if (libpodVersion === undefined) {
      throw new ImageError("unsupported", "Cannot export an OCI archive: the daemon is not podman");
    }
    const response = await this.#api.send({
      method: "GET",
      version: libpodVersion,
      path: `/libpod${imagePath(hexOf(id))}/get?format=oci-archive`,
      action: `export "${id}" from podman`,
      refusalHint: this.#otherWay(),
      signal,
    });
    return response.reader();
  }

  /** Gives an image a further name; one that has the name loses it. Throws `not-found`. */
  async tagImage(image: string, repository: string, tag: string, signal?: AbortSignal): Promise<void> {
    const query = new URLSearchParams({ repo: repository, tag });
    const action = `tag image "${image}" as "${repository}:${tag}" in the daemon`;
    const response = await this.#api.send({ method: "POST", path: `${imagePath(image)}/tag?${query}`, action, signal });
    await response.discard();
  }

  /** Takes a name off an image, and removes the image when it was the last. Throws `not-found`, `conflict` (in use). */
  async removeImage(name: string, signal?: AbortSignal): Promise<void> {
    const action = `remove image "${name}" from the daemon`;
    const response = await this.#api.send({ method: "DELETE", path: imagePath(name), action, signal });
    await response.discard();
  }

  /** What brings images out of a daemon that it cannot export (nested indexes, images without layers). */
  #otherWay(): string {
    const program = this.info.store === "podman" ? "podman" : "docker";
    return `Push it to a registry with ${program} push, and copy it from there: s3lo copy REGISTRY/NAME:TAG REF`;
  }

  /** Closes idle connections. */
  [Symbol.dispose](): void {
    this.#api[Symbol.dispose]();
  }
}

/** Which images are listed. */
export interface ListImagesOptions {
  /** Only those of this repository, named as `docker images` shows it: `alpine`, `ghcr.io/team/app`. */
  readonly repository?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Settings of a load. */
export interface LoadImageOptions {
  /**
   * The platform of what is loaded, for a daemon that tells platforms apart: it then demands that all of it is there, and
   * unpacks it whatever its own platform is. Default: it unpacks what it can run.
   */
  readonly platform?: Platform | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Settings of an export. */
export interface SaveImageOptions {
  readonly platform?: Platform | undefined;
  readonly signal?: AbortSignal | undefined;
}

function parseList(bytes: Uint8Array): readonly unknown[] {
  let list: unknown;
  let cause: unknown;
  try {
    list = JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    cause = error;
  }
  if (Array.isArray(list)) return list;
  throw new ImageError("invalid-input", "Cannot read the daemon's list of images: it is no JSON list", { cause });
}

/** The path of an image by name or ID; a name that could lead elsewhere is refused. */
function imagePath(name: string): string {
  const isSafe = /^[A-Za-z0-9\[][A-Za-z0-9._:@/\-\[\]]*$/.test(name) &&
    name.split("/").every((part) => part !== "" && part !== "." && part !== "..");
  if (!isSafe) throw new ImageError("invalid-reference", `Invalid image name "${name.slice(0, 200)}"`);
  return `/images/${name.replaceAll("[", "%5B").replaceAll("]", "%5D")}`;
}

function platformJson(platform: Platform): Record<string, unknown> {
  const { os, architecture, variant, osVersion, osFeatures } = platform;
  return {
    os,
    architecture,
    ...(variant ? { variant } : {}),
    ...(osVersion ? { "os.version": osVersion } : {}),
    ...(osFeatures ? { "os.features": osFeatures } : {}),
  };
}
