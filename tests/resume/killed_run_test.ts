/** A run that was cut off in the middle of a large blob, and the next one: what it moves again. */
import assert from "node:assert/strict";
import { Session } from "../../src/transports/session.ts";
import { listFiles, makeBuckets, tempFolder, writeStore } from "../cli/places.ts";
import { programCommand } from "../cli/program.ts";
import { withEnvironment } from "../objects/s3_kit.ts";
import { imageViolations } from "../soak/world.ts";
import { FaultProxy } from "../support/fault_proxy.ts";
import { singleImage } from "../support/images.ts";
import { serviceTest } from "../support/services.ts";
import { copyCommand, pullCommand } from "../support/by_text.ts";

const MIB = 1024 * 1024;
const SIZE = 96 * MIB;
const image = singleImage({ os: "linux", architecture: "amd64" }, {
  seed: 31,
  layersPerPlatform: 1,
  layerBytes: SIZE,
  compression: "none",
});
const host = { os: "linux", architecture: "amd64" };

/** Runs the program until `isFar` says so, then kills it as a crash does. */
async function killedRun(args: readonly string[], env: Record<string, string>, isFar: () => boolean): Promise<void> {
  const [file, ...before] = programCommand();
  const child = new Deno.Command(file, { args: [...before, ...args], env, stdout: "null", stderr: "null" })
    .spawn();
  let isOver = false;
  child.status.then(() => isOver = true);
  const deadline = Date.now() + 60_000;
  while (!isOver && !isFar() && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 2));
  assert.equal(isOver, false, "the program was done before it could be killed");
  child.kill("SIGKILL");
  await child.status;
  assert.ok(isFar(), "the program did not come as far as it should before it was killed");
}

/** Slows bodies down enough to hit a place in the middle. */
const dripping = () => ({ kind: "drip", delayMs: 1 }) as const;

for (const service of ["minio", "versity"] as const) {
  serviceTest(`after a kill, a copy to a bucket sends no stored part again and leaves no upload (${service})`, [
    service,
  ], async (addresses) => {
    await using folder = await tempFolder();
    using buckets = await makeBuckets(addresses[service]);
    using _env = withEnvironment(buckets.env);
    await writeStore(folder.path, "app", "v1", image);
    await using proxy = new FaultProxy({ upstream: new URL(addresses[service]).host, speaks: "s3" });
    const [source, target] = [`local://${folder.path}//app:v1`, `s3://${buckets.first}/app:v1`];
    let parts = 0;
    proxy.script = ({ method, path }) => {
      if (method !== "PUT" || !path.includes("partNumber=")) return undefined;
      // The later ones hang, so that some are stored and others are not.
      return ++parts > 3 ? { kind: "stall", side: "request", at: 1000 } : undefined;
    };
    await killedRun(
      ["copy", "--endpoint", proxy.origin, source, target],
      { ...buckets.env, AWS_REGION: "us-east-1" },
      () => parts > 4 && (proxy.figures.sentBytes >= 3 * 8 * MIB),
    );
    await new Promise((resolve) => setTimeout(resolve, 200));
    proxy.script = undefined;
    const before = proxy.figures.sentBytes;
    const lines: string[] = [];
    await using session = new Session({ endpoint: proxy.origin, region: "us-east-1", log: (line) => lines.push(line) });
    await copyCommand(session, source, target);
    const sent = proxy.figures.sentBytes - before;
    assert.ok(lines.some((line) => line.startsWith("Going on with an upload")), lines.join("\n"));
    assert.ok(sent < SIZE - 2 * 8 * MIB, `${sent} bytes were sent again`);
    assert.deepEqual(await imageViolations(session, target), []);
    const layer = [...image.blobs].find(([, bytes]) => bytes.byteLength > SIZE)![0];
    const { S3Client, ListMultipartUploadsCommand } = await import("@aws-sdk/client-s3");
    const client = new S3Client({ endpoint: buckets.endpoint, region: "us-east-1", forcePathStyle: true });
    const Prefix = `blobs/sha256/${layer.slice(7)}`;
    const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: buckets.first, Prefix }));
    assert.equal(Uploads.length, 0);
    client.destroy();
  });
}

for (
  const [what, args, result] of [
    ["a copy to a folder", (folder: string) => ["copy", "SOURCE", `local://${folder}/store//app:v1`], "local:"],
    [
      "a pull to a layout",
      (folder: string) => ["pull", "-f", `${folder}/layout`, "--format", "oci", "SOURCE", "app:v1"],
      "oci:",
    ],
  ] as const
) {
  serviceTest(
    `after a kill, ${what} reads from the source only what is not there yet`,
    ["registry"],
    async ({ registry }) => {
      await using folder = await tempFolder();
      await writeStore(folder.path, "app", "v1", image);
      const repository = `resume-${crypto.randomUUID().slice(0, 8)}/app:v1`;
      await using direct = new Session({ plainHttp: true });
      await copyCommand(direct, `local://${folder.path}//app:v1`, `${new URL(registry).host}/${repository}`);
      await using proxy = new FaultProxy({ upstream: new URL(registry).host, speaks: "registry" });
      const source = `${proxy.host}/${repository}`;
      proxy.script = dripping;
      const command = args(folder.path).map((each) => each === "SOURCE" ? source : each);
      await killedRun([...command, "--plain-http"], {}, () => proxy.figures.receivedBytes > SIZE * 3 / 4);
      const received = proxy.figures.receivedBytes;
      proxy.script = undefined;
      await using session = new Session({ plainHttp: true });
      const before = proxy.figures.receivedBytes;
      if (result === "local:") await copyCommand(session, source, `local://${folder.path}/store//app:v1`);
      else {
        const file = { kind: "oci", path: `${folder.path}/layout` } as const;
        await pullCommand(session, source, { host, name: "app:v1", file });
      }
      const again = proxy.figures.receivedBytes - before;
      // What was on its way when the kill came is lost: ranges of 8 MiB and what waits in buffers.
      assert.ok(again < SIZE - received + 40 * MIB, `${again} bytes were read again after ${received}`);
      const target = result === "local:" ? `local://${folder.path}/store//app:v1` : `oci:${folder.path}/layout`;
      assert.deepEqual(await imageViolations(session, target), []);
      const left = (await listFiles(folder.path)).filter((path) => /s3lo-|\.s3lo\/(tmp|partial)\//.test(path));
      assert.deepEqual(left, []);
    },
  );
}
