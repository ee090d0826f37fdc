import { createHash, createHmac } from "node:crypto";
import { Buffer } from "node:buffer";
import type { S3Client } from "@aws-sdk/client-s3";

/** The AWS SDK, which takes longer to load than a small command to run. */
export type S3Sdk = typeof import("@aws-sdk/client-s3");

/** An identity that requests are signed with. */
export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
  readonly expiration?: Date;
  /** Where the SDK found them, by names of its own. */
  readonly $source?: Readonly<Record<string, unknown>>;
}

/** Where a bucket is, and what requests to it are signed for. */
export interface S3Base {
  /** The bucket's address; keys follow after a slash. */
  readonly url: URL;
  readonly region: string;
  readonly service: string;
}

/** How a bucket is reached: as whom, and at which address. */
export interface S3Access {
  /** The identity in force; `forceRefresh` has it found anew. */
  credentials(options?: { readonly forceRefresh?: boolean }): Promise<S3Credentials>;
  base(region: string): Promise<S3Base>;
  /** The SDK's client for small calls, and the SDK; loaded when it is first asked for. */
  client(): Promise<{ readonly client: S3Client; readonly sdk: S3Sdk }>;
  /** Lets the client go. */
  close(): void;
}

/** Makes the SDK's client; `region` is asked at every request. */
export type MakeClient = (sdk: S3Sdk) => S3Client;

/** Access by the SDK alone: every way in which credentials and endpoints can be set. */
export class SdkAccess implements S3Access {
  readonly #bucket: string;
  readonly #endpoint: string | undefined;
  readonly #make: MakeClient;
  #opened: Promise<{ readonly client: S3Client; readonly sdk: S3Sdk }> | undefined;
  #client: S3Client | undefined;

  /** `endpoint`: a custom one; undefined for AWS itself. */
  constructor(bucket: string, endpoint: string | undefined, make: MakeClient) {
    this.#bucket = bucket;
    this.#endpoint = endpoint;
    this.#make = make;
  }

  async credentials(options?: { readonly forceRefresh?: boolean }): Promise<S3Credentials> {
    const provider = (await this.client()).client.config.credentials as (
      options?: { readonly forceRefresh?: boolean },
    ) => Promise<S3Credentials>;
    return await provider(options);
  }

  async base(region: string): Promise<S3Base> {
    const { config } = (await this.client()).client;
    const { url, properties } = config.endpointProvider({
      Bucket: this.#bucket,
      Region: region,
      ForcePathStyle: this.#endpoint !== undefined,
      UseFIPS: await config.useFipsEndpoint(),
      UseDualStack: await config.useDualstackEndpoint(),
      ...(this.#endpoint === undefined ? {} : { Endpoint: this.#endpoint }),
    });
    const schemes = properties?.authSchemes as readonly { signingRegion?: string; signingName?: string }[] | undefined;
    return { url, region: schemes?.[0]?.signingRegion ?? region, service: schemes?.[0]?.signingName ?? "s3" };
  }

  client(): Promise<{ readonly client: S3Client; readonly sdk: S3Sdk }> {
    return this.#opened ??= import("@aws-sdk/client-s3").then((sdk) => {
      const client = this.#client = this.#make(sdk);
      return { client, sdk };
    });
  }

  close(): void {
    this.#client?.destroy();
  }
}

/** A digest or, with a secret, a keyed one, in the shape that the signer asks for. */
export class SigningHash {
  readonly #secret: Uint8Array | undefined;
  #hash: ReturnType<typeof createHash> | ReturnType<typeof createHmac>;

  /** Starts empty. */
  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    this.#secret = secret === undefined ? undefined : bytesOf(secret);
    this.#hash = this.#start();
  }

  /** Adds bytes, or text as UTF-8. */
  update(data: string | ArrayBuffer | ArrayBufferView): void {
    this.#hash.update(bytesOf(data));
  }

  /** The 32 bytes. */
  digest(): Promise<Uint8Array> {
    return Promise.resolve(new Uint8Array(this.#hash.digest()));
  }

  /** Starts again. */
  reset(): void {
    this.#hash = this.#start();
  }

  #start(): ReturnType<typeof createHash> | ReturnType<typeof createHmac> {
    return this.#secret === undefined ? createHash("sha256") : createHmac("sha256", this.#secret);
  }
}

function bytesOf(data: string | ArrayBuffer | ArrayBufferView): Uint8Array {
  if (typeof data === "string") return new TextEncoder().encode(data);
  return data instanceof ArrayBuffer
    ? new Uint8Array(data)
    : Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}
