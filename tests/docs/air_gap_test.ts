/** docs/air-gap.md is run line by line: what it says is what happens, whatever the site has. */
import assert from "node:assert/strict";
import { s3loJson, s3loOk } from "../cli/program.ts";
import { checkBlobs, makeBuckets, readStoredTag, tempFolder, writeStore } from "../cli/places.ts";
import { multiImage } from "../support/images.ts";
import { restrictedIdentity } from "../support/restricted_identity.ts";
import { optionalProgram, serviceTest } from "../support/services.ts";
import { blocksOf } from "./documents.ts";
import { pathWithProgram, runBlock } from "./run_script.ts";

const PAGE = "docs/air-gap.md";

const platforms = ["linux/amd64", "linux/arm64"];
const [app, newer, db] = [
  multiImage({ seed: 131, platforms, layerBytes: 200_000 }),
  multiImage({ seed: 131, platforms, layerBytes: 200_000, layersPerPlatform: 4 }),
  multiImage({ seed: 132, platforms, layerBytes: 200_000 }),
];

for (const kind of ["a bucket", "a folder"] as const) {
  serviceTest(
    `every line of docs/air-gap.md runs, to a site that has ${kind}`,
    ["minio", "docker20"],
    async ({ minio, docker20 }) => {
      await using folder = await tempFolder();
      using buckets = await makeBuckets(minio);
      for (const name of ["outside", "site", "stick", "bin"]) await Deno.mkdir(`${folder.path}/${name}`);

      // Docker is one for all tests: the images get a name of their own there.
      const team = `team-${crypto.randomUUID().slice(0, 8)}`;
      for (const [name, tag, image] of [["app", "v1", app], ["db", "v2", db], ["app", "v2", newer]] as const) {
        await writeStore(`${folder.path}/images`, `${team}/${name}`, tag, image);
      }
      const given = ["--endpoint", buckets.endpoint];
      for (const name of [`${team}/app`, `${team}/db`]) {
        const source = `local://${folder.path}/images//${name}`;
        await s3loOk(["copy", ...given, "-a", source, `s3://${buckets.first}/${name}`], buckets);
      }

      const common = {
        ...buckets.env,
        S3LO_ENDPOINT: buckets.endpoint,
        PATH: await pathWithProgram(`${folder.path}/bin`),
        DOCKER_HOST: `unix://${docker20}`,
      };
      // Nobody sees the other side's bucket: only what lies on the stick crosses.
      const rights = async (bucket: string, actions: readonly string[]) =>
        await restrictedIdentity(minio, [[actions, [`${bucket}/*`]], [["s3:ListBucket"], [bucket]]]);
      const outside = {
        cwd: `${folder.path}/outside`,
        env: { ...common, ...await rights(buckets.first, ["s3:GetObject"]) },
      };
      const site = {
        cwd: `${folder.path}/site`,
        env: { ...common, ...await rights(buckets.second, ["s3:GetObject", "s3:PutObject"]) },
      };
      const store = `${folder.path}/store`;
      const replaced = [
        ["s3://my-bucket/team/", `s3://${buckets.first}/${team}/`],
        [
          "s3://site-bucket/team/",
          kind === "a folder" ? `local://${store}//${team}/` : `s3://${buckets.second}/${team}/`,
        ],
        ["s3://site-bucket", kind === "a folder" ? `local://${store}` : `s3://${buckets.second}`],
        ["/media/stick", `${folder.path}/stick`],
        ["--split 4GB", "--split 300KB"], // the images are small, and the bundle has several parts all the same
      ] as const;

      const blocks = (await blocksOf(PAGE)).filter(({ marker }) => marker?.startsWith("run: "));
      assert.deepEqual(blocks.map(({ marker }) => marker), [
        "run: outside",
        "run: outside",
        "run: site",
        "run: site",
        "run: outside",
        "run: site",
      ]);
      const docker = optionalProgram("docker");
      try {
        const outputs: string[] = [];
        for (const block of blocks) {
          if (docker === undefined && block.text.includes("docker ")) continue;
          outputs.push(await runBlock(block, block.marker === "run: site" ? site : outside, replaced));
        }
        assert.match(outputs[1]!, /^disk\.tar\.003: OK$/m);
        assert.ok(outputs[2]!.endsWith(`${team}/app:v1\n${team}/db:v2\n`), outputs[2]);
        if (docker !== undefined) assert.match(outputs[3]!, new RegExp(`Loaded image: ${team}/app:v1`));
      } finally {
        if (docker !== undefined) {
          await new Deno.Command(docker, { args: ["rmi", `${team}/app:v1`], env: { DOCKER_HOST: common.DOCKER_HOST } })
            .output();
        }
      }

      // Only what is new has travelled the second time, and all of it is there.
      const { relies_on } = await s3loJson(["bundle", "list", `${folder.path}/stick/next.tar`]);
      assert.ok(relies_on.length > 0);
      if (kind === "a folder") {
        for (const image of [app, db, newer]) await checkBlobs(store, image);
        assert.deepEqual(await readStoredTag(store, `${team}/app`, "v2"), newer.root.bytes);
      } else {
        const copied = `${folder.path}/copied`;
        for (const [name, tag, image] of [["app", "v1", app], ["db", "v2", db], ["app", "v2", newer]] as const) {
          const source = `s3://${buckets.second}/${team}/${name}:${tag}`;
          await s3loOk(["copy", ...given, source, `local://${copied}//${team}/${name}:${tag}`], buckets);
          await checkBlobs(copied, image);
          assert.deepEqual(await readStoredTag(copied, `${team}/${name}`, tag), image.root.bytes);
        }
      }
    },
  );
}
