/**
 * What becomes of a run when the streams that it was given are odd: readers that go away, full disks, pipes that do not wait,
 * special files. The work counts, not whether anybody listens to how it goes.
 */
import assert from "node:assert/strict";
import { multiImage, singleImage } from "../support/images.ts";
import { checkBlobs, readStoredTag, tempFolder, writeStore } from "./places.ts";
import { s3lo, s3loJson, s3loOk } from "./program.ts";
import { nonBlocking, onTerminal, shell, UNREAD } from "./shell.ts";

const image = multiImage({ seed: 4401, layersPerPlatform: 2, layerBytes: 4000 });

/** Devices, and the tools that make odd streams, are Linux's. */
const linuxTest = (name: string, fn: () => Promise<void>) => Deno.test({ name, ignore: Deno.build.os !== "linux", fn });

/** A folder with a store of the image. */
async function ready(): Promise<AsyncDisposable & { readonly folder: string; readonly source: string }> {
  const temporary = await tempFolder();
  const { path: folder } = temporary;
  await writeStore(`${folder}/store`, "app", "v1", image);
  return {
    folder,
    source: `local://${folder}/store//app:v1`,
    [Symbol.asyncDispose]: () => temporary[Symbol.asyncDispose](),
  };
}

const DEAF: readonly (readonly [name: string, script: string])[] = [
  ["whose reader is gone", UNREAD.stderr],
  ["on a full disk", `"$@" 2>/dev/full`],
  ["that is closed", `"$@" 2>&-`],
];

for (const [name, script] of DEAF) {
  linuxTest(`copy, pull, push and bundle save do their work with a stderr ${name}`, async () => {
    await using place = await ready();
    const { folder, source } = place;
    const run = async (...args: string[]) => {
      const { code, stdout } = await shell(script, args);
      assert.equal(code, 0, args.join(" "));
      assert.notEqual(stdout, "", "the result is on stdout");
    };
    await run("copy", source, `local://${folder}/copied//app:v1`);
    await checkBlobs(`${folder}/copied`, image);
    assert.deepEqual(await readStoredTag(`${folder}/copied`, "app", "v1"), image.root.bytes);
    await run("pull", "--platform", "linux/arm64", "-f", `${folder}/app.tar`, source);
    await run("push", "-f", `${folder}/app.tar`, `local://${folder}/pushed//app:v1`);
    assert.ok(await readStoredTag(`${folder}/pushed`, "app", "v1"));
    await run("bundle", "save", "-f", `${folder}/bundle.tar`, source);
    const bundle = await s3loJson(["bundle", "list", "--verify", `${folder}/bundle.tar`]);
    assert.equal(bundle.images[0].digest, image.root.descriptor.digest);
  });

  linuxTest(`a copy that fails with a stderr ${name} exits with 1`, async () => {
    await using place = await ready();
    const { code } = await shell(script, [
      "copy",
      `${place.source.replace("v1", "absent")}`,
      `local://${place.folder}/copied//app:v1`,
    ]);
    assert.equal(code, 1);
  });
}

linuxTest("a reader of the result that went away is no failure, and hides none", async () => {
  await using place = await ready();
  const { folder, source } = place;
  const copied = await shell(UNREAD.stdout, ["copy", source, `local://${folder}/copied//app:v1`]);
  assert.equal(copied.code, 0, copied.stderr);
  assert.ok(await readStoredTag(`${folder}/copied`, "app", "v1"));
  // One of two tags is damaged: whoever reads the result, the copy of all has failed.
  await Deno.mkdir(`${folder}/store/manifests/app/v2`);
  await Deno.writeTextFile(`${folder}/store/manifests/app/v2/manifest.json`, "{}");
  const all = ["copy", "-a", `local://${folder}/store//app`, `local://${folder}/copied//all`];
  const partly = await shell(UNREAD.stdout, all);
  assert.equal(partly.code, 1, partly.stderr);
  assert.ok(await readStoredTag(`${folder}/copied`, "all", "v1"));
});

linuxTest("an archive whose reader goes away is a failure: it is not whole", async () => {
  await using place = await ready();
  const { code, stderr } = await shell(UNREAD.stdout, ["pull", "--all-platforms", "-f", "-", place.source]);
  assert.equal(code, 1);
  assert.match(stderr, /Stopped writing standard output: nobody reads it any more/);
});

