/** Blobs that go from folder to folder by a second name, and what must not get one. */
import assert from "node:assert/strict";
import { GuardedFolder } from "../../src/bytes/guarded_folder.ts";
import { PartialFile } from "../../src/bytes/partial_file.ts";
import { isImageError } from "../../src/errors.ts";
import { blobPath, digestOf, hexOf } from "../../src/oci/digest.ts";
import { Session } from "../../src/transports/session.ts";
import { listFiles, tempFolder, writeStore } from "../cli/places.ts";
import { imageViolations } from "../soak/world.ts";
import { singleImage } from "../support/images.ts";
import { makeLink } from "../support/special_files.ts";
import { copyCommand } from "../support/by_text.ts";

const image = singleImage({ os: "linux", architecture: "amd64" }, {
  seed: 41,
  layersPerPlatform: 1,
  layerBytes: 9 * 1024 * 1024,
  compression: "none",
});
const [layer, bytes] = [...image.blobs].find(([, each]) => each.byteLength > 9_000_000)!;
const file = blobPath(layer);
const isRoot = Deno.build.os === "linux" && Deno.uid() === 0;
const onUnix = Deno.build.os !== "windows";

/** Copies the image from one store to another after the source was changed; gives the folder that holds both. */
async function inStores(change: (source: string) => Promise<void>, look: (folder: string) => Promise<void>) {
  await using folder = await tempFolder();
  const root = await Deno.realPath(folder.path);
  await writeStore(`${root}/a`, "app", "v1", image);
  await change(`${root}/a`);
  await using session = new Session();
  await copyCommand(session, `local://${root}/a//app:v1`, `local://${root}/b//app:v1`);
  await look(root);
}

const inode = async (path: string) => (await Deno.lstat(path)).ino;

Deno.test({
  name: "a blob of one's own gets a second name in another store",
  ignore: !onUnix,
  fn: () =>
    inStores(() => Promise.resolve(), async (root) => {
      assert.equal(await inode(`${root}/b/${file}`), await inode(`${root}/a/${file}`));
    }),
});

for (
  const [what, change, ignore] of [
    ["of somebody else", (path: string) => Deno.chown(path, 65534, 65534), !isRoot],
    ["that everybody may write to", (path: string) => Deno.chmod(path, 0o666), !onUnix],
    ["that its group may write to", (path: string) => Deno.chmod(path, 0o664), !onUnix],
  ] as const
) {
  Deno.test({
    name: `a blob ${what} is copied: its owner could change it once it is trusted`,
    ignore,
    fn: () =>
      inStores((source) => change(`${source}/${file}`), async (root) => {
        const { ino, uid, mode } = await Deno.lstat(`${root}/b/${file}`);
        assert.notEqual(ino, await inode(`${root}/a/${file}`));
        assert.deepEqual([uid, (mode ?? 0) & 0o777], [Deno.uid(), 0o644]);
        await Deno.writeTextFile(`${root}/a/${file}`, "something else");
        assert.equal(digestOf(await Deno.readFile(`${root}/b/${file}`)), layer);
      }),
  });
}

for (const kind of ["absolute", "relative"]) {
  Deno.test({
    name: `a source's blob that is an ${kind} link arrives as the file that it leads to`,
    ignore: !onUnix,
    fn: () =>
      inStores(async (source) => {
        await Deno.rename(`${source}/${file}`, `${source}/../held`);
        await makeLink(kind === "absolute" ? `${source}/../held` : "../../../held", `${source}/${file}`);
      }, async (root) => {
        assert.ok((await Deno.lstat(`${root}/b/${file}`)).isFile);
        await Deno.remove(`${root}/a`, { recursive: true });
        await Deno.remove(`${root}/held`);
        await using session = new Session();
        assert.deepEqual(await imageViolations(session, `local://${root}/b//app:v1`), []);
      }),
  });
}

