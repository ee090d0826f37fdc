import type { RetryOptions, Wait } from "../bytes/retry.ts";
import { ImageStore } from "../bucket/image_store.ts";
import { HttpClient } from "../http/client.ts";
import { trustFinder } from "../http/find_trust.ts";
import type { HttpOptions } from "../http/message.ts";
import { type CopyOptions, DEFAULT_CONCURRENT_BLOBS } from "../image/copy_image.ts";
import type { CompressionOptions } from "../archive/layer_compression.ts";
import type { EngineClient } from "../engine/engine_client.ts";
import type { ObjectStore } from "../objects/object_store.ts";
import type { RegistryAccess, RegistrySession } from "../registry/session.ts";
import type { StandardStreams } from "./archive_streams.ts";
import type { OnPhase } from "../archive/phase.ts";
import { type BucketDefaults, CredentialOwners, type PlaceDefaults, type Side, type SideOptions } from "./sides.ts";

/** What holds for everything that one run opens, on both sides; what a side has of its own goes before. */
export interface SessionOptions extends SideOptions {
  /** Only for what images are read from. */
  readonly source?: SideOptions | undefined;
  /** Only for what images are written to. */
  readonly target?: SideOptions | undefined;
  readonly storageClass?: string | undefined;
  readonly sseKmsKeyId?: string | undefined;
  /** PEM files of further certificate authorities. */
  readonly caFiles?: readonly string[];
  /** Whether TLS certificates go unchecked. */
  readonly insecure?: boolean;
  /** What holds for a bucket or registry where nothing above says otherwise. */
  readonly defaults?: PlaceDefaults | undefined;
  /** The daemon's address; otherwise DOCKER_HOST, the docker context, or the first usual socket that answers. */
  readonly dockerHost?: string | undefined;
  /** What `-` stands for as an archive. */
  readonly streams?: StandardStreams;
  /** How layers are stored that come as raw tars. */
  readonly compression?: CompressionOptions;
  readonly concurrentBlobs?: number | undefined;
  /** Wait before the first retry of anything; it doubles from there. For programs; the command line keeps the defaults. */
  readonly retryDelayMs?: number | undefined;
  /** Longest silence of a server while something is expected of it. For programs, like `retryDelayMs`. */
  readonly stallTimeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Told of an upload that was cut off and whose parts the bucket keeps for the next run. */
  readonly onKept?: ((place: string, storedBytes: number) => void) | undefined;
  /** Told of every wait for a server: before another try, before a download goes on, for a first answer. */
  readonly onWait?: ((wait: Wait) => void) | undefined;
  /** Told, again and again while it goes on, of what takes long before bytes move. */
  readonly onPhase?: OnPhase | undefined;
  /** Told of every request, with nothing secret in it. */
  readonly log?: ((line: string) => void) | undefined;
}

/** What one run shares between all references: connections, tokens, opened stores. Dispose it at the end. */
export class Session implements AsyncDisposable {
  readonly options: SessionOptions;
  readonly #stores = new Map<string, Promise<ObjectStore & AsyncDisposable>>();
  #client: HttpClient | undefined;
  #registry: Promise<RegistrySession> | undefined;
  #engine: Promise<EngineClient> | undefined;
  readonly #owners = new CredentialOwners();
  #careful: number | undefined;

  /** Opens nothing yet. */
  constructor(options: SessionOptions = {}) {
    this.options = options;
  }

  /** Blobs in flight at once. */
  get concurrentBlobs(): number {
    // Where places that were opened so far want different numbers, the most careful one holds.
    return this.options.concurrentBlobs ?? this.#careful ?? DEFAULT_CONCURRENT_BLOBS;
  }

  /** Stops everything that runs. */
  get signal(): AbortSignal | undefined {
    return this.options.signal;
  }

  /** What every copy of this run has in common. */
  get copyOptions(): Pick<CopyOptions, "concurrentBlobs" | "retryDelayMs" | "onWait" | "signal"> {
    const { retryDelayMs, onWait } = this.options;
    return {
      concurrentBlobs: this.concurrentBlobs,
      signal: this.signal,
      onWait,
      ...(retryDelayMs === undefined ? {} : { retryDelayMs }),
    };
  }

  /** How patiently requests of this run are tried again. */
  get retry(): RetryOptions {
    const { retryDelayMs, onWait } = this.options;
    return { signal: this.signal, onWait, ...(retryDelayMs === undefined ? {} : { baseDelayMs: retryDelayMs }) };
  }

  /**
   * What a registry is spoken to with. Credentials that were given belong to the first registry that asks for them here.
   * Throws `usage` for a second one.
   */
  registryAccess(registry: string, side: Side): RegistryAccess {
    const own = this.options[side] ?? {};
    const defaults = this.options.defaults?.registry(registry) ?? {};
    this.#beCareful(defaults.concurrentBlobs);
    const credentials = own.credentials ?? this.options.credentials;
    if (credentials) this.#owners.claim(credentials, registry, side);
    return {
      ...(credentials ? { credentials: { kind: "password", ...credentials } } : {}),
      awsProfile: own.profile ?? this.options.profile ?? defaults.profile,
      plainHttp: own.plainHttp ?? this.options.plainHttp ?? defaults.plainHttp,
    };
  }

