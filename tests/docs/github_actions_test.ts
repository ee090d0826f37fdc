/** The workflow of docs/github-actions.md: clean for actionlint, and its commands do what the page says. */
import assert from "node:assert/strict";
import { parse } from "yaml";
import { demoImage, writeStore } from "../../scripts/demo_image.ts";
import { ROOT } from "../../scripts/source_files.ts";
import { engine } from "../cli/daemons.ts";
import { makeBuckets, tempFolder } from "../cli/places.ts";
import { s3lo, s3loJson, s3loOk } from "../cli/program.ts";
import { programTest, serviceTest } from "../support/services.ts";
import { blockOf, commandsOf } from "./documents.ts";

/** The workflow, as far as these tests look. */
interface Workflow {
  readonly permissions: Readonly<Record<string, string>>;
  readonly env: Readonly<Record<string, string>>;
  readonly jobs: Readonly<Record<string, Job>>;
}

interface Job {
  readonly strategy?: { readonly matrix: { readonly include: readonly { readonly arch: string }[] } };
  readonly steps: readonly {
    readonly uses?: string;
    readonly run?: string;
    readonly with?: Readonly<Record<string, string>>;
  }[];
}

const block = () => blockOf("docs/github-actions.md", "workflow");

programTest("the workflow of the documents is clean for actionlint", ["actionlint"], async ([actionlint = ""]) => {
  await using folder = await tempFolder();
  const path = `${folder.path}/image.yml`;
  await Deno.writeTextFile(path, (await block()).text);
  const { success, stdout } = await new Deno.Command(actionlint, { args: ["-no-color", path] }).output();
  assert.ok(success, new TextDecoder().decode(stdout));
});

Deno.test("the workflow asks for the token, stores no secret, and uses an action that is there", async () => {
  const { text } = await block();
  const { permissions, jobs } = parse(text) as Workflow;
  assert.deepEqual(permissions, { contents: "read", "id-token": "write" });
  assert.doesNotMatch(text, /secrets\./);
  const steps = Object.values(jobs).flatMap((job) => job.steps);
  const own = steps.flatMap(({ uses }) => uses?.match(/^s3lo\/s3lo\/(.*)@v\d+\.\d+\.\d+$/)?.[1] ?? []);
  assert.ok(own.length >= 2);
  for (const path of own) assert.ok((await Deno.stat(`${ROOT}/${path}/action.yml`)).isFile, path);
  const trust = JSON.parse((await blockOf("docs/github-actions.md", "policy: trust")).text);
  assert.equal(trust.Statement[0].Action, "sts:AssumeRoleWithWebIdentity");
});

serviceTest("the workflow's commands make one tag of what its jobs have built, also when a job runs again", [
  "minio",
  "docker29",
], async ({ minio, docker29 }) => {
  await using folder = await tempFolder();
  using buckets = await makeBuckets(minio);
  await writeStore(demoImage(), `${folder.path}/store`, "hello", "v1");
  const { env: variables, jobs } = parse((await block()).text) as Workflow;
  const env = { ...buckets.env, S3LO_ENDPOINT: buckets.endpoint, DOCKER_HOST: `unix://${docker29}` };
  const sha = crypto.randomUUID().replaceAll("-", "");
  const image = variables.IMAGE!.replace("my-bucket", buckets.first);
  const values: Record<string, string> = { GITHUB_SHA: sha, IMAGE: image };
  const runJob = async (name: string, arch: string) => {
    for (const { run = "" } of jobs[name]!.steps) {
      const script = run.replaceAll("${{ matrix.arch }}", arch);
      for (const [first, ...words] of commandsOf(script)) {
        const args = words.map((word) => word.replaceAll(/\$(\w+)/g, (_, variable) => values[variable]!));
        if (first === "docker") {
          // In the place of a build: an image of that platform under the name that the build gives.
          const built = args[args.indexOf("--tag") + 1]!;
          const source = `local://${folder.path}/store//hello:v1`;
          await s3loOk(["pull", "--platform", `linux/${arch}`, source, built], { env });
        } else {
          assert.equal(first, "s3lo");
          const { code, stderr } = await s3lo(args, { env });
          assert.equal(code, 0, `${args.join(" ")}: ${stderr}`);
        }
      }
    }
  };
  try {
    const arches = jobs.build!.strategy!.matrix.include.map(({ arch }) => arch);
    for (const arch of [...arches, arches[0]!]) await runJob("build", arch);
    await runJob("publish", "");
    const { platforms } = await s3loJson(["inspect", `${image}:main`], { env });
    const found = platforms.map(({ platform }: { platform: string }) => platform).sort();
    assert.deepEqual(found, arches.map((arch) => `linux/${arch}`).sort());
  } finally {
    await engine(docker29, "DELETE", `/images/app:${sha}?force=true`);
  }
});
