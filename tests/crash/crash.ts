/** Kills s3lo at seeded moments of its work and looks at what is left. */
import { fileURLToPath } from "node:url";
import { Session } from "../../src/transports/session.ts";
import { listFiles, makeBuckets, type TestBuckets, writeStore } from "../cli/places.ts";
import { imageViolations, storeViolations } from "../soak/world.ts";
import { multiImage, Random, singleImage } from "../support/images.ts";
import { copyCommand } from "../support/by_text.ts";

const MAIN = fileURLToPath(new URL("crash_main.ts", import.meta.url));

/** How many crashes, and where the servers are: `http://access:secret@host:port`, `http://host:port`. */
export interface CrashOptions {
  readonly points: number;
  readonly seed: number;
  readonly servers?: { readonly s3: string; readonly registry: string } | undefined;
}

/** What the crashes showed. */
export interface CrashFigures {
  crashes: number;
  /** Runs that were done before their moment came. */
  missed: number;
  /** By command: how many operations it has, and how many crashes it met. */
  readonly commands: Map<string, { readonly operations: number; crashes: number }>;
  readonly violations: string[];
}

/** A command and where its result can be seen. */
interface Case {
  readonly name: string;
  readonly needsServers?: boolean;
  /** Makes what is there before. */
  readonly prepare?: (place: CrashPlace) => Promise<void>;
  readonly args: (place: CrashPlace) => readonly string[];
  readonly result: (place: CrashPlace) => string;
}

interface CrashPlace {
  readonly source: string;
  readonly folder: string;
  readonly repository: string;
  readonly buckets: TestBuckets | undefined;
}

const inStore = ({ folder }: CrashPlace) => `local://${folder}/store//app:v1`;
const sourceOf = ({ source }: CrashPlace, tag: string) => `local://${source}//app:${tag}`;

const CASES: readonly Case[] = [
  { name: "copy to a folder", args: (place) => ["copy", sourceOf(place, "multi"), inStore(place)], result: inStore },
  {
    name: "copy over a tag",
    prepare: async (place) => {
      await using session = new Session();
      await copyCommand(session, sourceOf(place, "amd64"), inStore(place));
    },
    args: (place) => ["copy", sourceOf(place, "multi"), inStore(place)],
    result: inStore,
  },
  {
    name: "push of a file",
    args: (place) => ["push", "-f", `${place.source}/multi.tar`, inStore(place)],
    result: inStore,
  },
  {
    name: "pull to a file",
    prepare: ({ folder, source }) => Deno.copyFile(`${source}/multi.tar`, `${folder}/image.tar`),
    args: (
      place,
    ) => ["pull", "-f", `${place.folder}/image.tar`, "--platform", "linux/amd64", sourceOf(place, "amd64"), "app:v1"],
    result: ({ folder }) => `oci-archive:${folder}/image.tar`,
  },
  {
    name: "pull to a layout",
    args: (place) => [
      ...["pull", "-f", `${place.folder}/layout`, "--format", "oci", "--all-platforms"],
      ...[sourceOf(place, "multi"), "app:v1"],
    ],
    result: ({ folder }) => `oci:${folder}/layout`,
  },
  {
    name: "index add",
    prepare: async (place) => {
      await using session = new Session();
      await copyCommand(session, sourceOf(place, "amd64"), inStore(place));
    },
    args: (place) => ["index", "add", inStore(place), sourceOf(place, "arm64")],
    result: inStore,
  },
  {
    name: "bundle save",
    args: (
      place,
    ) => ["bundle", "save", "-f", `${place.folder}/bundle.tar`, sourceOf(place, "amd64"), sourceOf(place, "arm64")],
    result: ({ folder }) => `oci-archive:${folder}/bundle.tar:@0`,
  },
  {
    name: "bundle load",
    args: (place) => ["bundle", "load", `${place.source}/bundle.tar`, `local://${place.folder}/store`],
    result: ({ folder }) => `local://${folder}/store//app:arm64`,
  },
  {
    name: "copy to a bucket",
    needsServers: true,
    prepare: async (place) => {
      await using session = sessionOf(place);
      const { objects } = await session.bucket(place.buckets!.first, "target");
      for await (const page of objects.list("")) await objects.remove(page.map(({ key }) => key));
    },
    args: (place) => [
      ...["copy", "--endpoint", place.buckets!.endpoint, "--region", "us-east-1"],
      ...[sourceOf(place, "multi"), `s3://${place.buckets!.first}/${place.repository}:v1`],
    ],
    result: ({ buckets, repository }) => `s3://${buckets!.first}/${repository}:v1`,
  },
  {
    name: "copy from a bucket to a registry",
    needsServers: true,
    prepare: async (place) => {
      await using session = sessionOf(place);
      await copyCommand(session, sourceOf(place, "multi"), `s3://${place.buckets!.second}/app:v1`);
    },
    args: (place) => [
      ...["copy", "--plain-http", "--endpoint", place.buckets!.endpoint, "--region", "us-east-1"],
      ...[`s3://${place.buckets!.second}/app:v1`, `${place.repository}:v1`],
    ],
    result: ({ repository }) => `${repository}:v1`,
  },
];

