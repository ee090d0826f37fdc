/** What survives a power cut is what was synced: the order of the system calls is looked at with strace. */
import assert from "node:assert/strict";
import { listFiles, tempFolder, writeStore } from "../cli/places.ts";
import { programCommand, s3loOk } from "../cli/program.ts";
import { multiImage, singleImage } from "../support/images.ts";
import { programPath } from "../support/services.ts";

const strace = programPath("strace");

/** One call that matters, in the order in which they ended. */
type Call =
  | { readonly kind: "write"; readonly path: string }
  | { readonly kind: "sync"; readonly path: string }
  | { readonly kind: "name"; readonly from: string; readonly to: string };

/** Runs a command under strace and gives the calls on files below a folder. */
async function trace(args: readonly string[], folder: string, output: string): Promise<Call[]> {
  const names = "write,pwrite64,writev,fsync,fdatasync,rename,renameat,renameat2,link,linkat";
  const options = ["-f", "-y", "-s", "0", "-e", `trace=${names}`, "-o", output, ...programCommand(), ...args];
  const run = await new Deno.Command(strace!, { args: options, stdout: "null", stderr: "piped" }).output();
  assert.equal(run.code, 0, new TextDecoder().decode(run.stderr));
  return parseTrace(await Deno.readTextFile(output), folder);
}