linuxTest("a full disk under stdout is told as the user's, for results, lists, help and archives", async () => {
  await using place = await ready();
  const { folder, source } = place;
  const cases: readonly (readonly string[])[] = [
    ["list", `local://${folder}/store`],
    ["inspect", "-o", "yaml", source],
    ["copy", source, `local://${folder}/copied//app:v1`],
    ["pull", "--all-platforms", "-f", "-", source],
    ["bundle", "save", "-f", "-", source],
    ["copy", "--help"],
    ["version"],
  ];
  for (const args of cases) {
    const { code, stderr } = await shell(`"$@" >/dev/full`, args);
    assert.equal(code, 1, args.join(" "));
    assert.match(
      stderr,
      /Error: .*Cannot write .*standard output: its disk is full\n {2}Free space there/,
      args.join(" "),
    );
    assert.doesNotMatch(stderr, /bug in s3lo/);
  }
  assert.ok(await readStoredTag(`${folder}/copied`, "app", "v1"), "the work was done before");
});

linuxTest("a slow reader behind a non-blocking pipe gets everything: lists and archives", async () => {
  await using folderOf = await ready();
  const { folder } = folderOf;
  const small = singleImage({ os: "linux", architecture: "amd64" }, { seed: 4402, layersPerPlatform: 1 });
  await writeStore(`${folder}/many`, "app", "t0", small);
  const tags = Array.from({ length: 1200 }, (_, index) => `t${index}-${"x".repeat(100)}`).sort();
  for (const tag of tags) {
    await Deno.mkdir(`${folder}/many/manifests/app/${tag}`);
    await Deno.writeFile(`${folder}/many/manifests/app/${tag}/manifest.json`, small.root.bytes);
  }
  const list = ["list", `local://${folder}/many`];
  const listed = await shell(nonBlocking("{ sleep 0.5; cat; }"), list);
  assert.equal(listed.code, 0, listed.stderr);
  assert.ok(listed.stdout.length > 100_000, "more than a pipe holds");
  assert.equal(listed.stdout, await s3loOk(list));

  const big = singleImage({ os: "linux", architecture: "amd64" }, {
    seed: 4403,
    layersPerPlatform: 2,
    layerBytes: 400_000,
    compression: "none",
  });
  await writeStore(`${folder}/big`, "app", "v1", big);
  const pull = ["pull", "--all-platforms", `local://${folder}/big//app:v1`];
  const pulled = await shell(nonBlocking(`{ sleep 0.5; cat > '${folder}/slow.tar'; }`), [...pull, "-f", "-"]);
  assert.equal(pulled.code, 0, pulled.stderr);
  await s3loOk([...pull, "-f", `${folder}/plain.tar`]);
  assert.deepEqual(await Deno.readFile(`${folder}/slow.tar`), await Deno.readFile(`${folder}/plain.tar`));
});

