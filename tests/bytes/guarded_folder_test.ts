import assert from "node:assert/strict";
import { GuardedFolder, isOursAlone, isSameFile } from "../../src/bytes/guarded_folder.ts";
import { openRegularFile } from "../../src/bytes/regular_file.ts";
import { isImageError } from "../../src/errors.ts";
import { listFiles, tempFolder } from "../cli/places.ts";
import { makeLink, makePipe } from "../support/special_files.ts";

const ignore = Deno.build.os === "windows";

Deno.test({
  name: "GuardedFolder moves, links and times the file that was meant, and no other that took its name",
  ignore,
  fn: async () => {
    await using folder = await tempFolder();
    const inside = new GuardedFolder(folder.path);
    using file = inside.create("a");
    const meant = file.statSync();
    await Deno.writeTextFile(`${folder.path}/other`, "other");
    await Deno.rename(`${folder.path}/other`, `${folder.path}/a`);
    const conflict = (error: unknown) => isImageError(error, "conflict");
    assert.throws(() => inside.move("a", "b", meant), conflict);
    assert.throws(() => inside.link("a", "b", meant), conflict);
    assert.throws(() => inside.setTime("a", meant, new Date(0)), conflict);
    inside.remove("a", (found) => isSameFile(found, meant));
    assert.deepEqual(await listFiles(folder.path), ["a"]);
    assert.equal(await Deno.readTextFile(`${folder.path}/a`), "other");
  },
});

Deno.test({
  name: "GuardedFolder makes, opens and removes nothing behind a folder that is a link, nor what a link leads to",
  ignore,
  fn: async () => {
    await using folder = await tempFolder();
    await Deno.mkdir(`${folder.path}/in`);
    await Deno.mkdir(`${folder.path}/out`);
    await Deno.writeTextFile(`${folder.path}/out/file`, "mine");
    await makeLink("../out", `${folder.path}/in/link`);
    await makeLink("../out/file", `${folder.path}/in/file`);
    await makeLink("../out/new", `${folder.path}/in/new`);
    await makePipe(`${folder.path}/in/pipe`);
    const inside = new GuardedFolder(`${folder.path}/in`);
    const refused = (error: unknown) => isImageError(error, "unsupported") && error.message.includes("in/link");
    for (
      const step of [
        () => inside.create("link/x"),
        () => inside.openForWriting("link/file"),
        () => inside.look("link/file"),
        () => inside.makeFolders("link/below/x"),
        () => inside.remove("link/file"),
      ]
    ) assert.throws(step, refused);
    await assert.rejects(inside.open("link/file"), refused);
    await assert.rejects(Array.fromAsync(inside.entries("link")), refused);
    for (const name of ["file", "new", "pipe"]) {
      assert.throws(() => inside.openForWriting(name), (error) => isImageError(error, "invalid-input"));
    }
    await assert.rejects(inside.open("pipe"), (error) => isImageError(error, "invalid-input"));
    inside.remove("file");
    assert.deepEqual(await listFiles(`${folder.path}/out`), ["file"]);
    assert.equal(await Deno.readTextFile(`${folder.path}/out/file`), "mine");
  },
});

Deno.test({
  name:
    "openRegularFile() reads from any position, follows a link to a file, and has nothing where nothing or a folder is",
  ignore,
  fn: async () => {
    await using folder = await tempFolder();
    await Deno.writeTextFile(`${folder.path}/a`, "0123456789");
    await makeLink("a", `${folder.path}/link`);
    for (const os of ["linux", "windows"] as const) {
      using file = (await openRegularFile(`${folder.path}/link`, os))!;
      assert.ok(isSameFile(file.facts, await Deno.lstat(`${folder.path}/a`)));
      await file.seek(7);
      const into = new Uint8Array(8);
      assert.equal(await file.read(into.subarray(2, 4)), 2);
      assert.equal(await file.read(into.subarray(4)), 1);
      assert.equal(await file.read(into), null);
      assert.equal(new TextDecoder().decode(into.subarray(2, 5)), "789");
    }
    assert.equal(await openRegularFile(`${folder.path}/none`), undefined);
    assert.equal(await openRegularFile(folder.path), undefined);
  },
});

Deno.test("isOursAlone() wants our own owner and no right of others, as far as a system has such", () => {
  const facts = { isFile: true, size: 1, mtime: null, dev: 1, ino: 1 };
  assert.ok(isOursAlone({ ...facts, uid: 5, mode: 0o100644 }, { uid: 5 }));
  assert.ok(isOursAlone({ ...facts, uid: null, mode: null }, { uid: null }));
  assert.ok(!isOursAlone({ ...facts, uid: 6, mode: 0o100644 }, { uid: 5 }));
  assert.ok(!isOursAlone({ ...facts, uid: 5, mode: 0o100664 }, { uid: 5 }));
  assert.ok(!isOursAlone({ ...facts, uid: 5, mode: 0o100646 }, { uid: 5 }));
});
