/**
 * What depends on the operating system, tried on each of them by the program itself: paths, locks, renames, killed runs,
 * helpers, folders that are blind to case. Needs no service and no shell, so that it runs on Windows as it does elsewhere.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { permissionGrants } from "../../src/cli/permissions.ts";
import { readStoredTag, tempFolder, writeStore } from "../cli/places.ts";
import { programCommand, s3lo, s3loOk } from "../cli/program.ts";
import { singleImage, type TestImage } from "../support/images.ts";

const PLATFORM = { os: "linux", architecture: "amd64" };
const MIB = 1024 * 1024;

/** A registry with one image, as far as a copy reads it. */
interface SmallRegistry extends AsyncDisposable {
  /** What references begin with. */
  readonly host: string;
  /** The ranges that were asked of blobs, in order; "" for a whole one. */
  readonly ranges: readonly string[];
  /** Resolves once `stallAt` bytes of a blob were sent. */
  readonly stalled: Promise<void>;
}

/** Serves an image under any name; the first request for a large blob stops after `stallAt` bytes and stays open. */
function smallRegistry(
  image: TestImage,
  options: { readonly stallAt?: number; readonly password?: string } = {},
): SmallRegistry {
  const ranges: string[] = [];
  const stalled = Promise.withResolvers<void>();
  let toStall = options.stallAt;
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, (request) => {
    const expected = `Basic ${btoa(`me:${options.password}`)}`;
    if (options.password !== undefined && request.headers.get("authorization") !== expected) {
      return new Response("{}", { status: 401, headers: { "www-authenticate": 'Basic realm="test"' } });
    }
    const { pathname } = new URL(request.url);
    const asked = decodeURIComponent(pathname.slice(pathname.lastIndexOf("/") + 1));
    const isManifest = pathname.includes("/manifests/");
    const bytes = isManifest && !asked.startsWith("sha256:") ? image.root.bytes : blobOf(image, asked);
    if (pathname === "/v2/") return new Response("{}");
    if (!bytes) return new Response("{}", { status: 404 });
    const headers = new Headers({ "accept-ranges": "bytes" });
    if (isManifest) headers.set("content-type", image.root.descriptor.mediaType);
    if (request.method === "HEAD") {
      headers.set("content-length", String(bytes.byteLength));
      return new Response(null, { headers });
    }
    const [, from, to] = request.headers.get("range")?.match(/^bytes=(\d+)-(\d*)$/) ?? [];
    if (!isManifest && bytes.byteLength > MIB) ranges.push(request.headers.get("range") ?? "");
    if (from === undefined) return new Response(bodyOf(bytes), { headers });
    const part = bytes.subarray(Number(from), to ? Number(to) + 1 : undefined);
    headers.set("content-range", `bytes ${from}-${Number(from) + part.byteLength - 1}/${bytes.byteLength}`);
    return new Response(bodyOf(part), { status: 206, headers });
  });

  function bodyOf(bytes: Uint8Array<ArrayBuffer>): BodyInit {
    if (toStall === undefined || bytes.byteLength <= MIB) return bytes;
    const first = bytes.subarray(0, Math.max(0, Math.min(bytes.byteLength, toStall)));
    toStall -= first.byteLength;
    if (first.byteLength === bytes.byteLength) return bytes;
    return new ReadableStream({
      start: (controller) => controller.enqueue(first),
      // Asked for more: all before has left.
      pull: () => {
        stalled.resolve();
        return new Promise(() => {});
      },
    }, { highWaterMark: 0 });
  }

  return {
    host: `127.0.0.1:${server.addr.port}`,
    ranges,
    stalled: stalled.promise,
    async [Symbol.asyncDispose]() {
      toStall = undefined;
      await server.shutdown();
    },
  };
}

function blobOf(image: TestImage, digest: string): Uint8Array<ArrayBuffer> | undefined {
  return [...image.blobs].find(([each]) => each === digest)?.[1] as Uint8Array<ArrayBuffer> | undefined;
}

