import assert from "node:assert/strict";
import { parsePlatform } from "../../src/oci/platform.ts";
import { singleImage, type TestImage } from "../support/images.ts";
import { oddImage, oddIndex, platformMember } from "../support/odd_images.ts";
import { serviceTest } from "../support/services.ts";
import { engine } from "./daemons.ts";
import { tempFolder, writeStore } from "./places.ts";
import { s3lo, s3loJson, s3loOk } from "./program.ts";

/**
 * Docker's containerd store keeps an image that it cannot unpack and tells so in passing, after "Loaded image" and without
 * calling it an error. Pulling used to end with 0 then, and the next pull found the image "already there".
 */

let seed = Date.now() % 1_000_000;

const unique = () => `s3lo-unpacked-${Date.now().toString(36)}${seed++}`;

/** What the daemon knows of an image by name or ID; undefined when it knows none. */
async function inspected(socket: string, name: string): Promise<{ readonly Id: string } | undefined> {
  const { status, body } = await engine(socket, "GET", `/images/${name}/json`);
  return status === 404 ? undefined : JSON.parse(body);
}

/** Runs a test with a store that holds an image, a fresh name, and Docker's containerd store. */
function unpackTest(
  name: string,
  body: (places: {
    readonly socket: string;
    readonly name: string;
    readonly put: (image: TestImage, tag: string) => Promise<string>;
    readonly pull: (reference: string, ...args: readonly string[]) => readonly string[];
  }) => Promise<void>,
): void {
  serviceTest(name, ["docker29"], async ({ docker29: socket }) => {
    await using folder = await tempFolder();
    const put = async (image: TestImage, tag: string) => {
      await writeStore(folder.path, "app", tag, image);
      return `local://${folder.path}//app:${tag}`;
    };
    const pull = (...args: readonly string[]) => ["pull", "--docker-host", `unix://${socket}`, ...args];
    const image = unique();
    try {
      await body({ socket, name: image, put, pull });
    } finally {
      for (const tag of ["v1", "v2", "old"]) await engine(socket, "DELETE", `/images/${image}:${tag}`);
    }
  });
}

for (
  const [what, options, words] of [
    ["whose config has a wrong diff id", { hasWrongDiffId: true }, /wrong diff id/],
    ["with a layer that is no tar", { isNoTar: true }, /invalid tar header/],
    [
      "of another platform with a wrong diff id",
      { hasWrongDiffId: true, config: { os: "linux", architecture: "arm64", variant: "v8" } },
      /wrong diff id/,
    ],
  ] as const
) {
  unpackTest(`pull into Docker's containerd store of an image ${what} fails and leaves nothing`, async (places) => {
    const { socket, name, put, pull } = places;
    const image = oddImage({ seed: seed++, ...options });
    const reference = await put(image, "v1");
    const args = "config" in options ? ["--platform", "linux/arm64"] : [];
    for (const _ of ["first", "again"]) {
      const run = await s3lo(pull(reference, `${name}:v1`, ...args));
      assert.equal(run.code, 1, run.stdout);
      assert.match(run.stderr, /it cannot unpack the image/);
      assert.match(run.stderr, words);
      assert.equal(await inspected(socket, `${name}:v1`), undefined);
      assert.equal(await inspected(socket, image.root.descriptor.digest), undefined);
    }
  });
}

unpackTest("pull that cannot be unpacked leaves the name to the image that had it", async (places) => {
  const { socket, name, put, pull } = places;
  const good = oddImage({ seed: seed++ });
  await s3loOk(pull(await put(good, "good"), `${name}:v1`));
  const bad = await put(oddImage({ seed: seed++, isNoTar: true }), "bad");
  const run = await s3lo(pull(bad, `${name}:v1`));
  assert.equal(run.code, 1, run.stdout);
  assert.equal((await inspected(socket, `${name}:v1`))?.Id, good.root.descriptor.digest);
});

