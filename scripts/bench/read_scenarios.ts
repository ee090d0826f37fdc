/** Reading: archives, looking at an image, listing tags, starting. */
import { PutObjectCommand } from "@aws-sdk/client-s3";
import { mapPool } from "../../src/bytes/pool.ts";
import type { Lab } from "./lab.ts";
import type { Attempt, Contestant, Scenario, Stage, StageContext } from "./scenario.ts";
import { IMAGE } from "./seeds.ts";
import { TOOL_NAMES, type ToolName } from "./tools.ts";

const TAGS = 10_000;

const READERS = ["s3lo", "s3lo-go", "crane", "regctl", "oras", "skopeo"] as const;

/** Scenarios that write nothing to a server. */
export const READ_SCENARIOS: readonly Scenario[] = [
  { name: "s3-archive", about: "S3 to an archive file", payloads: ["medium", "large8"], open: openArchive },
  { name: "inspect", about: "look at an index", payloads: ["index7"], roundsFactor: 3, open: openInspect },
  { name: "list", about: "list 10,000 tags", payloads: ["small"], open: openList },
  { name: "start", about: "print the version", payloads: ["small"], roundsFactor: 6, open: openStart },
];

function isS3lo(tool: Contestant): tool is "s3lo" | "s3lo-go" {
  return tool === "s3lo" || tool === "s3lo-go";
}

function stage(contestants: readonly Contestant[], prepare: (tool: Contestant) => Promise<Attempt>): Stage {
  return { contestants, prepare, [Symbol.asyncDispose]: () => Promise.resolve() };
}

function openArchive({ lab, tools, seeds }: StageContext): Promise<Stage> {
  const contestants = tools.present(["s3lo", "crane", "regctl", "oras", "skopeo"]);
  return Promise.resolve(stage(contestants, async (tool) => {
    const source = await seeds.at(isS3lo(tool) ? "bucket" : "bucket-registry");
    const folder = await Deno.makeTempDir({ dir: lab.folder });
    const file = `${folder}/image.tar`;
    return {
      hosts: { source: source.host, target: source.host },
      command: () =>
        isS3lo(tool)
          ? tools.s3lo(tool, "copy", source.reference(), `oci-archive:${file}:v1`)
          : tools.archive(tool as ToolName, source.reference(), file),
      finish: () => Deno.remove(folder, { recursive: true }),
    };
  }));
}

function openInspect({ tools, seeds }: StageContext): Promise<Stage> {
  return Promise.resolve(stage(tools.present(READERS), async (tool) => {
    const source = await seeds.at(isS3lo(tool) ? "bucket" : "bucket-registry");
    return {
      hosts: { source: source.host, target: source.host },
      command: () =>
        isS3lo(tool)
          ? tools.s3lo(tool, "inspect", source.reference())
          : tools.inspect(tool as ToolName, source.reference()),
    };
  }));
}

async function openList({ lab, tools }: StageContext): Promise<Stage> {
  const names = Array.from({ length: TAGS }, (_, index) => `v${index}`);
  const bucket = await lab.makeBucket();
  await putAll(lab, bucket, names.map((tag) => `manifests/app/bench/${tag}/manifest.json`), "{}");
  const registry = await lab.makeRegistry("bucket");
  const root = "docker/registry/v2/repositories/app/bench/_manifests/tags";
  await putAll(
    lab,
    registry.bucket ?? "",
    names.map((tag) => `${root}/${tag}/current/link`),
    `sha256:${"0".repeat(64)}`,
  );
  return {
    contestants: tools.present(READERS),
    prepare: (tool) =>
      Promise.resolve(
        isS3lo(tool)
          ? {
            hosts: { source: lab.s3Host, target: lab.s3Host },
            command: () => tools.s3lo(tool, "list", `s3://${bucket}/app/bench`),
          }
          : {
            hosts: { source: registry.host, target: registry.host },
            command: () => tools.list(tool as ToolName, `${lab.via(registry.host)}/${IMAGE.split(":")[0]}`),
          },
      ),
    async [Symbol.asyncDispose]() {
      await registry.stop();
      await lab.dropBucket(bucket);
    },
  };
}

async function putAll(lab: Lab, bucket: string, keys: readonly string[], body: string): Promise<void> {
  await mapPool(keys, 24, async (key) => {
    await lab.s3.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: body }));
  });
}

function openStart({ lab, tools }: StageContext): Promise<Stage> {
  return Promise.resolve(
    stage([...tools.present(TOOL_NAMES), "empty program"], (tool) =>
      Promise.resolve({
        command: () => tool === "empty program" ? { args: tools.empty, env: lab.env } : tools.version(tool as ToolName),
      })),
  );
}