Deno.test("archives, layouts and bundles are written anew at the same path, by relative and by full paths", async (t) => {
  await using folder = await tempFolder();
  await writeStore(`${folder.path}/store`, "app", "v1", singleImage(PLATFORM));
  await Deno.mkdir(join(folder.path, "sub"));
  const source = `local://${folder.path}/store//app:v1`;
  for (const format of ["oci-archive", "docker-archive"]) {
    for (const path of [join(folder.path, `${format}.tar`), join(folder.path, "sub", `${format}.tar`)]) {
      await t.step(`pull --format ${format} into ${path.slice(folder.path.length + 1)}`, async () => {
        for (let times = 0; times < 2; times++) await s3loOk(["pull", source, "-f", path, "--format", format]);
        assert.ok((await Deno.stat(path)).size > 0);
      });
    }
  }
  await t.step("bundle save", async () => {
    const path = join(folder.path, "sub", "bundle.tar");
    for (let times = 0; times < 2; times++) await s3loOk(["bundle", "save", "-f", path, source]);
    await s3loOk(["bundle", "load", path, `local://${folder.path}/loaded`]);
  });
  await t.step("copy into a layout", async () => {
    const layout = join(folder.path, "sub", "layout");
    for (const tag of ["v1", "v1", "v2"]) await s3loOk(["copy", source, `oci:${layout}:${tag}`]);
    await s3loOk(["inspect", `oci:${layout}:v2`]);
  });
  await t.step("nothing is left over", async () => {
    const names = (await Array.fromAsync(Deno.readDir(join(folder.path, "sub")))).map(({ name }) => name).sort();
    assert.deepEqual(names, ["bundle.tar", "docker-archive.tar", "layout", "oci-archive.tar"]);
  });
});

const large = singleImage(PLATFORM, { seed: 7, layersPerPlatform: 1, layerBytes: 40 * MIB, compression: "none" });

for (const kind of ["store", "layout"] as const) {
  Deno.test(`a run that is killed in the middle of a large layer is gone on with (${kind})`, async () => {
    await using folder = await tempFolder();
    await using registry = smallRegistry(large, { stallAt: 24 * MIB });
    const target = kind === "store" ? `local://${folder.path}/to//app:v1` : `oci:${join(folder.path, "to")}:v1`;
    const args = ["copy", `${registry.host}/app:v1`, target];
    const [file, ...before] = programCommand();
    const child = new Deno.Command(file, { args: [...before, ...args], stdout: "null", stderr: "null" }).spawn();
    const ended = await Promise.race([registry.stalled, child.status]);
    assert.equal(ended, undefined, "the program ended before it could be killed");
    // What was sent has to arrive on the disk.
    await partialBytes(join(folder.path, "to"), 8 * MIB);
    child.kill("SIGKILL");
    await child.status;
    const asked = registry.ranges.length;
    await using again = smallRegistry(large);
    await s3loOk(["copy", `${again.host}/app:v1`, target]);
    assert.ok(asked > 0);
    const starts = again.ranges.map((range) => Number(range.match(/\d+/)?.[0] ?? 0));
    assert.ok(Math.min(...starts) >= 8 * MIB, `it began anew: ${again.ranges.join(", ")}`);
    await s3loOk(["copy", target, `oci-archive:${join(folder.path, "out.tar")}`]);
  });
}

/** Waits until a file below a folder has grown to this size: the one that the layer grows in. */
async function partialBytes(folder: string, sizeBytes: number): Promise<void> {
  for (let tries = 0; tries < 3000; tries++) {
    if (await largest(folder) >= sizeBytes) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`nothing in ${folder} grew to ${sizeBytes} bytes`);
}

