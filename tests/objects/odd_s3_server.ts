import { HttpClient } from "../../src/http/client.ts";
import { openS3Store, type S3StoreOptions } from "../../src/objects/open_s3_store.ts";
import type { S3Store } from "../../src/objects/s3_store.ts";
import { type ScriptedServer, serveScript } from "../support/scripted_server.ts";
import {
  carryOut,
  type OddRequest,
  operationOf,
  type PendingUpload,
  refuse,
  type StoredObject,
  wrongChecksum,
} from "./odd_s3_answers.ts";
import { withEnvironment } from "./s3_kit.ts";

export { type OddRequest, refuse };

/** What a server does otherwise than S3; undefined where it does not. */
export type Quirk = (request: OddRequest) => Response | undefined;

/** A small S3 in memory, which a test makes misbehave, and a store over its bucket. */
export interface OddS3 extends AsyncDisposable {
  readonly server: ScriptedServer;
  readonly store: S3Store;
  readonly objects: Map<string, StoredObject>;
  readonly uploads: Map<string, PendingUpload>;
  /** Every request so far. */
  readonly requests: OddRequest[];
  /** The operations of all requests so far. */
  operations(): string[];
  /** The debug log. */
  readonly lines: string[];
  /** Another store over a bucket of this server. */
  open(options?: Partial<S3StoreOptions>): Promise<S3Store>;
}

/** Starts the server with its quirks. Credentials are in the environment for as long as it runs. */
export async function oddS3(quirk: Quirk = () => undefined, options: Partial<S3StoreOptions> = {}): Promise<OddS3> {
  const objects = new Map<string, StoredObject>();
  const uploads = new Map<string, PendingUpload>();
  const requests: OddRequest[] = [];
  const server = serveScript(({ method, path, headers: sent, body }) => {
    // A quirk may overlook some of them.
    const headers = new Headers(sent);
    const url = new URL(path, "http://odd");
    const [bucket = "", ...rest] = url.pathname.slice(1).split("/").map(decodeURIComponent);
    const operation = operationOf(method, rest.length > 0 && rest[0] !== "", url.searchParams, headers);
    const request: OddRequest = {
      operation,
      bucket,
      key: rest.join("/"),
      query: url.searchParams,
      headers,
      body,
      earlier: requests.filter((one) => one.operation === operation).length,
      proceed: () => wrongChecksum(headers, body) ?? carryOut(request, { objects, uploads }),
    };
    requests.push(request);
    return quirk(request) ?? request.proceed();
  });
  const environment = withEnvironment({
    AWS_ACCESS_KEY_ID: "AKIAODDSERVERTEST",
    AWS_SECRET_ACCESS_KEY: "very-secret-text",
    AWS_SESSION_TOKEN: undefined,
    AWS_PROFILE: undefined,
    AWS_REGION: undefined,
    AWS_DEFAULT_REGION: undefined,
    AWS_EC2_METADATA_DISABLED: "true",
  });
  const lines: string[] = [];
  const http = new HttpClient({ log: (line) => lines.push(line) });
  const open = (more: Partial<S3StoreOptions> = {}) =>
    openS3Store({
      bucket: "odd",
      endpoint: server.origin,
      http,
      log: (line) => lines.push(line),
      partBytes: 1000,
      concurrency: 3,
      retryDelayMs: 1,
      ...options,
      ...more,
    });
  return {
    server,
    store: await open(),
    objects,
    uploads,
    requests,
    operations: () => requests.map(({ operation }) => operation),
    lines,
    open,
    async [Symbol.asyncDispose]() {
      http[Symbol.dispose]();
      await server[Symbol.asyncDispose]();
      environment[Symbol.dispose]();
    },
  };
}
