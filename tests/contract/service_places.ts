/** Places of the real services: registries, buckets, daemons. Everything in them is removed afterwards where that is possible. */
import { HttpClient } from "../../src/http/client.ts";
import { blobPath, digestOf } from "../../src/oci/digest.ts";
import { Session, type SessionOptions } from "../../src/transports/session.ts";
import { tempFolder } from "../cli/places.ts";
import { s3Kit, withEnvironment } from "../objects/s3_kit.ts";
import { connectDaemon, removeNames } from "../support/daemon_api.ts";
import { serviceAddress } from "../support/services.ts";
import { PROTECTED } from "./local_places.ts";
import { sourceAt, targetAt } from "./open_places.ts";
import { type TestPlace, TRAITS } from "./place.ts";

type RegistryKind = "registry" | "oldRegistry";
type BucketKind = "minio" | "versity";
type DaemonKind = "docker20" | "docker29" | "podman";
/** The kinds of places that need a service of the same name. */
export const SERVICE_KINDS = ["registry", "oldRegistry", "minio", "versity", "docker20", "docker29", "podman"] as const;
export type ServiceKind = (typeof SERVICE_KINDS)[number];

/** A fresh place at the service of this kind and address. */
export async function servicePlace(kind: ServiceKind, address: string): Promise<TestPlace> {
  if (kind === "minio" || kind === "versity") return await bucketPlace(kind, address);
  if (kind === "registry" || kind === "oldRegistry") return registryPlace(kind, address);
  return await daemonPlace(kind, address);
}

/** What all of them do alike. */
function openers(reference: (name: string) => string, options: SessionOptions) {
  const sessions = new AsyncDisposableStack();
  const reading = sessions.use(new Session({ retryDelayMs: 1, ...options }));
  const open: Pick<TestPlace, "source" | "target"> = {
    source: (name) => sourceAt(reading, reference(name)),
    target: (name, { source, signal, log } = {}) =>
      targetAt(sessions.use(new Session({ retryDelayMs: 1, ...options, signal, log })), reference(name), source),
  };
  return { ...open, sessions };
}

function registryPlace(kind: RegistryKind, address: string): TestPlace {
  const { host } = new URL(address);
  const repository = `contract-${crypto.randomUUID().slice(0, 8)}/app`;
  const { sessions, ...open } = openers((name) => `${host}/${repository}:${name}`, { plainHttp: true });
  return {
    kind,
    traits: TRAITS[kind],
    ...open,
    async remains(...images) {
      using http = new HttpClient();
      const get = async (path: string) => {
        const response = await http.send({ method: "GET", url: `http://${host}/v2/${repository}/${path}` });
        return { status: response.status, bytes: await response.bytes(64 * 1024 * 1024) };
      };
      const found = [new TextDecoder().decode((await get("tags/list")).bytes)];
      for (const digest of images.flatMap((image) => [...image.blobs.keys()])) {
        const { status, bytes } = await get(`blobs/${digest}`);
        if (status === 200 && digestOf(bytes) !== digest) found.push(`${digest} holds other bytes`);
      }
      return found;
    },
    [Symbol.asyncDispose]: () => sessions[Symbol.asyncDispose](),
  };
}

async function bucketPlace(kind: BucketKind, address: string): Promise<TestPlace> {
  const kit = await s3Kit(address);
  const folder = await tempFolder();
  const { origin: endpoint, username, password } = new URL(address);
  const profiles = await writeProfiles(`${folder.path}/credentials`);
  const { bucket } = kit;
  const options = { endpoint, region: "us-east-1", profile: `contract-${kind}` };
  const { sessions, ...open } = openers((name) => `s3://${bucket}/app:${name}`, options);
  const sdk = await import("@aws-sdk/client-s3");
  const credentials = { accessKeyId: username, secretAccessKey: password };
  const client = new sdk.S3Client({ endpoint, region: "us-east-1", forcePathStyle: true, credentials });
  const get = async (Key: string) =>
    await (await client.send(new sdk.GetObjectCommand({ Bucket: bucket, Key }))).Body!.transformToByteArray();
  const put = async (Key: string, Body: Uint8Array) =>
    void await client.send(new sdk.PutObjectCommand({ Bucket: bucket, Key, Body }));
  return {
    kind,
    traits: TRAITS[kind],
    ...open,
    async remains(...images) {
      const { Contents = [] } = await client.send(new sdk.ListObjectsV2Command({ Bucket: bucket }));
      const found = await Promise.all(Contents.map(async ({ Key = "" }) => {
        const digest = digestOf(await get(Key));
        return Key === blobPath(digest) ? [] : [`${Key} ${digest}`];
      }));
      for (const digest of images.flatMap((image) => [...image.blobs.keys()])) {
        // MinIO lists the uploads of one key only.
        const key = { Bucket: bucket, Prefix: blobPath(digest) };
        const { Uploads = [] } = await client.send(new sdk.ListMultipartUploadsCommand(key));
        found.push(Uploads.map((each) => `upload of ${each.Key}`));
      }
      return found.flat();
    },
    damage: async (_name, digest, change) => await put(blobPath(digest), change(await get(blobPath(digest)))),
    protect: () => put("s3lo.yaml", new TextEncoder().encode(PROTECTED)),
    async [Symbol.asyncDispose]() {
      await sessions[Symbol.asyncDispose]();
      client.destroy();
      profiles[Symbol.dispose]();
      await kit[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** Profiles for both servers of S3, which have credentials of their own and stand side by side in one process. */
async function writeProfiles(path: string): Promise<Disposable> {
  const profiles = (["minio", "versity"] as const).map((kind) => {
    const { username, password } = new URL(serviceAddress(kind) ?? "http://none:none@127.0.0.1");
    return `[contract-${kind}]\naws_access_key_id = ${username}\naws_secret_access_key = ${password}\n`;
  });
  await Deno.writeTextFile(path, profiles.join("\n"));
  return withEnvironment({ AWS_SHARED_CREDENTIALS_FILE: path, AWS_CONFIG_FILE: "/nonexistent" });
}

async function daemonPlace(kind: DaemonKind, socket: string): Promise<TestPlace> {
  const client = await connectDaemon(socket);
  const repository = `s3lo-contract-${crypto.randomUUID().slice(0, 8)}`;
  const { sessions, ...open } = openers((name) => `docker-daemon:${repository}:${name}`, {
    dockerHost: `unix://${socket}`,
  });
  const names = async () => {
    const images = await client.listImages({ repository });
    return images.flatMap((image) => image.names.map((name) => `${name} ${image.id}`)).sort();
  };
  return {
    kind,
    traits: TRAITS[kind],
    ...open,
    async remains(...images) {
      const found = await names();
      // Other tests use the daemon too: only what these images would be called there is looked for.
      for (const { root } of images) {
        const { digest } = root.content.kind === "image" && kind !== "docker29" ? root.content.config : root.descriptor;
        const image = await client.inspectImage(digest).catch(() => undefined);
        if (image) found.push(`image ${digest}`);
      }
      return found;
    },
    async [Symbol.asyncDispose]() {
      await sessions[Symbol.asyncDispose]();
      await removeNames(client, (await names()).map((each) => each.slice(0, each.indexOf(" "))));
      client[Symbol.dispose]();
    },
  };
}
