import { bytesReader } from "../../src/bytes/blob_reader.ts";
import { HttpClient } from "../../src/http/client.ts";
import type { HttpRequest, HttpResponse } from "../../src/http/message.ts";
import { openS3Store, type S3StoreOptions } from "../../src/objects/open_s3_store.ts";
import { withEnvironment } from "./s3_kit.ts";

const PERMISSIONS: Deno.PermissionOptions = { env: true, read: "inherit", sys: "inherit" };

/** How requests are answered: with 200 and nothing, unless said otherwise. */
export type Answering = (request: HttpRequest) => { status?: number; headers?: Record<string, string>; body?: string };

/** A client that notes requests for AWS and answers them itself; nothing leaves the machine. */
export class NotingClient extends HttpClient {
  readonly requests: HttpRequest[] = [];
  readonly #answer: Answering;

  constructor(answer: Answering = () => ({})) {
    super();
    this.#answer = answer;
  }

  override send(request: HttpRequest): Promise<HttpResponse> {
    this.requests.push(request);
    const { status = 200, headers = { etag: '"e"' }, body = "" } = this.#answer(request);
    const bytes = new TextEncoder().encode(body);
    return Promise.resolve({
      status,
      headers: new Headers(headers),
      reader: () => bytesReader(bytes),
      bytes: () => Promise.resolve(bytes),
      discard: () => Promise.resolve(),
    });
  }

  /** `METHOD address`, without the query. */
  lines(): string[] {
    return this.requests.map(({ method, url }) => `${method} ${url.split("?")[0]}`);
  }
}

/** A test of a bucket on AWS itself, with credentials in the environment and an answer for every request. */
export function onAws(
  name: string,
  answer: Answering,
  body: (
    http: NotingClient,
    open: (options: Partial<S3StoreOptions>) => ReturnType<typeof openS3Store>,
  ) => Promise<void>,
): void {
  Deno.test({
    name,
    permissions: PERMISSIONS,
    fn: async () => {
      using _environment = withEnvironment({
        AWS_ACCESS_KEY_ID: "AKIAEXAMPLE",
        AWS_SECRET_ACCESS_KEY: "very-secret-text",
        AWS_CONFIG_FILE: "/nonexistent",
        AWS_PROFILE: undefined,
        AWS_REGION: undefined,
        AWS_DEFAULT_REGION: undefined,
        AWS_ENDPOINT_URL: undefined,
        AWS_ENDPOINT_URL_S3: undefined,
      });
      using http = new NotingClient(answer);
      await body(
        http,
        (options) => openS3Store({ bucket: "my-bucket", http, retryDelayMs: 1, partBytes: 1000, ...options }),
      );
    },
  });
}