unpackTest("pull of an index fails when the platform of the daemon cannot be unpacked", async (places) => {
  const { socket, name, put, pull } = places;
  const index = oddIndex([
    {
      image: oddImage({ seed: seed++, config: { os: "linux", architecture: "s390x" } }),
      members: platformMember("linux/s390x"),
    },
    { image: oddImage({ seed: seed++, isNoTar: true }), members: platformMember("linux/amd64") },
  ]);
  const run = await s3lo(pull("--all-platforms", await put(index, "v1"), `${name}:v1`));
  assert.equal(run.code, 1, run.stdout);
  assert.match(run.stderr, /it cannot unpack the image/);
  assert.equal(await inspected(socket, `${name}:v1`), undefined);
});

unpackTest("pull does not take an image for whole that the daemon has and could not unpack", async (places) => {
  const { socket, name, put, pull } = places;
  const image = oddImage({ seed: seed++, hasWrongDiffId: true });
  const reference = await put(image, "v1");
  // As docker load leaves it, and earlier versions of s3lo did.
  await s3loOk([
    "pull",
    "-f",
    `${reference.slice("local://".length).split("//")[0]}/saved.tar`,
    reference,
    `${name}:old`,
  ]);
  const saved = await Deno.readFile(`${reference.slice("local://".length).split("//")[0]}/saved.tar`);
  using client = Deno.createHttpClient({ proxy: { transport: "unix", path: socket } });
  const load = await fetch("http://localhost/images/load", { method: "POST", body: saved, client });
  assert.match(await load.text(), /Error unpacking image/);
  const run = await s3lo(pull(reference, `${name}:v1`));
  assert.equal(run.code, 1, run.stdout);
  assert.match(run.stderr, /it cannot unpack the image/);
  assert.match(run.stderr, new RegExp(`docker rmi ${name}:old`));
  assert.equal(await inspected(socket, `${name}:v1`), undefined);
  assert.equal((await inspected(socket, `${name}:old`))?.Id, image.root.descriptor.digest);
});

unpackTest("pull of a whole image gives it a second name, and of another platform unpacks it", async (places) => {
  const { socket, name, put, pull } = places;
  const image = oddImage({ seed: seed++ });
  const reference = await put(image, "v1");
  const first = await s3loJson(pull(reference, `${name}:v1`));
  const second = await s3loJson(pull(reference, `${name}:v2`));
  assert.deepEqual([first.image_id, second.image_id], Array(2).fill(image.root.descriptor.digest));
  assert.equal(second.blobs_copied, 0);
  const other = await put(oddImage({ seed: seed++, config: { os: "linux", architecture: "riscv64" } }), "v3");
  await s3loOk(pull("--platform", "linux/riscv64", other, `${name}:v1`));
  const { body } = await engine(socket, "GET", `/v1.51/images/${name}:v1/json?manifests=1`);
  const [manifest] = JSON.parse(body).Manifests;
  assert.ok(manifest.Available && manifest.ImageData.Size.Unpacked > 0, body);
  // Nothing is left under no name.
  const names = JSON.parse(
    (await engine(socket, "GET", "/v1.51/images/json?filters=%7B%22dangling%22%3A%5B%22true%22%5D%7D")).body,
  );
  assert.ok(!names.some((each: { Id: string }) => [first.image_id, JSON.parse(body).Id].includes(each.Id)));
});

unpackTest("pull of a blob that was mended after a pull of the damaged one is whole", async (places) => {
  const { socket, name, put, pull } = places;
  const image = singleImage(parsePlatform("linux/amd64"), { seed: seed++, layerBytes: 3_000_000 });
  assert.ok(image.root.content.kind === "image");
  const { digest } = image.root.content.layers[1]!;
  const damaged = new Map(image.blobs).set(digest, image.blobs.get(digest)!.map((byte) => byte ^ 1));
  const run = await s3lo(pull(await put({ ...image, blobs: damaged }, "v1"), `${name}:v1`));
  assert.equal(run.code, 1);
  assert.match(run.stderr, new RegExp(digest));
  // Containerd keeps the beginning of what breaks off, and used to put it in front of the right bytes.
  const report = await s3loJson(pull(await put(image, "v1"), `${name}:v1`));
  assert.equal(report.image_id, image.root.descriptor.digest);
  const { body } = await engine(socket, "GET", `/v1.51/images/${name}:v1/json?manifests=1`);
  const [manifest] = JSON.parse(body).Manifests;
  assert.ok(manifest.Available && manifest.ImageData.Size.Unpacked > 0, body);
});
