/** Copies between registries and buckets. */
import type { Contestant, Scenario, Stage, StageContext } from "./scenario.ts";
import { run } from "./measure.ts";
import { emptyPlace, type Place, type SeededPlace } from "./seeds.ts";
import type { PayloadName } from "./payloads.ts";
import type { ToolName } from "./tools.ts";

const COPIERS = ["s3lo", "s3lo-go", "crane", "regctl", "oras", "skopeo"] as const;

/** Copies of images; the rivals reach the bucket through a registry whose storage is the same S3 server. */
export const COPY_SCENARIOS: readonly Scenario[] = [
  copy("registry-s3", "registry to S3, cold", "registry", "bucket", [
    "small",
    "index7",
    "layers40",
    "blobs2000",
    "large8",
    "large1",
  ]),
  copy("registry-s3-warm", "the same again", "registry", "bucket", ["index7", "layers40", "large8"], { isWarm: true }),
  copy("s3-s3", "S3 to another bucket", "bucket", "bucket", ["index7", "large8"]),
  copy("s3-registry", "S3 to a registry", "bucket", "registry", ["index7", "large8", "large1"]),
];

function copy(
  name: string,
  about: string,
  from: "registry" | "bucket",
  to: "registry" | "bucket",
  payloads: readonly PayloadName[],
  { isWarm = false } = {},
): Scenario {
  return { name, about, payloads, open: (context) => open(context, from, to, isWarm) };
}

async function open(
  { lab, tools, seeds }: StageContext,
  from: "registry" | "bucket",
  to: "registry" | "bucket",
  isWarm: boolean,
): Promise<Stage> {
  const kinds = (tool: Contestant): readonly [Place, Place] =>
    tool === "s3lo" || tool === "s3lo-go"
      ? [from, to]
      : [from === "bucket" ? "bucket-registry" : from, to === "bucket" ? "bucket-registry" : to];
  const command = (tool: Contestant, source: SeededPlace, target: SeededPlace) =>
    tool === "s3lo" || tool === "s3lo-go"
      ? tools.s3lo(tool, "copy", source.reference(), target.reference())
      : tools.copyBetween(tool as ToolName, source.reference(), target.reference());
  const kept = new Map<Contestant, { readonly place: SeededPlace; readonly clean: () => Promise<void> }>();
  const contestants = tools.present(COPIERS);
  // Seeding is no part of anybody's first round.
  for (const tool of contestants) await seeds.at(kinds(tool)[0]);
  return {
    contestants,
    async prepare(tool) {
      const [fromKind, toKind] = kinds(tool);
      const source = await seeds.at(fromKind);
      const target = kept.get(tool) ?? await emptyPlace(lab, toKind);
      if (isWarm && !kept.has(tool)) {
        kept.set(tool, target);
        await run(command(tool, source, target.place));
      }
      return {
        hosts: { source: source.host, target: target.place.host },
        command: () => command(tool, source, target.place),
        ...(isWarm ? {} : { finish: target.clean }),
      };
    },
    async [Symbol.asyncDispose]() {
      for (const { clean } of kept.values()) await clean();
    },
  };
}
