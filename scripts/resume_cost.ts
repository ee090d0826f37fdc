/**
 * Measures what a kill in the middle of a large layer costs on the next run: bytes read from the source and bytes sent to
 * the target again.
 *
 *   deno task services -- deno run -A scripts/resume_cost.ts [--mebibytes 1024]
 */
import { parseArgs } from "node:util";
import { digestOf } from "../src/oci/digest.ts";
import { Session } from "../src/transports/session.ts";
import { makeBuckets, writeStore } from "../tests/cli/places.ts";
import { programCommand } from "../tests/cli/program.ts";
import { FaultProxy } from "../tests/support/fault_proxy.ts";
import { singleImage } from "../tests/support/images.ts";
import { serviceAddress } from "../tests/support/services.ts";
import { copyCommand } from "../tests/support/by_text.ts";

const MIB = 1024 * 1024;

/** One figure of the table. */
interface Cost {
  readonly pair: string;
  readonly killedAt: number;
  readonly readMib: number;
  readonly sentMib: number;
}

async function measure(
  pair: string,
  part: number,
  sizeBytes: number,
  places: (source: FaultProxy, target: FaultProxy) => readonly [source: string, target: string],
  upstreams: { readonly registry: string; readonly s3: string; readonly env: Record<string, string> },
): Promise<Cost> {
  await using source = new FaultProxy({ upstream: upstreams.registry, speaks: "registry" });
  const toS3 = pair.endsWith("bucket");
  await using target = new FaultProxy({
    upstream: toS3 ? upstreams.s3 : upstreams.registry,
    speaks: toS3 ? "s3" : "registry",
  });
  const [from, to] = places(source, target);
  const [file, ...before] = programCommand();
  const args = [
    "copy",
    "-q",
    "--plain-http",
    "--region",
    "us-east-1",
    ...(toS3 ? ["--endpoint", target.origin] : []),
    from,
    to,
  ];
  const child = new Deno.Command(file, { args: [...before, ...args], env: upstreams.env, stderr: "null" }).spawn();
  let isOver = false;
  child.status.then(() => isOver = true);
  const moved = () =>
    pair.endsWith("folder") || pair.endsWith("layout") ? source.figures.receivedBytes : target.figures.sentBytes;
  while (!isOver && moved() < sizeBytes * part) await new Promise((resolve) => setTimeout(resolve, 1));
  if (!isOver) child.kill("SIGKILL");
  await child.status;
  await new Promise((resolve) => setTimeout(resolve, 300));
  const [received, sent] = [source.figures.receivedBytes, target.figures.sentBytes];
  await using session = new Session({
    plainHttp: true,
    region: "us-east-1",
    ...(toS3 ? { endpoint: target.origin } : {}),
  });
  await copyCommand(session, from, to);
  return {
    pair,
    killedAt: part,
    readMib: Math.round((source.figures.receivedBytes - received) / MIB),
    sentMib: Math.round((target.figures.sentBytes - sent) / MIB),
  };
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { mebibytes: { type: "string", default: "1024" } } });
  const sizeBytes = Number(values.mebibytes) * MIB;
  const print = (line: string) => Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
  const [s3, registry] = [serviceAddress("minio")!, serviceAddress("registry")!];
  const folder = await Deno.makeTempDir({ prefix: "s3lo-cost-" });
  using buckets = await makeBuckets(s3);
  for (const [name, value] of Object.entries(buckets.env)) Deno.env.set(name, value);
  try {
    const small = singleImage({ os: "linux", architecture: "amd64" }, {
      layersPerPlatform: 1,
      layerBytes: MIB,
      compression: "none",
    });
    const layer = new Uint8Array(sizeBytes);
    for (let at = 0; at < sizeBytes; at += 65536) {
      crypto.getRandomValues(layer.subarray(at, Math.min(at + 65536, sizeBytes)));
    }
    await writeStore(`${folder}/s`, "app", "v1", small);
    await Deno.writeFile(`${folder}/s/blobs/sha256/${digestOf(layer).slice(7)}`, layer);
    const manifest = JSON.parse(new TextDecoder().decode(small.root.bytes));
    manifest.layers = [{ ...manifest.layers[0], digest: digestOf(layer), size: sizeBytes }];
    await Deno.writeTextFile(`${folder}/s/manifests/app/v1/manifest.json`, JSON.stringify(manifest));
    const host = new URL(registry).host;
    const repository = `cost-${crypto.randomUUID().slice(0, 8)}`;
    await using session = new Session({ plainHttp: true });
    await copyCommand(session, `local://${folder}/s//app:v1`, `${host}/${repository}/app:v1`);
    const upstreams = { registry: host, s3: new URL(s3).host, env: { ...buckets.env } };
    for (const part of [0.5, 0.9]) {
      const name = `v${part * 100}`;
      const figures = [
        await measure(
          "registry to bucket",
          part,
          sizeBytes,
          (
            source,
          ) => [`${source.host}/${repository}/app:v1`, `s3://${part === 0.5 ? buckets.first : buckets.second}/app:v1`],
          upstreams,
        ),
        await measure(
          "registry to folder",
          part,
          sizeBytes,
          (source) => [`${source.host}/${repository}/app:v1`, `local://${folder}/${name}//app:v1`],
          upstreams,
        ),
        await measure(
          "registry to layout",
          part,
          sizeBytes,
          (source) => [`${source.host}/${repository}/app:v1`, `oci:${folder}/o${name}`],
          upstreams,
        ),
        await measure(
          "folder to registry",
          part,
          sizeBytes,
          (_, target) => [`local://${folder}/s//app:v1`, `${target.host}/${repository}/app${part * 100}:v1`],
          upstreams,
        ),
      ];
      for (const { pair, readMib, sentMib } of figures) {
        print(`${pair}, killed at ${part * 100} %: ${readMib} MiB read and ${sentMib} MiB sent again`);
      }
      await Deno.remove(`${folder}/${name}`, { recursive: true });
      await Deno.remove(`${folder}/o${name}`, { recursive: true });
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