  #beCareful(concurrentBlobs: number | undefined): void {
    if (concurrentBlobs !== undefined) this.#careful = Math.min(this.#careful ?? Infinity, concurrentBlobs);
  }

  /** The connections to registries. */
  async registry(): Promise<RegistrySession> {
    return await (this.#registry ??= this.#openRegistry());
  }

  /** The container daemon. Throws `unavailable`, saying what was tried, when there is none. */
  async engine(): Promise<EngineClient> {
    const { findEngine } = await import("../engine/find_engine.ts");
    const { dockerHost, log } = this.options;
    return await (this.#engine ??= findEngine({ dockerHost, log, signal: this.signal }));
  }

  /** The images in an S3 bucket; the same store for both sides where they reach it in the same way. */
  async bucket(bucket: string, side: Side): Promise<ImageStore> {
    const defaults = this.options.defaults?.bucket(bucket) ?? {};
    this.#beCareful(defaults.concurrentBlobs);
    const { endpoint, region, profile, storageClass, sseKmsKeyId } = {
      ...defaults,
      ...defined(this.options),
      ...defined(this.options[side] ?? {}),
    };
    const place = { bucket, endpoint, region, profile, storageClass, sseKmsKeyId };
    return new ImageStore(await this.#store(JSON.stringify(Object.values(place)), () => this.#openBucket(place)));
  }

  /** The images in a folder. Throws `not-found` when it is no store to read, `conflict` when it holds something else. */
  async folder(
    folder: string,
    options: { readonly access: "read" | "write"; readonly create?: boolean; readonly isNamed?: boolean },
  ): Promise<ImageStore> {
    const open = async () => {
      const { openLocalStore } = await import("../objects/open_local_store.ts");
      return await openLocalStore({ folder, ...options, signal: this.signal, log: this.options.log });
    };
    return new ImageStore(await this.#store(`${options.access} ${folder}`, open));
  }

  /** Closes every store and connection. */
  async [Symbol.asyncDispose](): Promise<void> {
    const opened = await Promise.allSettled([...this.#stores.values()]);
    await Promise.all(
      opened.map(async (store) => store.status === "fulfilled" && await store.value[Symbol.asyncDispose]()),
    );
    const closable = await Promise.allSettled([this.#registry, this.#client, this.#engine]);
    for (const each of closable) if (each.status === "fulfilled") each.value?.[Symbol.dispose]();
  }

  /** A store that is opened once; a failed opening is forgotten. */
  async #store(key: string, open: () => Promise<ObjectStore & AsyncDisposable>): Promise<ObjectStore> {
    const opening = this.#stores.get(key) ?? open();
    this.#stores.set(key, opening);
    try {
      return await opening;
    } catch (error) {
      this.#stores.delete(key);
      throw error;
    }
  }

  async #openBucket(
    place: { readonly bucket: string } & Omit<BucketDefaults, "concurrentBlobs">,
  ): Promise<ObjectStore & AsyncDisposable> {
    const { openS3Store } = await import("../objects/open_s3_store.ts");
    const { log, retryDelayMs, onKept, onWait } = this.options;
    const http = this.#client ??= new HttpClient(this.#httpOptions("buckets"));
    return await openS3Store({
      ...place,
      http,
      log,
      signal: this.signal,
      retryDelayMs,
      onWait,
      onKept: (_key, storedBytes) => onKept?.(`s3://${place.bucket}`, storedBytes),
    });
  }

  async #openRegistry(): Promise<RegistrySession> {
    const { RegistrySession } = await import("../registry/session.ts");
    return new RegistrySession({
      http: this.#httpOptions("registries"),
      retry: this.retry,
      plainHttp: this.options.plainHttp ?? false,
    });
  }

  /** How connections of this run are made, for what speaks HTTP beside it. */
  get httpOptions(): HttpOptions {
    return this.#httpOptions("buckets");
  }

  #httpOptions(places: "buckets" | "registries"): HttpOptions {
    const { caFiles = [], insecure = false, log, stallTimeoutMs, onWait } = this.options;
    return {
      trust: trustFinder({
        files: caFiles.map((path) => ({ path, from: "--ca-cert" })),
        variables: places === "buckets" ? ["AWS_CA_BUNDLE"] : [],
        hostCertificates: places === "registries",
        log,
      }),
      insecure,
      log,
      onWait,
      ...(stallTimeoutMs === undefined ? {} : { stallTimeoutMs }),
    };
  }
}

/** The members that are set. */
function defined<T extends object>(given: T): Partial<T> {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as Partial<T>;
}
