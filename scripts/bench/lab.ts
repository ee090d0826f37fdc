/** The servers that a bench runs against, and the places on them: buckets, registries, a daemon. */
import { CreateBucketCommand, DeleteBucketCommand, S3Client } from "@aws-sdk/client-s3";
import { capture } from "../services/run.ts";
import { ServerProcess } from "../services/server_process.ts";
import { Session } from "../services/session.ts";
import { answers } from "../services/site.ts";
import { type Distance, type Traffic, Wire } from "./wire.ts";

/** A side of a copy, as traffic is counted. */
export type Side = "source" | "target";

/** A registry that was started for the bench. */
export interface BenchRegistry {
  /** `127.0.0.1:port`. */
  readonly host: string;
  /** The bucket behind it; undefined when it stores files. */
  readonly bucket: string | undefined;
  stop(): Promise<void>;
}

/** Starts services, makes fresh places, and lays wires to them. */
export class Lab implements AsyncDisposable {
  readonly folder: string;
  readonly #session: Session;
  readonly #client: S3Client;
  readonly #s3: URL;
  readonly #registries = new Set<BenchRegistry>();
  readonly #wires = new Map<string, { readonly wire: Wire; readonly side: Side }>();
  #names = 0;

  private constructor(session: Session, folder: string) {
    this.#session = session;
    this.folder = folder;
    this.#s3 = new URL(session.variables["S3LO_TEST_S3_MINIO"] ?? "");
    this.#client = new S3Client({
      endpoint: this.#s3.origin,
      region: "us-east-1",
      forcePathStyle: true,
      credentials: { accessKeyId: this.#s3.username, secretAccessKey: this.#s3.password },
    });
  }

  /** Starts the services; `engine` names the one whose daemon takes part, if any does. */
  static async open(engine: "docker20" | "docker29" | undefined): Promise<Lab> {
    const session = new Session();
    try {
      await session.start(engine ? [engine] : []);
      return new Lab(session, await Deno.makeTempDir({ prefix: "s3lo-bench-" }));
    } catch (error) {
      await session[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Where the S3 server is: `127.0.0.1:port`. */
  get s3Host(): string {
    return this.#s3.host;
  }

  /** The path of the daemon's socket. */
  get engineSocket(): string {
    const { variables } = this.#session;
    return variables["S3LO_TEST_DOCKER20"] ?? variables["S3LO_TEST_DOCKER29"] ?? "";
  }

  /** A program of the services' folder or of the system; undefined when it is not there. */
  async program(name: string): Promise<string | undefined> {
    const folders = [this.#session.variables["S3LO_TEST_PROGRAMS"], ...(Deno.env.get("PATH") ?? "").split(":")];
    for (const folder of folders) {
      if (folder && await Deno.stat(`${folder}/${name}`).then((found) => found.isFile, () => false)) {
        return `${folder}/${name}`;
      }
    }
    return undefined;
  }

  /** The environment of every tool: credentials for the S3 server, and nothing of the user's own settings. */
  get env(): Readonly<Record<string, string>> {
    return {
      HOME: this.folder,
      TMPDIR: this.folder,
      DOCKER_CONFIG: this.folder,
      AWS_ACCESS_KEY_ID: this.#s3.username,
      AWS_SECRET_ACCESS_KEY: this.#s3.password,
      AWS_REGION: "us-east-1",
      AWS_EC2_METADATA_DISABLED: "true",
      NO_COLOR: "1",
    };
  }

  /** A fresh bucket. */
  async makeBucket(): Promise<string> {
    const bucket = `bench-${crypto.randomUUID().slice(0, 8)}-${this.#names++}`;
    await this.#client.send(new CreateBucketCommand({ Bucket: bucket }));
    return bucket;
  }

  /** Removes a bucket with all that is in it, in MinIO's way. */
  async dropBucket(bucket: string): Promise<void> {
    const command = new DeleteBucketCommand({ Bucket: bucket });
    command.middlewareStack.add((next) => (args) => {
      (args.request as { headers: Record<string, string> }).headers["x-minio-force-delete"] = "true";
      return next(args);
    }, { step: "build" });
    await this.#client.send(command);
  }

  /** The client of the S3 server, for preparations. */
  get s3(): S3Client {
    return this.#client;
  }

  /** A fresh registry: over a bucket of its own on the S3 server, or over files. */
  async makeRegistry(storage: "bucket" | "files"): Promise<BenchRegistry> {
    const bucket = storage === "bucket" ? await this.makeBucket() : undefined;
    const folder = await Deno.makeTempDir({ dir: this.folder });
    const host = `127.0.0.1:${freePort()}`;
    await Deno.writeTextFile(`${folder}/config.yml`, this.#registryConfig(host, folder, bucket));
    const server = new ServerProcess({
      program: await this.program("registry") ?? "registry",
      args: ["serve", `${folder}/config.yml`],
      env: { OTEL_TRACES_EXPORTER: "none" },
      logPath: `${folder}/log`,
    });
    for (let tries = 0; !await answers(`http://${host}/v2/`, [200]).catch(() => false); tries++) {
      if (server.ended || tries > 200) throw new Error(`The registry does not start:\n${await server.log()}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const registry: BenchRegistry = {
      host,
      bucket,
      stop: async () => {
        if (!this.#registries.delete(registry)) return;
        await server.stop();
        if (bucket) await this.dropBucket(bucket);
        await Deno.remove(folder, { recursive: true });
      },
    };
    this.#registries.add(registry);
    return registry;
  }

  /** Lays wires between the tools and the given hosts; what was laid before is taken away. */
  async wire(hosts: Readonly<Record<Side, string>>, distance?: Distance): Promise<void> {
    await this.unwire();
    for (const [side, host] of Object.entries(hosts) as [Side, string][]) {
      if (!this.#wires.has(host)) this.#wires.set(host, { wire: new Wire(host, distance), side });
    }
  }

  /** Takes all wires away. */
  async unwire(): Promise<void> {
    for (const { wire } of this.#wires.values()) await wire[Symbol.asyncDispose]();
    this.#wires.clear();
  }

  /** The address by which a tool reaches a host: the wire's, where there is one. */
  via(host: string): string {
    return this.#wires.get(host)?.wire.host ?? host;
  }

  /** What passed the wires since the last call. One host on both sides counts as the source. */
  takeTraffic(): Readonly<Partial<Record<Side, Traffic>>> {
    return Object.fromEntries([...this.#wires.values()].map(({ wire, side }) => [side, wire.take()]));
  }

  /** Stops everything. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.unwire();
    for (const registry of this.#registries) await registry.stop();
    this.#client.destroy();
    await this.#session[Symbol.asyncDispose]();
    await capture("rm", ["-rf", this.folder]);
  }

  #registryConfig(host: string, folder: string, bucket: string | undefined): string {
    const storage = bucket === undefined ? `  filesystem:\n    rootdirectory: ${folder}/data` : `  s3:
    regionendpoint: ${this.#s3.origin}
    region: us-east-1
    bucket: ${bucket}
    accesskey: ${this.#s3.username}
    secretkey: ${this.#s3.password}
    forcepathstyle: true
    secure: false
  redirect:
    disable: true`;
    return `version: 0.1
log:
  level: error
  accesslog:
    disabled: true
storage:
${storage}
  delete:
    enabled: true
http:
  addr: ${host}
`;
  }
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}