Deno.test({
  name:
    "what is checked of a linked blob is what lies in the target: a source that changes at the last moment is found out",
  ignore: !onUnix,
  fn: async () => {
    await using folder = await tempFolder();
    const root = await Deno.realPath(folder.path);
    await writeStore(`${root}/a`, "app", "v1", image);
    const { link, linkSync } = Deno;
    // The owner of the source writes other bytes of the same length, right before the second name is made.
    const change = () => {
      using opened = Deno.openSync(`${root}/a/${file}`, { write: true });
      opened.writeSync(new Uint8Array(1000));
    };
    Deno.link = async (from, to) => {
      change();
      await link(from, to);
    };
    Object.assign(Deno, {
      linkSync(from: string, to: string) {
        if (from.endsWith(file)) change();
        linkSync(from, to);
      },
    });
    try {
      await using session = new Session();
      await assert.rejects(
        copyCommand(session, `local://${root}/a//app:v1`, `local://${root}/b//app:v1`),
        (error) => isImageError(error, "digest-mismatch"),
      );
    } finally {
      Object.assign(Deno, { link, linkSync });
    }
    assert.deepEqual((await listFiles(`${root}/b`)).filter((path) => path.endsWith(hexOf(layer))), []);
  },
});

for (
  const [what, change, ignore] of [
    ["of somebody else", (path: string) => Deno.chown(path, 65534, 65534), !isRoot],
    ["that everybody may write to", (path: string) => Deno.chmod(path, 0o666), !onUnix],
    ["with a second name", (path: string) => Deno.link(path, `${path}-2`), !onUnix],
  ] as const
) {
  Deno.test({
    name: `a half-written file ${what} is not gone on with`,
    ignore,
    fn: async () => {
      await using folder = await tempFolder();
      const root = await Deno.realPath(folder.path);
      await writeStore(`${root}/a`, "app", "v1", image);
      await using session = new Session();
      await copyCommand(session, `local://${root}/a//app:v1`, `oci-archive:${root}/a.tar:app:v1`);
      await Deno.mkdir(`${root}/b/.s3lo/partial`, { recursive: true });
      await Deno.mkdir(`${root}/o`);
      const partials = [`${root}/b/.s3lo/partial/${hexOf(layer)}`, `${root}/o/.s3lo-partial-${hexOf(layer)}`];
      for (const path of partials) {
        await Deno.writeFile(path, bytes.subarray(0, 5_000_000));
        await change(path);
      }
      const before = await Promise.all(partials.map(inode));
      for (const [index, target] of [`local://${root}/b//app:v1`, `oci:${root}/o:app:v1`].entries()) {
        await copyCommand(session, `oci-archive:${root}/a.tar`, target);
        assert.deepEqual(await imageViolations(session, target), []);
        const { ino, uid, mode } = await Deno.lstat(`${root}/${index === 0 ? "b" : "o"}/${file}`);
        assert.notEqual(ino, before[index]);
        assert.deepEqual([uid, (mode ?? 0) & 0o022], [Deno.uid(), 0]);
      }
    },
  });
}

Deno.test("a half-written file of one's own is gone on with", async () => {
  await using folder = await tempFolder();
  await Deno.writeFile(`${folder.path}/part`, bytes.subarray(0, 2_000_000));
  await using partial = await PartialFile.open(new GuardedFolder(folder.path), "part");
  assert.equal(partial?.sizeBytes, 2_000_000);
  assert.deepEqual(await listFiles(folder.path), ["part"]);
});

Deno.test("a blob that is a link in the target is none there: a file takes its place, whatever the link leads to", async () => {
  await using folder = await tempFolder();
  const root = await Deno.realPath(folder.path);
  await writeStore(`${root}/a`, "app", "v1", image);
  await Deno.mkdir(`${root}/b/blobs/sha256`, { recursive: true });
  await Deno.mkdir(`${root}/b/manifests`);
  // The right bytes, which somebody else may change or take away at any time.
  await Deno.writeFile(`${root}/outside`, bytes);
  await makeLink(`${root}/outside`, `${root}/b/${file}`);
  await using session = new Session();
  await copyCommand(session, `local://${root}/a//app:v1`, `local://${root}/b//app:v1`);
  assert.ok((await Deno.lstat(`${root}/b/${file}`)).isFile);
  await Deno.remove(`${root}/outside`);
  assert.deepEqual(await imageViolations(session, `local://${root}/b//app:v1`), []);
});