/** Reads strace's lines; a call that was interrupted by another thread's counts where it was resumed. */
function parseTrace(text: string, folder: string): Call[] {
  const begun = new Map<string, string>();
  const calls: Call[] = [];
  for (const line of text.split("\n")) {
    const [, process = "", rest = ""] = /^(\d+)\s+(.*)$/.exec(line) ?? [];
    if (rest.endsWith("<unfinished ...>")) {
      begun.set(process, rest.slice(0, -"<unfinished ...>".length));
      continue;
    }
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(rest);
    const call = resumed ? `${begun.get(process) ?? ""}${resumed[1]}` : rest;
    if (!/= \d/.test(call)) continue;
    const name = /^(\w+)\(/.exec(call)?.[1] ?? "";
    const open = /\d+<([^>]+)>/.exec(call)?.[1] ?? "";
    if (/write/.test(name) && open.startsWith(folder)) calls.push({ kind: "write", path: open });
    if (/sync/.test(name) && open.startsWith(folder)) calls.push({ kind: "sync", path: open });
    const paths = [...call.matchAll(/"([^"]*)"/g)].map(([, path]) => path!);
    const isOwn = paths.length === 2 && paths[1]!.startsWith(folder);
    if (/rename|link/.test(name) && isOwn) calls.push({ kind: "name", from: paths[0]!, to: paths[1]! });
  }
  return calls;
}

/** What is wrong with an order of calls: a name given to bytes that were not synced, a tag before what it names is safe. */
function complaints(calls: readonly Call[], isTag: (path: string) => boolean): string[] {
  const found: string[] = [];
  const unsyncedBytes = new Set<string>();
  const unsyncedNames = new Map<string, string>();
  for (const call of calls) {
    if (call.kind === "write") unsyncedBytes.add(call.path);
    else if (call.kind === "sync") {
      unsyncedBytes.delete(call.path);
      for (const [name, folder] of unsyncedNames) if (folder === call.path) unsyncedNames.delete(name);
    } else {
      if (unsyncedBytes.has(call.from)) found.push(`${call.to} got its name before its bytes were safe`);
      if (isTag(call.to) && unsyncedNames.size > 0) {
        found.push(`${call.to} got its name before that of ${[...unsyncedNames.keys()][0]} was safe`);
      }
      unsyncedNames.set(call.to, call.to.slice(0, call.to.lastIndexOf("/")));
    }
  }
  for (const name of unsyncedNames.keys()) found.push(`the name of ${name} was never made safe`);
  return found;
}

Deno.test("complaints() finds bytes and names that a power cut would take", { permissions: "none" }, () => {
  const isTag = (path: string) => path.endsWith("tag");
  const blob: Call[] = [
    { kind: "write", path: "/s/tmp/1" },
    { kind: "sync", path: "/s/tmp/1" },
    { kind: "name", from: "/s/tmp/1", to: "/s/b/1" },
    { kind: "sync", path: "/s/b" },
  ];
  const tag: Call[] = [{ kind: "name", from: "/s/tmp/2", to: "/s/t/tag" }, { kind: "sync", path: "/s/t" }];
  assert.deepEqual(complaints([...blob, ...tag], isTag), []);
  assert.equal(complaints([blob[0]!, ...blob.slice(2), ...tag], isTag).length, 1);
  assert.equal(complaints([...blob.slice(0, 3), ...tag], isTag).length, 2);
  assert.equal(complaints([...blob, tag[0]!], isTag).length, 1);
});

const isCompiled = Deno.env.get("S3LO_TEST_PROGRAM") !== undefined;
const ignore = isCompiled || (strace === undefined && Deno.env.get("CI") !== "true");
const skipped = ignore ? ` (skipped: ${isCompiled ? "for the program from source" : "no strace"})` : "";
const big = { seed: 7, layersPerPlatform: 1, layerBytes: 12 * 1024 * 1024, compression: "none" } as const;

for (
  const [what, image] of [["small", multiImage({ seed: 5 })], [
    "large",
    singleImage({ os: "linux", architecture: "amd64" }, big),
  ]] as const
) {
  Deno.test({
    name: `a copy of ${what} layers to a folder is safe from a power cut at any moment${skipped}`,
    ignore,
    fn: async () => {
      await using folder = await tempFolder();
      await writeStore(`${folder.path}/a`, "app", "v1", image);
      const root = await Deno.realPath(folder.path);
      await Deno.mkdir(`${root}/b`);
      // By way of an archive: folders take blobs over from each other by links, without a byte written.
      await s3loOk(["copy", "-q", `local://${root}/a//app:v1`, `oci-archive:${root}/a.tar:app:v1`]);
      const args = ["copy", "-q", `oci-archive:${root}/a.tar`, `local://${root}/b//team/app:v1`];
      const calls = await trace(args, `${root}/b`, `${root}/trace`);
      const written = new Set(calls.flatMap((call) => call.kind === "write" ? [call.path] : []));
      assert.ok(written.size > image.blobs.size, "the bytes of every blob are written");
      const named = calls.flatMap((call) => call.kind === "name" ? [call.to] : []);
      const expected = (await listFiles(`${root}/b`)).filter((path) => !path.startsWith(".s3lo/")).map((path) =>
        `${root}/b/${path}`
      );
      assert.deepEqual(named.filter((path) => !path.includes("/.s3lo/")).sort(), expected);
      assert.deepEqual(
        complaints(
          calls.filter((call) => call.kind !== "name" || !call.to.includes("/.s3lo/")),
          (path) => path.endsWith("/manifest.json"),
        ),
        [],
      );
    },
  });
}

for (const format of ["oci-archive", "docker-archive", "oci"]) {
  Deno.test({
    name: `a pull to ${format} is safe from a power cut at any moment${skipped}`,
    ignore,
    fn: async () => {
      await using folder = await tempFolder();
      const image = singleImage({ os: "linux", architecture: "amd64" }, big);
      await writeStore(`${folder.path}/a`, "app", "v1", image);
      const root = await Deno.realPath(folder.path);
      await Deno.mkdir(`${root}/b`);
      const args = ["pull", "-q", "--format", format, "-f", `${root}/b/x`, `local://${root}/a//app:v1`, "app:v1"];
      const calls = await trace(args, `${root}/b`, `${root}/trace`);
      assert.ok(calls.some(({ kind }) => kind === "name"));
      assert.ok(calls.some(({ kind }) => kind === "write"));
      assert.deepEqual(complaints(calls, (path) => path.endsWith("/x") || path.endsWith("/index.json")), []);
    },
  });
}
