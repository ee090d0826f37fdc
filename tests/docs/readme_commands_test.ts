/** The README's five commands print what it shows, but for the time that it took. */
import assert from "node:assert/strict";
import { demoImage, writeStore } from "../../scripts/demo_image.ts";
import { engine } from "../cli/daemons.ts";
import { makeBuckets, tempFolder } from "../cli/places.ts";
import { s3loOk } from "../cli/program.ts";
import { serviceTest } from "../support/services.ts";
import { blocksOf, commandsOf } from "./documents.ts";

/** What a terminal shows: each command, and what it printed. */
async function shown(): Promise<{ readonly line: string; readonly output: string }[]> {
  const [block, ...others] = (await blocksOf("README.md")).filter(({ language }) => language === "console");
  assert.ok(block && others.length === 0);
  return block.text.trim().split("\n\n").map((text) => {
    const [line = "", ...output] = text.split("\n");
    assert.match(line, /^\$ s3lo /);
    return { line: line.slice(2), output: output.join("\n") };
  });
}

/** Without what differs from run to run: the time that it took, and what the daemon happens to hold of the image. */
const settled = (text: string, line: string) => {
  const timeless = text.trimEnd().replaceAll(/, \d+(?:\.\d+)? (?:ms|s|min)$/gm, ", TIME");
  if (!line.startsWith("s3lo pull ")) return timeless;
  return timeless.replace(/, \d+ blobs? copied \(\S+ \S+\), \d+ skipped as already there \(\S+ \S+\),/, ", BLOBS,");
};

// The image is pulled for the platform of the daemon, which the README shows for one of them.
if (Deno.build.arch === "x86_64") {
  serviceTest("the README's commands print what it shows", ["minio", "docker29"], async ({ minio, docker29 }) => {
    await using folder = await tempFolder();
    using buckets = await makeBuckets(minio);
    // Docker is one for all tests: the image gets a name of its own there.
    const name = `hello-${crypto.randomUUID().slice(0, 8)}`;
    await writeStore(demoImage(), `${folder.path}/store`, name, "v1");
    const env = { ...buckets.env, S3LO_ENDPOINT: buckets.endpoint, DOCKER_HOST: `unix://${docker29}` };
    const replaced = [
      ["local://./demo/store", `local://${folder.path}/store`],
      ["s3://my-bucket", `s3://${buckets.first}`],
      ["hello:v1", `${name}:v1`],
    ] as const;
    const steps = await shown();
    assert.equal(steps.length, 5);
    try {
      for (const { line, output } of steps) {
        const [[, ...args] = []] = commandsOf(line);
        const own = args.map((arg) => replaced.reduce((text, [from, to]) => text.replace(from, to), arg));
        const printed = await s3loOk(own, { env });
        const told = replaced.reduce((text, [from, to]) => text.replaceAll(to, from), printed);
        assert.equal(settled(told, line), settled(output, line), line);
      }
    } finally {
      await engine(docker29, "DELETE", `/images/${name}:v1?force=true`);
    }
  });
}
