/**
 * Measures how fast and within how much memory a large layer in chunks goes to a registry and into Docker, beside the same
 * layer stored whole: every run is a process of its own.
 *
 *   deno task services --with docker20,docker29 -- deno run -A scripts/measure_chunked_layer.ts [MiB, default 1024]
 *
 * The layer is made by the storage format with whatever zstd encoder is at hand, which does for reading. Needs MinIO, a
 * registry and both daemons, and disk for about eight times the layer.
 */
import { constants, zstdCompressSync } from "node:zlib";
import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";
import { chunkKey, recipeKey } from "../src/bucket/chunk_keys.ts";
import { blobPath, type Digest, digestOf, Hasher, hexOf } from "../src/oci/digest.ts";
import { MEDIA_TYPES } from "../src/oci/media_types.ts";
import { Random, tarOf } from "../tests/support/images.ts";
import { serviceAddress } from "../tests/support/services.ts";
import { ROOT } from "./source_files.ts";

const MIB = 1024 * 1024;

/** How often a process is asked for its peak memory, in milliseconds. */
const POLL_MS = 25;

interface Run {
  readonly seconds: number;
  readonly peakMib: number;
}

const say = (line: string) => Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value)) as Uint8Array<ArrayBuffer>;

/** A tar of one file, cut into chunks of about 4 MiB as it is made: no chunk is like another. */
function* rawChunks(sizeBytes: number): Iterable<Uint8Array<ArrayBuffer>> {
  const header = tarOf("data", new Uint8Array(0)).slice(0, 512);
  const size = (sizeBytes - 512 - 1024).toString(8).padStart(11, "0");
  header.set(new TextEncoder().encode(size), 124);
  header.fill(32, 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0).toString(8).padStart(6, "0");
  header.set(new TextEncoder().encode(`${sum}\0 `), 148);
  const block = new Random(Date.now()).bytes(4 * MIB);
  for (let at = 0, index = 0; at < sizeBytes; index++) {
    const chunk = block.slice(0, Math.min(4 * MIB - (index % 7) * 100_000, sizeBytes - at));
    new DataView(chunk.buffer).setUint32(Math.min(1024, chunk.byteLength - 4), index);
    if (at === 0) chunk.set(header);
    at += chunk.byteLength;
    if (at === sizeBytes) chunk.fill(0, -1024);
    yield chunk;
  }
}

/** Writes two stores with the same image: in one the layer lies in chunks, in the other whole. */
async function writeStores(folder: string, sizeBytes: number): Promise<void> {
  const [tar, stored] = [new Hasher("sha256"), new Hasher("sha256")];
  const chunks: { digest: string; size: number; compressedSize: number }[] = [];
  const put = async (path: string, bytes: Uint8Array) => {
    await Deno.mkdir(`${folder}/${path.slice(0, path.lastIndexOf("/"))}`, { recursive: true });
    await Deno.writeFile(`${folder}/${path}`, bytes);
  };
  await Deno.mkdir(`${folder}/whole`, { recursive: true });
  let storedBytes = 0;
  using whole = await Deno.open(`${folder}/whole/layer`, { create: true, write: true });
  for (const chunk of rawChunks(sizeBytes)) {
    const frame = zstdCompressSync(chunk, { params: { [constants.ZSTD_c_checksumFlag]: 1 } });
    const digest = digestOf(chunk);
    chunks.push({ digest: hexOf(digest), size: chunk.byteLength, compressedSize: frame.byteLength });
    tar.update(chunk);
    stored.update(frame);
    storedBytes += frame.byteLength;
    await put(`chunked/${chunkKey(digest)}`, frame);
    for (let at = 0; at < frame.byteLength;) at += await whole.write(frame.subarray(at));
  }
  const [diffId, digest] = [tar.digest() as Digest, stored.digest() as Digest];
  const config = json({ architecture: "amd64", os: "linux", rootfs: { type: "layers", diff_ids: [diffId] } });
  const manifest = json({
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.ociManifest,
    config: { mediaType: MEDIA_TYPES.ociConfig, digest: digestOf(config), size: config.byteLength },
    layers: [{ mediaType: MEDIA_TYPES.ociLayerZstd, digest, size: storedBytes }],
  });
  const recipe = {
    layer: hexOf(diffId),
    size: sizeBytes,
    compressedDigest: hexOf(digest),
    compressedSize: storedBytes,
    chunks,
  };
  await put(`chunked/${recipeKey(digest)}`, json(recipe));
  for (const kind of ["chunked", "whole"]) {
    await put(`${kind}/${blobPath(digestOf(config))}`, config);
    await put(`${kind}/manifests/app/v1/manifest.json`, manifest);
  }
  await Deno.rename(`${folder}/whole/layer`, `${folder}/whole/${blobPath(digest)}`);
  say(`${sizeBytes / MIB} MiB raw, ${Math.round(storedBytes / MIB)} MiB stored, ${chunks.length} chunks`);
}

