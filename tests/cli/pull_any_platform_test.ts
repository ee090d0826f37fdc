import assert from "node:assert/strict";
import type { TestImage } from "../support/images.ts";
import { artifact, attestationMembers, oddImage, oddIndex, platformMember } from "../support/odd_images.ts";
import { type ServiceName, serviceTest } from "../support/services.ts";
import { engine } from "./daemons.ts";
import { tempFolder, writeStore } from "./places.ts";
import { type ProgramRun, s3lo } from "./program.ts";

/**
 * Images that docker and podman pull although they are not plainly for the machine: a single image needs no choice, and of
 * an index the nearest is taken; a note says where it may not run. The machine is amd64, as the daemons of the tests are.
 */

let seed = Date.now() % 1_000_000 + 200_000;

const DAEMONS = ["docker20", "docker29", "podman"] as const satisfies readonly ServiceName[];

const config = (os: string, architecture: string, variant?: string) => ({
  os,
  architecture,
  ...(variant === undefined ? {} : { variant }),
});

const single = (...platform: Parameters<typeof config>) => oddImage({ seed: seed++, config: config(...platform) });

interface Case {
  readonly what: string;
  readonly make: () => TestImage;
  /** The note that is printed; undefined for none. */
  readonly note?: RegExp;
  /** The image of the index that is taken, where the root is none. */
  readonly chosen?: number;
}

let indexed: readonly TestImage[] = [];

/** An index of images; which of them is taken is a case's `chosen`. */
function index(entries: readonly (readonly [TestImage, string | undefined])[]): TestImage {
  indexed = entries.map(([image]) => image);
  return oddIndex(entries.map(([image, platform]) => ({
    image,
    ...(platform === undefined ? {} : { members: platformMember(platform) }),
  })));
}

const CASES: readonly Case[] = [
  { what: "a config without os and architecture", make: () => single("", ""), note: /does not say what it runs on/ },
  { what: "a single amd64/v3 image", make: () => single("linux", "amd64", "v3"), note: /needs linux\/amd64\/v3/ },
  { what: "a single image of another architecture", make: () => single("linux", "arm64"), note: /is for linux\/arm64/ },
  {
    what: "an index whose entry names no platform",
    make: () => index([[single("linux", "amd64"), undefined]]),
    chosen: 0,
  },
  {
    what: "an index whose only image names no platform at all",
    make: () => index([[single("", ""), undefined]]),
    chosen: 0,
    note: /does not say what it runs on/,
  },
  {
    what: "an index of v3 and v2",
    make: () =>
      index([[single("linux", "amd64", "v3"), "linux/amd64/v3"], [single("linux", "amd64", "v2"), "linux/amd64/v2"]]),
    chosen: 1,
    note: /needs linux\/amd64\/v2/,
  },
  {
    what: "an index of another platform and one that only the config names",
    make: () => index([[single("linux", "arm64"), "linux/arm64"], [single("linux", "amd64"), undefined]]),
    chosen: 1,
  },
];

async function pulled(
  socket: string,
  image: TestImage,
  args: readonly string[],
  check: (
    run: ProgramRun,
    inspect: (name: string) => Promise<{ readonly status: number; readonly body: string }>,
  ) => Promise<void>,
): Promise<void> {
  await using folder = await tempFolder();
  await writeStore(folder.path, "app", "v1", image);
  const name = `s3lo-any-${Date.now().toString(36)}${seed++}:v1`;
  try {
    const run = await s3lo([
      ...["pull", "-o", "json", "--docker-host", `unix://${socket}`, ...args],
      ...[`local://${folder.path}//app:v1`, name],
    ]);
    await check(run, (each) => engine(socket, "GET", `/images/${each || name}/json`));
  } finally {
    await engine(socket, "DELETE", `/images/${name}`);
  }
}

for (const daemon of DAEMONS) {
  serviceTest(
    `pull takes what there is no choice about, and says where it may not run (${daemon})`,
    [daemon],
    async (services) => {
      for (const { what, make, note, chosen } of CASES) {
        const root = make();
        const expected = chosen === undefined ? root : indexed[chosen]!;
        await pulled(services[daemon], root, [], async (run, inspect) => {
          assert.equal(run.code, 0, `${what}: ${run.stderr}`);
          assert.equal(JSON.parse(run.stdout).digest, expected.root.descriptor.digest, what);
          if (note) assert.match(run.stderr, note, what);
          else assert.doesNotMatch(run.stderr, /Note/, what);
          assert.equal((await inspect("")).status, 200, what);
        });
      }
    },
  );
}

serviceTest(
  "pull --platform takes an image that says nothing, and none that says something else",
  ["docker20"],
  async ({ docker20 }) => {
    const args = ["--platform", "linux/amd64"];
    await pulled(docker20, single("", ""), args, async (run) => {
      assert.equal(run.code, 0, run.stderr);
      assert.equal(JSON.parse(run.stdout).platform_doubt, "unnamed");
      await Promise.resolve();
    });
    await pulled(docker20, single("linux", "arm64"), args, async (run) => {
      assert.equal(run.code, 1);
      assert.match(run.stderr, /Cannot find platform linux\/amd64 in .* \(there: linux\/arm64\)/);
      await Promise.resolve();
    });
    // An index has a choice, and nothing that fits.
    await pulled(docker20, index([[single("linux", "arm64"), "linux/arm64"]]), [], async (run) => {
      assert.equal(run.code, 1);
      assert.match(run.stderr, /\(there: linux\/arm64\)\n {2}Use --platform linux\/arm64/);
      await Promise.resolve();
    });
  },
);

for (const daemon of DAEMONS) {
  serviceTest(`pull of an artifact says what it is and where it can go (${daemon})`, [daemon], async (services) => {
    await pulled(services[daemon], artifact(), [], async (run) => {
      assert.equal(run.code, 1);
      assert.deepEqual(run.stderr.trimEnd().split("\n").map((line) => line.replace(/"[^"]*"/, "X")), [
        "Error: Cannot pull X: it is an artifact (application/vnd.example.notes) and no image to run",
        "  Write it to a file with --file, or keep it as it is with --all-platforms",
      ]);
      await Promise.resolve();
    });
    await pulled(services[daemon], artifact(), ["--all-platforms"], async (run) => {
      if (daemon === "docker29") return assert.equal(run.code, 0, run.stderr);
      assert.equal(run.code, 1);
      assert.match(run.stderr, /it is an artifact \(.*\), and this daemon keeps images only\n {2}Write it to a file/);
      await Promise.resolve();
    });
    const image = single("linux", "amd64");
    const attestations = oddIndex([{ image: artifact(), members: attestationMembers(image.root) }]);
    await pulled(services[daemon], attestations, [], async (run) => {
      assert.equal(run.code, 1);
      assert.match(
        run.stderr,
        /it holds no image that says what it runs on\n {2}See what it holds with s3lo inspect/,
      );
      await Promise.resolve();
    });
  });
}
