/** What tests do with a daemon beyond the product: run containers, look for what was left behind. */
import { addressConnection } from "../../src/engine/connection.ts";
import { EngineClient } from "../../src/engine/engine_client.ts";
import { HttpClient } from "../../src/http/client.ts";
import type { ImageTarget } from "../../src/image/places.ts";
import type { Descriptor } from "../../src/oci/descriptor.ts";
import type { Digest } from "../../src/oci/digest.ts";
import type { Manifest } from "../../src/oci/manifest.ts";
import { type DaemonTargetOptions, openDaemonTarget } from "../../src/transports/docker_daemon_target.ts";
import { writeImage, type WriteImageOptions } from "./daemon_images.ts";
import type { TestImage } from "./images.ts";

/** Connects to the daemon whose socket is at `path`. */
export async function connectDaemon(path: string): Promise<EngineClient> {
  return await EngineClient.connect(addressConnection(`unix://${path}`, "test"));
}

/** Runs a command in a container without network, and returns what it printed. */
export async function runContainer(socket: string, image: string, command: readonly string[]): Promise<string> {
  using http = new HttpClient({ unixSocket: socket });
  const call = async (method: string, path: string, body?: unknown): Promise<Uint8Array> => {
    const response = await http.send({
      method,
      url: `http://localhost${path}`,
      ...(body === undefined ? {} : {
        body: new TextEncoder().encode(JSON.stringify(body)) as Uint8Array<ArrayBuffer>,
        headers: { "content-type": "application/json" },
      }),
    });
    const bytes = await response.bytes(1024 * 1024);
    if (response.status >= 300) {
      throw new Error(`${method} ${path}: ${response.status} ${new TextDecoder().decode(bytes)}`);
    }
    return bytes;
  };
  const created = JSON.parse(new TextDecoder().decode(
    await call("POST", "/containers/create", {
      Image: image,
      Cmd: command,
      // Podman would raise these limits, which not every machine lets it do.
      HostConfig: { NetworkMode: "none", Ulimits: [limit("nofile"), limit("nproc")] },
    }),
  )) as { Id: string };
  try {
    await call("POST", `/containers/${created.Id}/start`);
    await call("POST", `/containers/${created.Id}/wait`);
    return demultiplexed(await call("GET", `/containers/${created.Id}/logs?stdout=1&stderr=1`));
  } finally {
    await call("DELETE", `/containers/${created.Id}?force=1`);
  }
}

function limit(name: string) {
  return { Name: name, Soft: 256, Hard: 256 };
}

/** The texts of a log, whose pieces each have a header of 8 bytes: the stream, and the length in the last four. */
function demultiplexed(log: Uint8Array): string {
  const view = new DataView(log.buffer, log.byteOffset, log.byteLength);
  let text = "";
  for (let at = 0; at + 8 <= log.byteLength;) {
    const length = view.getUint32(at + 4);
    text += new TextDecoder().decode(log.subarray(at + 8, at + 8 + length));
    at += 8 + length;
  }
  return text;
}

/** What a test's pull gave. */
export interface PullOutcome {
  readonly imageId: string;
  /** How many blobs were asked of the source. */
  readonly moved: number;
}

/** Writes an image (or one manifest of it) into the daemon as the pull command does. */
export async function pullInto(
  client: EngineClient,
  image: TestImage,
  name: string,
  options: DaemonTargetOptions & WriteImageOptions & { readonly root?: Manifest | undefined } = {},
): Promise<PullOutcome> {
  const root = options.root ?? image.root;
  const opened: Digest[] = [];
  await using target = openDaemonTarget(client, name, { readConfig: configReader(image), ...options });
  await writeImage(image, target satisfies ImageTarget, { ...options, root, opened });
  return { imageId: target.imageId ?? "", moved: opened.length };
}

/** Reads configs of an image in memory. */
export function configReader(image: TestImage): (config: Descriptor) => Promise<Uint8Array> {
  return ({ digest }) => Promise.resolve(image.blobs.get(digest) ?? new Uint8Array());
}

/** Removes these names from the daemon, where they are there. */
export async function removeNames(client: EngineClient, names: readonly string[]): Promise<void> {
  for (const name of names) await client.removeImage(name).catch(() => {});
}