async function largest(folder: string): Promise<number> {
  let found = 0;
  try {
    for await (const { name, isDirectory } of Deno.readDir(folder)) {
      const path = join(folder, name);
      found = Math.max(found, isDirectory ? await largest(path) : (await Deno.stat(path)).size);
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error; // not there yet, or renamed meanwhile
  }
  return found;
}

/** The helper that people have by default on each system. */
const HELPERS: Readonly<Record<string, string>> = { windows: "wincred", darwin: "osxkeychain", linux: "pass" };

Deno.test("the credential helper that Docker sets up on this system is asked", async () => {
  await using folder = await tempFolder();
  const name = HELPERS[Deno.build.os] ?? "pass";
  const granted = permissionGrants().find((grant) => grant.name === "run")?.only ?? [];
  assert.ok(granted.includes(`docker-credential-${name}`));
  const made = await makeHelper(folder.path, name);
  if (made === undefined) {
    Deno.stderr.writeSync(new TextEncoder().encode("not tried: gcc, which would make the helper, is missing\n"));
    return;
  }
  await using registry = smallRegistry(singleImage(PLATFORM), { password: "secret" });
  await Deno.writeTextFile(join(folder.path, "config.json"), JSON.stringify({ credsStore: name }));
  const separator = Deno.build.os === "windows" ? ";" : ":";
  const run = await s3lo(["inspect", `${registry.host}/app:v1`], {
    env: { DOCKER_CONFIG: folder.path, PATH: `${folder.path}${separator}${Deno.env.get("PATH")}` },
  });
  assert.equal(run.code, 0, run.stderr);
});

/** Makes a helper that knows "me" and "secret"; on Windows by the C compiler, since only an .exe can be one. */
async function makeHelper(folder: string, name: string): Promise<string | undefined> {
  const path = join(folder, `docker-credential-${name}`);
  const answer = JSON.stringify({ ServerURL: "here", Username: "me", Secret: "secret" });
  if (Deno.build.os !== "windows") {
    await Deno.writeTextFile(path, `#!/bin/sh\ncat > /dev/null\necho '${answer}'\n`, { mode: 0o755 });
    return path;
  }
  const given = Deno.env.get("S3LO_TEST_HELPER_EXE");
  if (given) {
    await Deno.copyFile(given, `${path}.exe`);
    return path;
  }
  const source = join(folder, "helper.c");
  await Deno.writeTextFile(
    source,
    `#include <stdio.h>\nint main(void) { puts(${JSON.stringify(answer)}); return 0; }\n`,
  );
  const compiled = await new Deno.Command("gcc", { args: ["-o", `${path}.exe`, source] }).output().catch(() =>
    undefined
  );
  if (compiled?.success) return path;
  if (Deno.env.get("CI") === "true") throw new Error("gcc cannot compile the helper");
  return undefined;
}

Deno.test("tags that differ by case alone are two images, or one of them is refused: never one in place of the other", async () => {
  await using folder = await tempFolder();
  const [first, second] = [singleImage(PLATFORM, { seed: 1 }), singleImage(PLATFORM, { seed: 2 })];
  await writeStore(`${folder.path}/one`, "app", "v1", first);
  await writeStore(`${folder.path}/two`, "app", "v1", second);
  await s3loOk(["copy", `local://${folder.path}/one//app:v1`, `local://${folder.path}/store//app:v1`]);
  const run = await s3lo(["copy", `local://${folder.path}/two//app:v1`, `local://${folder.path}/store//app:V1`]);
  const isBlind = await Deno.stat(join(folder.path, "ONE")).then(() => true, () => false);
  assert.equal(run.code, isBlind ? 1 : 0, run.stderr);
  assert.deepEqual(await readStoredTag(`${folder.path}/store`, "app", "v1"), first.root.bytes);
  if (isBlind) assert.match(run.stderr, /differs only by case/);
  const read = await s3lo(["inspect", `local://${folder.path}/one//app:V1`]);
  assert.equal(read.code, 1, "a tag that is not there is not answered with another");
});
