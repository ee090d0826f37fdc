import type { S3Client } from "@aws-sdk/client-s3";
import type { HttpClient } from "../http/client.ts";
import type { AddressQuestion, S3Address } from "./s3_endpoint.ts";
import type { S3Keys } from "./s3_credentials.ts";

/** What the SDK is told. */
export interface AwsSdkOptions {
  readonly profile: string | undefined;
  /** Carries what is sent to services that give credentials. */
  readonly http: HttpClient;
  readonly log: ((line: string) => void) | undefined;
  /** The region in use, which credentials are asked for in where their profile names none. */
  readonly region: () => string;
}

/**
 * AWS's SDK, for what is seldom and many-sided: identities that are no plain keys, and addresses that are no plain hosts. It is
 * loaded when it is first asked: that takes several times as long as everything else in a small command.
 */
export class AwsSdk {
  readonly #options: AwsSdkOptions;
  #client: Promise<S3Client> | undefined;

  /** Loads nothing yet. */
  constructor(options: AwsSdkOptions) {
    this.#options = options;
  }

  /** Keys by the SDK's whole chain, which keeps them for as long as they are good. */
  async keys(options: { readonly forceRefresh?: boolean } = {}): Promise<S3Keys> {
    const { config } = await this.#loaded();
    const find = config.credentials as (options: object) => ReturnType<typeof config.credentials>;
    const { accessKeyId, secretAccessKey, sessionToken, ...rest } = await find(options);
    const { $source = {} } = rest as { $source?: Readonly<Record<string, string>> };
    const source = Object.keys($source).filter((name) => name.startsWith("CREDENTIALS_"))
      .map((name) => name.slice("CREDENTIALS_".length).toLowerCase().replaceAll("_", " ")).join(", ");
    return { accessKeyId, secretAccessKey, sessionToken, source };
  }

  /** The region that the files of this machine name; undefined where they name none. */
  async configuredRegion(): Promise<string | undefined> {
    const { S3Client } = await import("@aws-sdk/client-s3");
    const { profile } = this.#options;
    const client = new S3Client(profile === undefined ? {} : { profile });
    const region = await client.config.region().catch(() => undefined); // it found none
    client.destroy();
    return region;
  }

  /** An address by AWS's own rules, and what requests to it are signed for. */
  async address({ bucket, region, endpoint, isPathStyle }: AddressQuestion): Promise<S3Address> {
    const { config } = await this.#loaded();
    const { url, properties } = config.endpointProvider({
      ...(bucket === undefined ? {} : { Bucket: bucket }),
      Region: region,
      ...(isPathStyle === undefined ? {} : { ForcePathStyle: isPathStyle }),
      UseFIPS: await config.useFipsEndpoint(),
      UseDualStack: await config.useDualstackEndpoint(),
      ...(endpoint === undefined ? {} : { Endpoint: endpoint }),
    });
    const schemes = properties?.authSchemes as readonly { signingRegion?: string; signingName?: string }[] | undefined;
    return { url, region: schemes?.[0]?.signingRegion ?? region, service: schemes?.[0]?.signingName ?? "s3" };
  }

  /** Lets the client go, if there is one. */
  close(): void {
    this.#client?.then((client) => client.destroy(), () => {});
  }

  #loaded(): Promise<S3Client> {
    return this.#client ??= this.#load();
  }

  async #load(): Promise<S3Client> {
    const [{ S3Client }, { sdkHandler }] = await Promise.all([
      import("@aws-sdk/client-s3"),
      import("./sdk_handler.ts"),
    ]);
    // On some versions of the runtime the SDK uses what is deprecated there: nothing that users can act on.
    (globalThis.process as { noDeprecation?: boolean }).noDeprecation = true;
    const { profile, http, log, region } = this.#options;
    return new S3Client({
      region: () => Promise.resolve(region()),
      requestHandler: sdkHandler(http),
      maxAttempts: 1,
      logger: new SdkLog(log),
      ...(profile === undefined ? {} : { profile }),
    });
  }
}

/** What the SDK has to say goes to the debug log: it would else write to the terminal. */
class SdkLog {
  readonly #log: ((line: string) => void) | undefined;

  constructor(log: ((line: string) => void) | undefined) {
    this.#log = log;
  }

  warn(...words: unknown[]): void {
    this.#log?.(words.map(String).join(" ").replaceAll(/\s+/g, " "));
  }

  error(...words: unknown[]): void {
    this.warn(...words);
  }

  info(): void {}
  debug(): void {}
  trace(): void {}
}