linuxTest(
  "special files take archives as people expect: standard streams by name, descriptors, FIFOs, /dev/null",
  async () => {
    await using place = await ready();
    const { folder, source } = place;
    const pull = ["pull", "--platform", "linux/arm64"];
    await s3loOk([...pull, "-f", `${folder}/plain.tar`, source]);
    const plain = await Deno.readFile(`${folder}/plain.tar`);
    const check = async (name: string, script: string, args: readonly string[]) => {
      const { code, stderr, stdout } = await shell(script, args, { cwd: folder });
      assert.equal(code, 0, `${name}: ${stderr}`);
      assert.deepEqual(await Deno.readFile(`${folder}/${name}.tar`), plain, name);
      return { stdout, stderr };
    };
    for (const path of ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"]) {
      const name = `out${path.replaceAll("/", "_")}`;
      // By a file and by a pipe: the bytes follow what was written there before.
      const { stderr } = await check(name, `"$@" > ${name}.tar`, [...pull, "-f", path, source]);
      assert.match(stderr, /blobs? copied/, "the result is not mixed into the archive");
      await check(`${name}_piped`, `"$@" | cat > ${name}_piped.tar`, [...pull, "-f", path, source]);
    }
    await check("appended", `printf '' > appended.tar; "$@" >> appended.tar`, [...pull, "-f", "/dev/stdout", source]);
    await check("substituted", `"$@" -f >(cat > substituted.tar); wait $!`, [...pull, source]);
    await check("fifo", `mkfifo fifo; cat fifo > fifo.tar & "$@"; code=$?; wait; exit $code`, [
      ...pull,
      "-f",
      "fifo",
      source,
    ]);
    // An archive as the target of copy: the result would be in the middle of it.
    const copy = ["copy", "--platform", "linux/arm64", source];
    await s3loOk([...copy, `oci-archive:${folder}/plain-copy.tar:app:v1`]);
    const copied = await shell(`"$@" > '${folder}/copied.tar'`, [...copy, "oci-archive:-:app:v1"]);
    assert.deepEqual(await Deno.readFile(`${folder}/copied.tar`), await Deno.readFile(`${folder}/plain-copy.tar`));
    assert.match(copied.stderr, /blobs copied/);
    const nothing = await s3loJson([...pull, "-f", "/dev/null", source]);
    assert.equal(nothing.file, "/dev/null");
    assert.equal((await shell(`test -c /dev/null`)).code, 0, "it is still what it was");
    for (const path of ["/dev/full", "/dev/stderr", "/proc/version"]) {
      const closed = await s3lo([...pull, "-f", path, source]);
      assert.equal(closed.code, 1, path);
      // Older runtimes open it, and refuse the first write, which says what was written.
      const said = closed.stderr.replaceAll(/^(?:Note|Skipping|Copied).*\n/gm, "").replace(
        /^Error: Cannot copy .* to "[^"]*": /,
        "Error: ",
      );
      assert.equal(
        said,
        [
          `Error: Cannot write "${path}": permission denied`,
          "  Name a file, a pipe or /dev/null, or - for standard input or output: other special files stay closed",
          "",
        ].join("\n"),
      );
    }
  },
);

linuxTest("an archive is neither written to a terminal nor read from one", async () => {
  await using place = await ready();
  const { folder, source } = place;
  for (
    const [args, message] of [
      [["pull", "--all-platforms", "-f", "-", source], "Cannot write an archive to a terminal"],
      [["pull", "--all-platforms", "-f", "/dev/stdout", source], "Cannot write an archive to a terminal"],
      [["bundle", "save", "-f", "-", source], "Cannot write an archive to a terminal"],
      [["copy", source, "oci-archive:-:app:v1"], "Cannot write an archive to a terminal"],
      [["push", "-f", "-", `local://${folder}/pushed//app:v1`], "Cannot read an archive from a terminal"],
    ] as const
  ) {
    const { code, stdout } = await onTerminal(args);
    assert.equal(code, 2, stdout);
    assert.ok(stdout.includes(`Error: ${message}`), stdout);
  }
});

linuxTest("special files give archives as people expect", async () => {
  await using place = await ready();
  const { folder, source } = place;
  await s3loOk(["pull", "--platform", "linux/arm64", "-f", `${folder}/app.tar`, source]);
  const cases: readonly (readonly [script: string, ...args: string[]])[] = [
    [`"$@" < app.tar`, "-f", "/dev/stdin"],
    [`cat app.tar | "$@"`, "-f", "/dev/stdin"],
    [`cat app.tar | "$@"`, "-f", "/dev/fd/0"],
    [`"$@" -f <(cat app.tar)`],
    [`mkfifo named; cat app.tar > named & "$@"`, "-f", "named"],
  ];
  for (const [index, [script, ...args]] of cases.entries()) {
    const run = await shell(script, ["push", `local://${folder}/pushed//app:v${index}`, ...args], { cwd: folder });
    assert.equal(run.code, 0, `${script}: ${run.stderr}`);
    assert.ok(await readStoredTag(`${folder}/pushed`, "app", `v${index}`));
  }
  const empty = await s3lo(["push", "-f", "/dev/null", `local://${folder}/pushed//app:empty`]);
  assert.equal(empty.code, 1);
  assert.match(empty.stderr, /Error: Cannot read archive "\/dev\/null"/);
  assert.doesNotMatch(empty.stderr, /bug in s3lo/);
});
