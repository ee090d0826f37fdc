/** The places of a soak: a registry, an S3 server, folders, images in all of them, and what must hold there. */
import { CreateBucketCommand, DeleteBucketCommand, DeleteObjectsCommand, S3Client } from "@aws-sdk/client-s3";
import { ListMultipartUploadsCommand, ListObjectsV2Command } from "@aws-sdk/client-s3";
import { readAll } from "../../src/bytes/blob_reader.ts";
import { copyImage } from "../../src/image/copy_image.ts";
import type { ObjectStore } from "../../src/objects/object_store.ts";
import { blobPath, digestOf } from "../../src/oci/digest.ts";
import { Session, type SessionOptions } from "../../src/transports/session.ts";
import { writeStore } from "../cli/places.ts";
import { indexOf, multiImage, singleImage, type TestImage } from "../support/images.ts";
import { MemoryTarget } from "../support/memory_place.ts";
import { copyCommand, openSource } from "../support/by_text.ts";

/** The images that are moved about, by the tag that they have everywhere. */
export function soakImages(): ReadonlyMap<string, TestImage> {
  const amd64 = { os: "linux", architecture: "amd64" };
  return new Map([
    ["multi", multiImage({ seed: 1, layersPerPlatform: 2, layerBytes: 60_000, attestations: true })],
    ["single", singleImage(amd64, { seed: 2, layersPerPlatform: 4, layerBytes: 200_000 })],
    ["arm64", singleImage({ os: "linux", architecture: "arm64" }, { seed: 3, compression: "zstd" })],
    ["nested", indexOf([multiImage({ seed: 4 }), singleImage({ os: "linux", architecture: "386" }, { seed: 5 })])],
    ["big", singleImage(amd64, { seed: 6, layersPerPlatform: 1, layerBytes: 20 * 1024 * 1024, compression: "none" })],
  ]);
}

/** Servers by address: `http://access:secret@host:port`, `http://host:port`. */
export interface SoakServers {
  readonly s3: string;
  readonly registry: string;
}

/** Everything that outlives a round. */
export class World implements AsyncDisposable {
  readonly images = soakImages();
  readonly folder: string;
  readonly sourceBucket: string;
  /** Repository (below the registry's host) and image name of the sources. */
  readonly repository = `soak-${crypto.randomUUID().slice(0, 8)}/app`;
  readonly s3Origin: string;
  readonly registryHost: string;
  readonly #client: S3Client;
  #buckets = 0;

  private constructor(servers: SoakServers, folder: string) {
    const { origin, username, password } = new URL(servers.s3);
    this.folder = folder;
    this.s3Origin = origin;
    this.registryHost = new URL(servers.registry).host;
    this.sourceBucket = `s3lo-soak-${crypto.randomUUID().slice(0, 12)}`;
    const credentials = { accessKeyId: username, secretAccessKey: password };
    this.#client = new S3Client({ endpoint: origin, region: "us-east-1", forcePathStyle: true, credentials });
    Deno.env.set("AWS_ACCESS_KEY_ID", username);
    Deno.env.set("AWS_SECRET_ACCESS_KEY", password);
    Deno.env.set("AWS_EC2_METADATA_DISABLED", "true");
  }

  /** Puts every image into a folder, a bucket, a repository and an archive. */
  static async make(servers: SoakServers): Promise<World> {
    const world = new World(servers, await Deno.makeTempDir({ prefix: "s3lo-soak-" }));
    await world.#client.send(new CreateBucketCommand({ Bucket: world.sourceBucket }));
    await using session = world.session();
    for (const [tag, image] of world.images) {
      await writeStore(`${world.folder}/source`, "app", tag, image);
      const source = `local://${world.folder}/source//app:${tag}`;
      await copyCommand(session, source, `s3://${world.sourceBucket}/app:${tag}`);
      await copyCommand(session, source, `${world.registryHost}/${world.repository}:${tag}`);
      await copyCommand(session, source, `oci-archive:${world.folder}/${tag}.tar:app:${tag}`);
    }
    return world;
  }

  /** A session straight to the servers. */
  session(options: SessionOptions = {}): Session {
    return new Session({ endpoint: this.s3Origin, region: "us-east-1", plainHttp: true, retryDelayMs: 5, ...options });
  }

  /** A fresh bucket. */
  async makeBucket(): Promise<string> {
    const Bucket = `${this.sourceBucket}-${this.#buckets++}`;
    await this.#client.send(new CreateBucketCommand({ Bucket }));
    return Bucket;
  }

  /** Removes a bucket and what is in it. */
  async removeBucket(Bucket: string): Promise<void> {
    const { Contents = [] } = await this.#client.send(new ListObjectsV2Command({ Bucket }));
    const Objects = Contents.map(({ Key }) => ({ Key }));
    if (Objects.length > 0) await this.#client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }));
    await this.#client.send(new DeleteBucketCommand({ Bucket }));
  }

  /** How many uploads of an image's blobs a bucket holds unfinished. */
  async unfinished(Bucket: string, image: TestImage): Promise<number> {
    let count = 0;
    for (const [digest, { byteLength }] of image.blobs) {
      if (byteLength <= 8 * 1024 * 1024) continue;
      const listed = await this.#client.send(new ListMultipartUploadsCommand({ Bucket, Prefix: blobPath(digest) }));
      count += listed.Uploads?.length ?? 0;
    }
    return count;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.removeBucket(this.sourceBucket);
    this.#client.destroy();
    await Deno.remove(this.folder, { recursive: true });
  }
}

/** What is wrong with a store: blobs whose bytes are not those of their names, tags that are not complete. */
export async function storeViolations(objects: ObjectStore, session: Session, prefix: string): Promise<string[]> {
  const violations: string[] = [];
  for await (const page of objects.list("")) {
    for (const { key } of page) {
      const [, hex] = /^blobs\/sha256\/([0-9a-f]{64})$/.exec(key) ?? [];
      if (hex !== undefined) {
        await using reader = await objects.open(key);
        const bytes = await readAll(reader, 64 * 1024 * 1024, key);
        if (digestOf(bytes) !== `sha256:${hex}`) violations.push(`${key} holds other bytes`);
      }
      const [, image, tag] = /^manifests\/(.+)\/([^/]+)\/manifest\.json$/.exec(key) ?? [];
      if (image !== undefined) violations.push(...await imageViolations(session, `${prefix}${image}:${tag}`));
    }
  }
  return violations;
}

/** What is wrong with an image that can be seen: everything below it must be there, byte for byte. */
export async function imageViolations(session: Session, reference: string): Promise<string[]> {
  try {
    await using source = await openSource(session, reference);
    await copyImage(source, new MemoryTarget());
    return [];
  } catch (error) {
    return [`${reference}: ${error}`];
  }
}

/** The digest that a reference has; undefined when there is no such image. */
export async function digestAt(session: Session, reference: string): Promise<string | undefined> {
  try {
    await using source = await openSource(session, reference);
    return (await source.root()).descriptor.digest;
  } catch {
    return undefined;
  }
}
