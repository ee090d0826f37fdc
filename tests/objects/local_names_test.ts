/**
 * Names that a file system does not tell apart, or cannot have. On disks that are blind to case (macOS, Windows, exFAT
 * anywhere) `app:V1` once replaced `app:v1` in silence, and either was answered with the other.
 */
import assert from "node:assert/strict";
import { isOursAlone, replaceFile } from "../../src/bytes/guarded_folder.ts";
import { layoutLock } from "../../src/archive/layout_folder.ts";
import { isImageError } from "../../src/errors.ts";
import { LocalStore } from "../../src/objects/local_store.ts";
import { checkFileName } from "../../src/objects/local_names.ts";
import { readStoredTag, tempFolder, writeStore } from "../cli/places.ts";
import { s3lo, s3loOk } from "../cli/program.ts";
import { singleImage } from "../support/images.ts";
import { programTest } from "../support/services.ts";

const PLATFORM = { os: "linux", architecture: "amd64" };

/** Runs `body` with a folder on a file system that is blind to case and keeps the case of names: exFAT, in a file. */
async function onBlindDisk(mkfs: string, mount: string, body: (folder: string) => Promise<void>): Promise<void> {
  await using work = await tempFolder();
  const script = `set -e
    truncate -s 64M "$0/disk"; "$1" "$0/disk" > /dev/null; mkdir "$0/mounted"
    # A container may lack the node of the device that the kernel gives.
    loop=$(losetup --find); [ -e "$loop" ] || mknod "$loop" b 7 "\${loop#/dev/loop}"
    losetup "$loop" "$0/disk"; echo "$loop"
    "$2" "$loop" "$0/mounted" > /dev/null 2>&1`;
  const made = await new Deno.Command("sh", { args: ["-c", script, work.path, mkfs, mount] }).output();
  const loop = new TextDecoder().decode(made.stdout).trim();
  try {
    assert.ok(made.success, `cannot mount: ${new TextDecoder().decode(made.stderr)}`);
    await body(`${work.path}/mounted`);
  } finally {
    await new Deno.Command("sh", { args: ["-c", 'umount "$0/mounted"; losetup -d "$1"', work.path, loop] }).output();
  }
}

programTest("a tag that differs by case alone is refused on a disk that is blind to case, and never answered", [
  "mkfs.exfat",
  "mount.exfat-fuse",
], async ([mkfs = "", mount = ""]) => {
  await using folder = await tempFolder();
  const images = [singleImage(PLATFORM, { seed: 1 }), singleImage(PLATFORM, { seed: 2 })];
  for (const [index, image] of images.entries()) await writeStore(`${folder.path}/${index}`, "app", "v1", image);
  await onBlindDisk(mkfs, mount, async (disk) => {
    const store = `local://${disk}/store`;
    await s3loOk(["copy", `local://${folder.path}/0//app:v1`, `${store}//app:v1`]);
    for (const tag of ["V1"]) {
      const written = await s3lo(["copy", `local://${folder.path}/1//app:v1`, `${store}//app:${tag}`]);
      assert.equal(written.code, 1, written.stderr);
      assert.match(written.stderr, /differs only by case from "manifests\/app\/v1/);
      for (const command of [["inspect"], ["copy", "--dry-run"]]) {
        const target = command[0] === "copy" ? [`local://${folder.path}/new//app:v1`] : [];
        const read = await s3lo([...command, `${store}//app:${tag}`, ...target]);
        assert.equal(read.code, 1, `${command[0]}: ${read.stdout}`);
      }
    }
    assert.deepEqual(await readStoredTag(`${disk}/store`, "app", "v1"), images[0]!.root.bytes);
    assert.equal((await s3loOk(["list", store])).trim(), "app:v1");
    // The same tag again is no conflict, nor is another one.
    await s3loOk(["copy", `local://${folder.path}/1//app:v1`, `${store}//app:v1`]);
    await s3loOk(["copy", `local://${folder.path}/0//app:v1`, `${store}//app:V2`]);
    assert.deepEqual(await readStoredTag(`${disk}/store`, "app", "v1"), images[1]!.root.bytes);
    assert.equal((await s3loOk(["list", store])).trim().split("\n").length, 2);
    await s3loOk(["inspect", `${store}//app:V2`]);
  });
});

Deno.test(
  "checkFileName() knows the names that Windows cannot have, and takes all elsewhere",
  { permissions: "none" },
  () => {
    const bad = [
      "nul",
      "manifests/CON/v1/manifest.json",
      "manifests/app/v1./manifest.json",
      "com1.x",
      "a b ",
      "x:y",
      "a*b",
    ];
    for (const name of bad) {
      assert.throws(() => checkFileName(name, "windows"), (error: Error) => isImageError(error, "unsupported"), name);
      for (const os of ["linux", "darwin"]) checkFileName(name, os);
    }
    for (const name of ["manifests/app/v1.2/manifest.json", "console", "nullable", "com10", "a.b.c"]) {
      checkFileName(name, "windows");
    }
  },
);

Deno.test("a store on Windows says that it cannot hold an image called like a device", async () => {
  await using folder = await tempFolder();
  await using store = new LocalStore(`${folder.path}/store`, { isWritten: true, os: "windows" });
  const write = store.write("manifests/nul/v1/manifest.json", new Uint8Array(2));
  await assert.rejects(write, (error: Error) => {
    return isImageError(error, "unsupported") && /Windows can have no file or folder called "nul"/.test(error.message);
  });
  assert.equal(await Deno.stat(`${folder.path}/store`).then(() => true, () => false), false);
});

Deno.test("replaceFile() asks again on Windows while another program holds the file, and nowhere else", {
  permissions: "none",
}, () => {
  const failing = (times: number, code: string) => {
    let calls = 0;
    const rename = () => {
      if (calls++ < times) throw Object.assign(new Error("held"), { code });
    };
    return { rename, calls: () => calls };
  };
  for (const code of ["EPERM", "EACCES", "EBUSY"]) {
    const held = failing(3, code);
    const waits: number[] = [];
    replaceFile(held.rename, "windows", (ms) => waits.push(ms));
    assert.equal(held.calls(), 4);
    assert.equal(waits.length, 3);
    for (const os of ["linux", "darwin"]) {
      const other = failing(1, code);
      assert.throws(() => replaceFile(other.rename, os, () => assert.fail("it waits")), /held/);
      assert.equal(other.calls(), 1);
    }
  }
  assert.throws(() => replaceFile(failing(99, "EBUSY").rename, "windows", () => {}), /held/);
  assert.throws(() => replaceFile(failing(1, "ENOENT").rename, "windows", () => assert.fail("it waits")), /held/);
});

Deno.test("isOursAlone() leaves modes out where there are no owners, which on Windows are made up", {
  permissions: "none",
}, () => {
  const facts = { isFile: true, size: 1, mtime: null, dev: 1, ino: 1 };
  assert.ok(isOursAlone({ ...facts, uid: null, mode: 0o100666 }, { uid: null }));
  assert.ok(!isOursAlone({ ...facts, uid: 5, mode: 0o100666 }, { uid: 5 }));
  assert.ok(isOursAlone({ ...facts, uid: 5, mode: 0o100644 }, { uid: 5 }));
});

Deno.test("layouts are locked by a file that others need not read on Windows", { permissions: "none" }, () => {
  assert.equal(layoutLock("windows"), ".s3lo-lock");
  for (const os of ["linux", "darwin"]) assert.equal(layoutLock(os), "oci-layout");
});
