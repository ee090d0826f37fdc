/** SIGINT and SIGTERM while a command waits for a server that says nothing, which is when it is hardest to stop. */
import assert from "node:assert/strict";
import { Session } from "../../src/transports/session.ts";
import { listFiles, makeBuckets, readStoredTag, tempFolder, writeStore } from "../cli/places.ts";
import { programCommand } from "../cli/program.ts";
import { FaultProxy } from "../support/fault_proxy.ts";
import { singleImage } from "../support/images.ts";
import { serviceTest } from "../support/services.ts";
import { withEnvironment } from "../objects/s3_kit.ts";
import { copyCommand } from "../support/by_text.ts";

/**
 * A second, and as much as a busy machine may take on top. What is told from this is a program that waits for the server: that
 * would be minutes.
 */
const LIMIT_MS = 20_000;

const LAYER_BYTES = 30 * 1024 * 1024;
const image = singleImage({ os: "linux", architecture: "amd64" }, {
  seed: 3,
  layersPerPlatform: 1,
  layerBytes: LAYER_BYTES,
  compression: "none",
});

/** How a run ended after signals. */
interface Stopped {
  readonly code: number;
  readonly stderr: string;
  /** From the (last) signal to the end. */
  readonly elapsedMs: number;
}

/** Runs the program, sends the signals once it is far enough, and waits for its end. */
async function stopped(
  args: readonly string[],
  env: Record<string, string>,
  isFar: () => boolean,
  signals: readonly Deno.Signal[],
): Promise<Stopped> {
  const [file, ...before] = programCommand();
  const child = new Deno.Command(file, {
    args: [...before, ...args],
    env,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  })
    .spawn();
  let isOver = false;
  child.status.then(() => isOver = true);
  const text = new Response(child.stderr).text();
  while (!isFar() && !isOver) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(isOver, false, `it ended before it was stopped: ${isOver ? await text : ""}`);
  await new Promise((resolve) => setTimeout(resolve, 400));
  let started = performance.now();
  for (const signal of signals) {
    started = performance.now();
    try {
      child.kill(signal);
    } catch { /* the first one was enough */ }
  }
  const { code } = await child.status;
  return { code, stderr: await text, elapsedMs: performance.now() - started };
}

for (
  const [signals, code] of [[["SIGINT"], 130], [["SIGTERM"], 143], [["SIGINT", "SIGINT"], 130]] as const
) {
  serviceTest(`${signals.join(", then ")} ends a copy from a silent registry within a second with exit code ${code}`, [
    "registry",
  ], async ({ registry }) => {
    await using folder = await tempFolder();
    await writeStore(`${folder.path}/source`, "app", "v1", image);
    const repository = `stop-${crypto.randomUUID().slice(0, 8)}/app:v1`;
    await using direct = new Session({ plainHttp: true });
    await copyCommand(direct, `local://${folder.path}/source//app:v1`, `${new URL(registry).host}/${repository}`);
    for (
      const [args, at] of [
        [["copy", "SOURCE", `local://${folder.path}/store//app:v1`], `${folder.path}/store`],
        [["pull", "-f", `${folder.path}/file/a.tar`, "SOURCE", "app:v1"], `${folder.path}/file`],
      ] as const
    ) {
      await Deno.mkdir(`${folder.path}/file`, { recursive: true });
      await using proxy = new FaultProxy({ upstream: new URL(registry).host, speaks: "registry" });
      proxy.script = ({ path }) =>
        path.includes("/blobs/") ? { kind: "stall", side: "answer", at: 3_000_000 } : undefined;
      const command = args.map((each) => each === "SOURCE" ? `${proxy.host}/${repository}` : each);
      const isFar = () => (proxy.figures.faults.get("stall") ?? 0) > 0;
      const end = await stopped([...command, "--plain-http"], {}, isFar, signals);
      assert.equal(end.code, code, end.stderr);
      assert.ok(end.elapsedMs < LIMIT_MS, `${Math.round(end.elapsedMs)} ms`);
      assert.equal(await readStoredTag(`${folder.path}/store`, "app", "v1"), undefined);
      if (signals.length === 1) {
        const left = (await listFiles(at)).filter((path) => /\.s3lo\/tmp\/|s3lo-/.test(path));
        assert.deepEqual(left, []);
      }
    }
  });
}

serviceTest("SIGINT in the middle of an upload keeps its parts, says so, and the next run ends with them", [
  "minio",
], async ({ minio }) => {
  await using folder = await tempFolder();
  using buckets = await makeBuckets(minio);
  using _env = withEnvironment(buckets.env);
  await writeStore(folder.path, "app", "v1", image);
  await using proxy = new FaultProxy({ upstream: new URL(minio).host, speaks: "s3" });
  let parts = 0;
  proxy.script = ({ path }) =>
    path.includes("partNumber=") && ++parts > 2 ? { kind: "stall", side: "request", at: 1000 } : undefined;
  const [source, target] = [`local://${folder.path}//app:v1`, `s3://${buckets.first}/app:v1`];
  const args = ["copy", "--endpoint", proxy.origin, "--region", "us-east-1", source, target];
  const end = await stopped(args, { ...buckets.env }, () => parts > 3 && proxy.figures.sentBytes > 16 * 1024 * 1024, [
    "SIGINT",
  ]);
  assert.equal(end.code, 130, end.stderr);
  assert.ok(end.elapsedMs < LIMIT_MS, `${Math.round(end.elapsedMs)} ms`);
  assert.match(end.stderr, /Kept 1\d\.\d MB of an unfinished upload to s3:/);
  proxy.script = undefined;
  const before = proxy.figures.sentBytes;
  await using session = new Session({ endpoint: proxy.origin, region: "us-east-1" });
  await copyCommand(session, source, target);
  assert.ok(proxy.figures.sentBytes - before < LAYER_BYTES - 15 * 1024 * 1024);
});
