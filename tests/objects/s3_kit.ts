import type { S3Client } from "@aws-sdk/client-s3";
import { HttpClient } from "../../src/http/client.ts";
import { openS3Store, type S3StoreOptions } from "../../src/objects/open_s3_store.ts";
import { sdkHandler } from "../../src/objects/sdk_handler.ts";
import { serviceAddress } from "../support/services.ts";
import type { StoreKit } from "./object_store_contract.ts";

/** S3's smallest part, so that tests with several parts stay quick. */
const PART_BYTES = 5 * 1024 * 1024;

/** Everything of a test against a real S3 server. */
export interface S3Kit extends StoreKit {
  readonly bucket: string;
  readonly otherBucket: string;
  readonly endpoint: string;
  readonly http: HttpClient;
  /** The SDK's own client, for looking behind the store. */
  readonly client: S3Client;
  /** Every line of the debug log so far. */
  readonly lines: string[];
}

/** Sets environment variables; disposing restores them. */
export function withEnvironment(values: Readonly<Record<string, string | undefined>>): Disposable {
  const before = Object.keys(values).map((name) => [name, Deno.env.get(name)] as const);
  const set = (name: string, value: string | undefined) =>
    value === undefined ? Deno.env.delete(name) : Deno.env.set(name, value);
  for (const [name, value] of Object.entries(values)) set(name, value);
  return { [Symbol.dispose]: () => before.forEach(([name, value]) => set(name, value)) };
}

/** Two fresh buckets on the server at `http://access:secret@host:port`, and stores over them. */
export async function s3Kit(address: string, options: Partial<S3StoreOptions> = {}): Promise<S3Kit> {
  const { S3Client, CreateBucketCommand, ListMultipartUploadsCommand } = await import("@aws-sdk/client-s3");
  const url = new URL(address);
  const environment = withEnvironment({
    AWS_ACCESS_KEY_ID: url.username,
    AWS_SECRET_ACCESS_KEY: url.password,
    AWS_REGION: undefined,
    AWS_EC2_METADATA_DISABLED: "true",
  });
  const endpoint = url.origin;
  const lines: string[] = [];
  const http = new HttpClient({ log: (line) => lines.push(line) });
  const client = new S3Client({
    endpoint,
    region: "us-east-1",
    forcePathStyle: true,
    requestHandler: sdkHandler(http),
    credentials: { accessKeyId: url.username, secretAccessKey: url.password },
  });
  const suffix = crypto.randomUUID().slice(0, 12);
  const [bucket, otherBucket] = [`s3lo-a-${suffix}`, `s3lo-b-${suffix}`];
  for (const Bucket of [bucket, otherBucket]) await client.send(new CreateBucketCommand({ Bucket }));
  const open = (name: string) =>
    openS3Store({
      bucket: name,
      endpoint,
      http,
      log: (line) => lines.push(line),
      concurrency: 4,
      partBytes: PART_BYTES,
      ...options,
    });
  return {
    bucket,
    otherBucket,
    endpoint,
    http,
    client,
    lines,
    partBytes: PART_BYTES,
    // Versity's gateway shows the time of the file, which such a copy leaves alone.
    refreshes: address !== serviceAddress("versity"),
    store: await open(bucket),
    other: await open(otherBucket),
    async leftovers() {
      const pending = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket }));
      return pending.Uploads?.length ?? 0;
    },
    again: () => open(bucket),
    async [Symbol.asyncDispose]() {
      for (const name of [bucket, otherBucket]) await emptyAndDelete(client, name);
      client.destroy();
      http[Symbol.dispose]();
      environment[Symbol.dispose]();
    },
  };
}

async function emptyAndDelete(client: S3Client, bucket: string): Promise<void> {
  const { DeleteBucketCommand, DeleteObjectCommand, ListObjectsV2Command } = await import("@aws-sdk/client-s3");
  while (true) {
    const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: bucket }));
    if (Contents.length === 0) break;
    for (const { Key } of Contents) await client.send(new DeleteObjectCommand({ Bucket: bucket, Key }));
  }
  await client.send(new DeleteBucketCommand({ Bucket: bucket }));
}
