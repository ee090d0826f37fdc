/** Places for tests of the whole program: local stores, buckets, repositories. */
import {
  CreateBucketCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { HttpClient } from "../../src/http/client.ts";
import { sdkHandler } from "../../src/objects/sdk_handler.ts";
import { blobPath, digestOf } from "../../src/oci/digest.ts";
import type { TestImage } from "../support/images.ts";

/** Writes an image into a folder as a store: blobs first, then the tag. */
export async function writeStore(folder: string, image: string, tag: string, content: TestImage): Promise<void> {
  await Deno.mkdir(`${folder}/blobs/sha256`, { recursive: true });
  await Deno.mkdir(`${folder}/manifests/${image}/${tag}`, { recursive: true });
  for (const [digest, bytes] of content.blobs) await Deno.writeFile(`${folder}/${blobPath(digest)}`, bytes);
  await Deno.writeFile(`${folder}/manifests/${image}/${tag}/manifest.json`, content.root.bytes);
}

/** The bytes of a tag in a folder; undefined when there is none. */
export async function readStoredTag(folder: string, image: string, tag: string): Promise<Uint8Array | undefined> {
  try {
    return await Deno.readFile(`${folder}/manifests/${image}/${tag}/manifest.json`);
  } catch {
    return undefined;
  }
}

/** Throws unless every blob of an image lies in the folder with the right bytes. */
export async function checkBlobs(folder: string, content: TestImage): Promise<void> {
  for (const digest of content.blobs.keys()) {
    const bytes = await Deno.readFile(`${folder}/${blobPath(digest)}`);
    if (digestOf(bytes) !== digest) throw new Error(`${digest} holds other bytes`);
  }
}

/** Every file of a folder, with paths from it, sorted. */
export async function listFiles(folder: string, below = ""): Promise<string[]> {
  const files: string[] = [];
  for await (const entry of Deno.readDir(`${folder}/${below}`)) {
    const path = below === "" ? entry.name : `${below}/${entry.name}`;
    if (entry.isDirectory) files.push(...await listFiles(folder, path));
    else files.push(path);
  }
  return files.sort();
}

/** A server of S3 for tests of the program. */
export interface TestBuckets {
  readonly endpoint: string;
  /** The program's environment: credentials for the server and nothing else of AWS. */
  readonly env: Readonly<Record<string, string>>;
  readonly first: string;
  readonly second: string;
  /** All keys of a bucket. */
  keys(bucket: string): Promise<string[]>;
  /** Writes an object. */
  put(bucket: string, key: string, bytes: Uint8Array): Promise<void>;
  /** An object's bytes. */
  get(bucket: string, key: string): Promise<Uint8Array>;
}

/** Two fresh buckets on the server at `http://access:secret@host:port`. */
export async function makeBuckets(address: string): Promise<TestBuckets & Disposable> {
  const { origin: endpoint, protocol, username, password, hash } = new URL(address);
  const credentials = { accessKeyId: username, secretAccessKey: password };
  // The test itself asks by the program's own client where there is TLS: it trusts whom it is told to.
  const ca = protocol === "https:" ? await Deno.readTextFile(decodeURIComponent(hash.slice(1))) : undefined;
  const http = ca === undefined ? undefined : new HttpClient({ caCertificates: [ca] });
  const client = new S3Client({
    endpoint,
    region: "us-east-1",
    forcePathStyle: true,
    credentials,
    ...(http ? { requestHandler: sdkHandler(http) } : {}),
  });
  const suffix = crypto.randomUUID().slice(0, 12);
  const [first, second] = [`s3lo-cli-a-${suffix}`, `s3lo-cli-b-${suffix}`];
  for (const Bucket of [first, second]) await client.send(new CreateBucketCommand({ Bucket }));
  return {
    endpoint,
    first,
    second,
    env: {
      AWS_ACCESS_KEY_ID: username,
      AWS_SECRET_ACCESS_KEY: password,
      AWS_EC2_METADATA_DISABLED: "true",
      AWS_CONFIG_FILE: "/nonexistent",
      AWS_SHARED_CREDENTIALS_FILE: "/nonexistent",
    },
    async keys(Bucket) {
      const listed = await client.send(new ListObjectsV2Command({ Bucket }));
      return (listed.Contents ?? []).map((object) => object.Key ?? "").sort();
    },
    async put(Bucket, Key, Body) {
      await client.send(new PutObjectCommand({ Bucket, Key, Body }));
    },
    async get(Bucket, Key) {
      return await (await client.send(new GetObjectCommand({ Bucket, Key }))).Body!.transformToByteArray();
    },
    [Symbol.dispose]() {
      client.destroy();
      http?.[Symbol.dispose]();
    },
  };
}

/** A temporary folder that is removed with everything in it. */
export async function tempFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await Deno.makeTempDir({ prefix: "s3lo-cli-" });
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}
