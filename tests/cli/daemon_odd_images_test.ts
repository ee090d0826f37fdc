import assert from "node:assert/strict";
import { multiImage, type TestImage } from "../support/images.ts";
import { artifact, attestationMembers, oddImage, oddIndex, platformMember } from "../support/odd_images.ts";
import { type ServiceName, serviceTest } from "../support/services.ts";
import { engine } from "./daemons.ts";
import { checkBlobs, tempFolder, writeStore } from "./places.ts";
import { compressionArguments, type ProgramRun, s3lo, s3loOk } from "./program.ts";

/**
 * What goes into a daemon comes out again as it was, wherever the daemon can export it: copy keeps the index with its
 * attestations and artifacts; where the daemon's export cannot, the error says what can.
 */

let seed = Date.now() % 1_000_000 + 300_000;

const linux = (architecture: string) => oddImage({ seed: seed++, config: { os: "linux", architecture } });

interface Loaded {
  readonly folder: string;
  /** Runs a command that takes the daemon's image to `app:out`. */
  readonly copy: (...args: readonly string[]) => Promise<ProgramRun>;
  readonly push: (...args: readonly string[]) => Promise<ProgramRun>;
}

/** A test of an image that was pulled into a daemon with everything that belongs to it. */
function loadedTest(name: string, daemon: ServiceName, make: () => TestImage, body: (loaded: Loaded) => Promise<void>) {
  serviceTest(`${name} (${daemon})`, [daemon], async (services) => {
    await using folder = await tempFolder();
    const image = make();
    await writeStore(`${folder.path}/in`, "app", "v1", image);
    const tag = `s3lo-odd-${Date.now().toString(36)}${seed++}:v1`;
    const host = ["--docker-host", `unix://${services[daemon]}`];
    const all = image.root.content.kind === "index" || daemon === "docker29" ? ["--all-platforms"] : [];
    await s3loOk(["pull", ...host, ...all, `local://${folder.path}/in//app:v1`, tag]);
    const target = `local://${folder.path}/out//app:out`;
    try {
      await body({
        folder: `${folder.path}/out`,
        copy: (...args) => s3lo(["copy", "-o", "json", ...host, ...args, `docker-daemon:${tag}`, target]),
        push: (...args) => s3lo(["push", "-o", "json", ...host, ...compressionArguments(), ...args, tag, target]),
      });
    } finally {
      await engine(services[daemon], "DELETE", `/images/${tag}`);
    }
  });
}

/** Fails unless a run brought the image, byte for byte. */
async function assertWhole(run: ProgramRun, image: TestImage, folder: string): Promise<void> {
  assert.equal(run.code, 0, run.stderr);
  assert.equal(JSON.parse(run.stdout).digest, image.root.descriptor.digest);
  assert.doesNotMatch(run.stderr, /Note/);
  await checkBlobs(folder, image);
}

/** Images whose root must come out of Docker's containerd store as it went in. */
const KEPT: readonly (readonly [what: string, make: () => TestImage])[] = [
  [
    "an image of one platform with its attestation",
    () => multiImage({ seed: seed++, platforms: ["linux/amd64"], attestations: true }),
  ],
  [
    "an image with an artifact beside it",
    () =>
      oddIndex([{ image: linux("amd64"), members: platformMember("linux/amd64") }, { image: artifact(`${seed++}`) }]),
  ],
  ["an index whose only entry names no platform", () => oddIndex([{ image: linux("amd64") }])],
  [
    "an index whose only image names none at all",
    () => oddIndex([{ image: oddImage({ seed: seed++, config: { os: "", architecture: "" } }) }]),
  ],
  ["an artifact", () => artifact(`${seed++}`)],
  [
    "an index of attestations only",
    () => oddIndex([{ image: artifact(`${seed++}`), members: attestationMembers(linux("amd64").root) }]),
  ],
  [
    "two images of one platform",
    () =>
      oddIndex([linux("amd64"), linux("amd64")].map((image) => ({ image, members: platformMember("linux/amd64") }))),
  ],
  [
    "an image without layers",
    () =>
      oddImage({
        seed: seed++,
        layers: 0,
        config: { os: "linux", architecture: "amd64", created: new Date(seed * 1000) },
      }),
  ],
];

for (const [what, make] of KEPT) {
  let image: TestImage;
  loadedTest(`copy keeps ${what}`, "docker29", () => image = make(), async ({ copy, folder }) => {
    await assertWhole(await copy(), image, folder);
  });
}

{
  let image: TestImage;
  for (const args of [[], ["--all-platforms"]]) {
    loadedTest(
      `push ${args.join(" ")} of an artifact`,
      "docker29",
      () => image = artifact(`${seed++}`),
      async ({ push, folder }) => {
        const run = await push(...args);
        await assertWhole(run, image, folder);
        assert.deepEqual(JSON.parse(run.stdout).platforms, []);
      },
    );
  }
}

{
  let images: readonly TestImage[] = [];
  const two = () => {
    images = [linux("amd64"), linux("amd64")];
    return oddIndex(images.map((image) => ({ image, members: platformMember("linux/amd64") })));
  };
  loadedTest("push --platform takes the first of two images of a platform", "docker29", two, async ({ push }) => {
    const run = await push("--platform", "linux/amd64");
    assert.equal(run.code, 0, run.stderr);
    assert.equal(JSON.parse(run.stdout).digest, images[0]!.root.descriptor.digest);
  });
}

{
  let image: TestImage;
  const unnamed = () => image = oddImage({ seed: seed++, config: { os: "", architecture: "" } });
  for (const daemon of ["docker20", "docker29", "podman"] as const) {
    loadedTest("push --platform takes an image that names none", daemon, unnamed, async ({ push }) => {
      const run = await push("--platform", "linux/amd64");
      assert.equal(run.code, 0, run.stderr);
      assert.ok(image);
    });
  }
  loadedTest(
    "push --platform of another platform lists what there is",
    "docker29",
    () => linux("amd64"),
    async ({ push }) => {
      const run = await push("--platform", "linux/s390x");
      assert.equal(run.code, 1);
      assert.match(run.stderr, /Cannot find platform linux\/s390x of .* \(there: linux\/amd64\)/);
    },
  );
}

const OTHER_WAY =
  /\n {2}Push it to a registry with docker push, and copy it from there: s3lo copy REGISTRY\/NAME:TAG REF/;

{
  let inner: TestImage;
  const nested = () => {
    inner = linux("amd64");
    return oddIndex([{ image: oddIndex([{ image: inner, members: platformMember("linux/amd64") }]) }]);
  };
  loadedTest(
    "what Docker cannot export of nested indexes has another way",
    "docker29",
    nested,
    async ({ copy, push }) => {
      const run = await copy();
      assert.equal(run.code, 1);
      assert.match(run.stderr, OTHER_WAY);
      const one = await push("--platform", "linux/amd64");
      assert.equal(JSON.parse(one.stdout).digest, inner.root.descriptor.digest);
    },
  );
}

loadedTest(
  "what Docker's classic store cannot export without layers has another way",
  "docker20",
  () =>
    oddImage({
      seed: seed++,
      layers: 0,
      config: { os: "linux", architecture: "amd64", created: new Date(seed * 1000) },
    }),
  async ({ push, copy }) => {
    for (const run of [await push(), await copy()]) {
      assert.equal(run.code, 1);
      assert.match(run.stderr, OTHER_WAY);
    }
  },
);