/** Runs the program, which must succeed. The peak is Linux's VmHWM of the process. */
async function s3lo(args: readonly string[], env: Readonly<Record<string, string>>): Promise<Run> {
  const started = performance.now();
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", `${ROOT}/main.ts`, ...args, "--quiet"],
    env,
    stdout: "null",
  }).spawn();
  let peakKib = 0;
  const timer = setInterval(() => {
    Deno.readTextFile(`/proc/${child.pid}/status`).then((status) => {
      peakKib = Math.max(peakKib, Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? 0));
    }, () => {});
  }, POLL_MS);
  const { success } = await child.status;
  clearInterval(timer);
  if (!success) throw new Error(`s3lo ${args.join(" ")} failed`);
  return { seconds: (performance.now() - started) / 1000, peakMib: peakKib / 1024 };
}

async function removeImage(socket: string, name: string): Promise<void> {
  using client = Deno.createHttpClient({ proxy: { transport: "unix", path: socket } });
  await (await fetch(`http://localhost/images/${name}?force=1`, { method: "DELETE", client })).body?.cancel();
}

async function main([size = "1024"]: readonly string[]): Promise<void> {
  const { origin, username, password } = new URL(serviceAddress("minio")!);
  const registry = new URL(serviceAddress("registry")!).host;
  const env = { AWS_ACCESS_KEY_ID: username, AWS_SECRET_ACCESS_KEY: password, AWS_EC2_METADATA_DISABLED: "true" };
  const client = new S3Client({
    endpoint: origin,
    region: "us-east-1",
    forcePathStyle: true,
    credentials: { accessKeyId: username, secretAccessKey: password },
  });
  const folder = await Deno.makeTempDir({ prefix: "s3lo-measure-" });
  try {
    await writeStores(folder, Number(size) * MIB);
    const suffix = crypto.randomUUID().slice(0, 8);
    for (const kind of ["chunked", "whole"]) {
      const bucket = `s3lo-${kind}-${suffix}`;
      await client.send(new CreateBucketCommand({ Bucket: bucket }));
      const args = ["copy", "--endpoint", origin, `local://${folder}/${kind}//app:v1`, `s3://${bucket}/app:v1`];
      report(kind, "folder", "bucket", await s3lo(args, env));
      for (
        const [from, source] of [["folder", `local://${folder}/${kind}//app:v1`], ["bucket", `s3://${bucket}/app:v1`]]
      ) {
        const target = `${registry}/measure-${crypto.randomUUID().slice(0, 8)}/app:v1`;
        report(kind, from!, "registry", await s3lo(["copy", "--endpoint", origin, source!, target], env));
        const file = `${folder}/out.tar`;
        const archive = ["pull", "--endpoint", origin, "--format", "docker-archive", "-f", file, source!];
        report(kind, from!, "docker-archive", await s3lo(archive, env));
        await Deno.remove(file);
        for (const daemon of ["docker20", "docker29"] as const) {
          const socket = serviceAddress(daemon)!;
          const name = `measure-${suffix}:v1`;
          const pull = ["pull", "--endpoint", origin, "--docker-host", `unix://${socket}`, source!, name];
          report(kind, from!, daemon, await s3lo(pull, env));
          await removeImage(socket, name);
        }
      }
    }
  } finally {
    client.destroy();
    await Deno.remove(folder, { recursive: true });
  }
}

function report(kind: string, from: string, to: string, { seconds, peakMib }: Run): void {
  const cells = [kind.padEnd(8), from.padEnd(7), to.padEnd(15), `${seconds.toFixed(1).padStart(6)} s`];
  say([...cells, `${Math.round(peakMib).toString().padStart(5)} MiB peak`].join("  "));
}

if (import.meta.main) await main(Deno.args);