/** Crashes each command in turn until there were enough. */
export async function runCrashes(options: CrashOptions): Promise<CrashFigures> {
  const figures: CrashFigures = { crashes: 0, missed: 0, commands: new Map(), violations: [] };
  const random = new Random(options.seed);
  const folder = await Deno.makeTempDir({ prefix: "s3lo-crash-" });
  const { servers } = options;
  const buckets = servers ? await makeBuckets(servers.s3) : undefined;
  try {
    for (const [name, value] of Object.entries(buckets?.env ?? {})) Deno.env.set(name, value);
    await makeSources(`${folder}/source`);
    const cases = CASES.filter((each) => servers || !each.needsServers);
    for (let round = 0; figures.crashes < options.points && round < options.points * 3; round++) {
      const each = cases[round % cases.length]!;
      const place: CrashPlace = {
        source: `${folder}/source`,
        folder: `${folder}/${round}`,
        repository: each.name.includes("registry")
          ? `${new URL(servers!.registry).host}/crash-${crypto.randomUUID().slice(0, 13)}/app`
          : `app${round}`,
        buckets,
      };
      await Deno.mkdir(place.folder);
      await crashOnce(each, place, random, figures);
      await Deno.remove(place.folder, { recursive: true });
    }
  } finally {
    buckets?.[Symbol.dispose]();
    await Deno.remove(folder, { recursive: true });
  }
  return figures;
}

async function makeSources(folder: string): Promise<void> {
  const small = { layersPerPlatform: 2, layerBytes: 30_000 };
  await writeStore(folder, "app", "multi", multiImage({ seed: 1, ...small, attestations: true }));
  await writeStore(folder, "app", "amd64", singleImage({ os: "linux", architecture: "amd64" }, { seed: 2, ...small }));
  await writeStore(folder, "app", "arm64", singleImage({ os: "linux", architecture: "arm64" }, { seed: 3, ...small }));
  await using session = new Session();
  await copyCommand(session, `local://${folder}//app:multi`, `oci-archive:${folder}/multi.tar:app:multi`);
  const bundled = ["amd64", "arm64"].map((tag) => `local://${folder}//app:${tag}`);
  const { code, text } = await runProgram(["bundle", "save", "-f", `${folder}/bundle.tar`, ...bundled], 0);
  if (code !== 0) throw new Error(`Cannot make a bundle: ${text}`);
}

async function crashOnce(each: Case, place: CrashPlace, random: Random, figures: CrashFigures): Promise<void> {
  await each.prepare?.(place);
  let known = figures.commands.get(each.name);
  if (!known) {
    const { total, code, text } = await runProgram(each.args(place), 0);
    if (code !== 0 || total === undefined) throw new Error(`${each.name} fails without a crash: ${text}`);
    figures.commands.set(each.name, known = { operations: total, crashes: 0 });
    // This run's work is done; the next one of this command crashes.
    return;
  }
  const at = 1 + random.next(known.operations);
  const { isCrashed } = await runProgram(each.args(place), at);
  if (!isCrashed) figures.missed++;
  else {
    figures.crashes++;
    known.crashes++;
  }
  const complain = (when: string, found: readonly string[]) =>
    figures.violations.push(...found.map((violation) => `${each.name}, operation ${at}, ${when}: ${violation}`));
  complain("after the crash", await look(each, place));
  await ageLeftovers(place);
  const again = await runProgram(each.args(place), 0);
  if (again.code !== 0) complain("run again", [`it ended with ${again.code}: ${again.text}`]);
  complain("run again", [...await look(each, place), ...await leftovers(place)]);
  await using session = sessionOf(place);
  complain("run again", await imageViolations(session, each.result(place)));
}

function sessionOf({ buckets }: CrashPlace): Session {
  return new Session({ plainHttp: true, region: "us-east-1", ...(buckets ? { endpoint: buckets.endpoint } : {}) });
}

/** What can be seen and is not as it must be. */
async function look(each: Case, place: CrashPlace): Promise<string[]> {
  await using session = sessionOf(place);
  const violations: string[] = [];
  const exists = (path: string) => Deno.stat(path).then(() => true, () => false);
  if (await exists(`${place.folder}/store/.s3lo`)) {
    const { objects } = await session.folder(`${place.folder}/store`, { access: "read" });
    violations.push(...await storeViolations(objects, session, `local://${place.folder}/store//`));
  }
  // A file that was there stays as it was, or is the new one; an index that is there is whole.
  const files = ["image.tar", "bundle.tar"].map((name) => `${place.folder}/${name}`);
  if (await exists(files[0]!) || await exists(files[1]!) || await exists(`${place.folder}/layout/index.json`)) {
    violations.push(...await imageViolations(session, each.result(place)));
  }
  if (each.name === "copy to a bucket") {
    const { objects } = await session.bucket(place.buckets!.first, "target");
    const tag = `manifests/${place.repository}/v1/manifest.json`;
    if (await objects.head(tag)) violations.push(...await imageViolations(session, each.result(place)));
  }
  return violations;
}

/** Makes what the killed run left look old: young files may belong to somebody. */
async function ageLeftovers(place: CrashPlace): Promise<void> {
  const old = new Date(Date.now() - 60_000);
  for (const path of await listFiles(place.folder)) {
    if (path.includes(".s3lo-")) await Deno.utime(`${place.folder}/${path}`, old, old);
  }
}

/** Files that a run leaves although it was done. The folder for temporary files is emptied by age. */
async function leftovers(place: CrashPlace): Promise<string[]> {
  const files = await listFiles(place.folder);
  return files.filter((path) => /\.s3lo-|\.s3lo\/partial\//.test(path)).map((path) => `left behind: ${path}`);
}

async function runProgram(args: readonly string[], at: number) {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", "--cached-only", MAIN, ...args],
    env: { NO_COLOR: "1", S3LO_CRASH_AT: String(at) },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  let text = "";
  let isCrashed = false;
  for await (const piece of child.stderr.pipeThrough(new TextDecoderStream())) {
    text += piece;
    if (isCrashed || !text.includes("\nCRASH-POINT\n")) continue;
    isCrashed = true;
    child.kill("SIGKILL");
  }
  const { code } = await child.status;
  const total = /\nCRASH-TOTAL (\d+)\n/.exec(text)?.[1];
  return { code, text, isCrashed, total: total === undefined ? undefined : Number(total) };
}
