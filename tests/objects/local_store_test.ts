import assert from "node:assert/strict";
import { isImageError } from "../../src/errors.ts";
import { isStoreFolder, openLocalStore } from "../../src/objects/open_local_store.ts";
import { contentOf, CONTRACT, pattern, type StoreKit } from "./object_store_contract.ts";

const PERMISSIONS = { read: "inherit", write: "inherit" } as const;
const IS_LINUX_ROOT = Deno.build.os === "linux" && Deno.uid() === 0;
const MUST_RUN = Deno.env.get("CI") === "true";

async function localKit(): Promise<StoreKit> {
  const folder = await Deno.makeTempDir({ prefix: "s3lo-objects-" });
  const store = await openLocalStore({ folder: `${folder}/a`, access: "write" });
  const other = await openLocalStore({ folder: `${folder}/b`, access: "write" });
  return {
    store,
    other,
    partBytes: 1024 * 1024,
    refreshes: true,
    async leftovers() {
      let count = 0;
      try {
        for await (const _ of Deno.readDir(`${folder}/a/.s3lo/tmp`)) count++;
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error; // nothing was written yet
      }
      return count;
    },
    again: () => openLocalStore({ folder: `${folder}/a`, access: "write" }),
    [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }),
  };
}

for (const { name, body } of CONTRACT) {
  Deno.test({
    name: `local store: ${name}`,
    permissions: PERMISSIONS,
    fn: async () => {
      await using kit = await localKit();
      await body(kit);
    },
  });
}

async function namesIn(folder: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(folder))).map((entry) => entry.name);
}

async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "s3lo-objects-" });
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const encode = (text: string) => new TextEncoder().encode(text);

Deno.test({
  name: "openLocalStore() starts a store in a missing or empty folder, and beside other things only when told",
  permissions: PERMISSIONS,
  fn: () =>
    inFolder(async (folder) => {
      const missing = (error: unknown) => isImageError(error, "not-found");
      await assert.rejects(openLocalStore({ folder: `${folder}/new` }), missing);
      await assert.rejects(openLocalStore({ folder }), missing);
      const started = await openLocalStore({ folder: `${folder}/new`, access: "write" });
      await assert.rejects(openLocalStore({ folder: `${folder}/new` }), missing);
      await started.write("a", encode("x"));
      await openLocalStore({ folder: `${folder}/new` });
      assert.equal(await isStoreFolder(`${folder}/new`), true);
      await Deno.mkdir(`${folder}/used`);
      await Deno.writeTextFile(`${folder}/used/notes.txt`, "mine");
      const conflict = (error: unknown) => isImageError(error, "conflict");
      await assert.rejects(openLocalStore({ folder: `${folder}/used`, access: "write" }), conflict);
      await assert.rejects(openLocalStore({ folder: `${folder}/used/notes.txt`, access: "write" }), conflict);
      assert.deepEqual(await namesIn(`${folder}/used`), ["notes.txt"]);
      await openLocalStore({ folder: `${folder}/used`, access: "write", create: true });
    }),
});

Deno.test({
  name: "isStoreFolder() knows stores that other tools made, and image layouts as none",
  permissions: PERMISSIONS,
  fn: () =>
    inFolder(async (folder) => {
      assert.equal(await isStoreFolder(`${folder}/none`), false);
      assert.equal(await isStoreFolder(folder), false);
      await Deno.mkdir(`${folder}/store/blobs/sha256`, { recursive: true });
      assert.equal(await isStoreFolder(`${folder}/store`), true);
      await Deno.writeTextFile(`${folder}/store/oci-layout`, "{}");
      assert.equal(await isStoreFolder(`${folder}/store`), false);
      await Deno.writeTextFile(`${folder}/s3lo.yaml`, "");
      assert.equal(await isStoreFolder(folder), true);
      assert.equal(await isStoreFolder(`${folder}/s3lo.yaml`), false);
    }),
});

Deno.test({
  name: "the first write removes temporary files of its own older than a day, and nothing else",
  permissions: PERMISSIONS,
  fn: () =>
    inFolder(async (folder) => {
      const tmp = `${folder}/.s3lo/tmp`;
      await Deno.mkdir(tmp, { recursive: true });
      const [old, young] = [`7-${crypto.randomUUID()}`, `7-${crypto.randomUUID()}`];
      for (const name of [old, young, "of somebody else"]) await Deno.writeTextFile(`${tmp}/${name}`, "x");
      const yesterday = new Date(Date.now() - 25 * 3600 * 1000);
      for (const name of [old, "of somebody else"]) await Deno.utime(`${tmp}/${name}`, yesterday, yesterday);
      await openLocalStore({ folder });
      const store = await openLocalStore({ folder, access: "write" });
      assert.equal((await namesIn(tmp)).length, 3);
      await store.write("a", encode("x"));
      assert.deepEqual((await namesIn(tmp)).sort(), [young, "of somebody else"].sort());
    }),
});

Deno.test({
  name: "local store: files are 0644, folders 0755, emptied folders go, its own folder is no object",
  permissions: PERMISSIONS,
  ignore: Deno.build.os === "windows",
  fn: () =>
    inFolder(async (folder) => {
      const store = await openLocalStore({ folder, access: "write" });
      await store.write("a/b/c", encode("x"));
      const umask = 0o022;
      assert.equal(((await Deno.stat(`${folder}/a/b/c`)).mode ?? 0) & 0o777 & ~umask, 0o644 & ~umask);
      assert.equal(((await Deno.stat(`${folder}/a/b`)).mode ?? 0) & 0o777 & ~umask, 0o755 & ~umask);
      const keys: string[] = [];
      for await (const page of store.list("")) keys.push(...page.map((info) => info.key));
      assert.deepEqual(keys, ["a/b/c"]);
      await assert.rejects(store.write(".s3lo/x", encode("x")), (error) => isImageError(error, "invalid-input"));
      await store.remove(["a/b/c"]);
      assert.deepEqual(await namesIn(folder), [".s3lo"]);
    }),
});

Deno.test({
  name: "local store: a file where a folder should be, or the other way round, is a conflict and no object",
  permissions: PERMISSIONS,
  fn: () =>
    inFolder(async (folder) => {
      const store = await openLocalStore({ folder, access: "write" });
      await store.write("a", encode("x"));
      await store.write("b/c", encode("x"));
      const conflict = (error: unknown) => isImageError(error, "conflict");
      for (const options of [{}, { isBlob: true }, { condition: { absent: true } }] as const) {
        await assert.rejects(store.write("a/b", encode("x"), options), conflict);
        await assert.rejects(store.write("b", encode("x"), options), conflict);
      }
      assert.equal(await store.head("a/b"), undefined);
      assert.equal(await store.head("b"), undefined);
      assert.equal(await store.read("b", 10), undefined);
      await store.remove(["b", "a/b"]);
      assert.notEqual(await store.head("b/c"), undefined);
      assert.deepEqual(await namesIn(`${folder}/.s3lo/tmp`), []);
    }),
});

Deno.test({
  name: "local store: copyFrom() links blobs and copies what may change",
  permissions: PERMISSIONS,
  ignore: Deno.build.os === "windows",
  fn: () =>
    inFolder(async (folder) => {
      const store = await openLocalStore({ folder: `${folder}/a`, access: "write" });
      const other = await openLocalStore({ folder: `${folder}/b`, access: "write" });
      await other.write("blob", pattern(100), { isBlob: true });
      for (const _ of ["new", "over itself"]) await store.copyFrom(other, "blob", "linked", 100, { isBlob: true });
      await store.copyFrom(other, "blob", "copied", 100);
      const inode = (await Deno.stat(`${folder}/b/blob`)).ino;
      assert.equal((await Deno.stat(`${folder}/a/linked`)).ino, inode);
      assert.notEqual((await Deno.stat(`${folder}/a/copied`)).ino, inode);
      await store.write("linked", encode("changed"));
      assert.equal((await other.head("blob"))?.sizeBytes, 100);
      assert.deepEqual(await namesIn(`${folder}/a/.s3lo/tmp`), []);
    }),
});

Deno.test({
  name: "local store: the signal stops a write and nothing is left",
  permissions: PERMISSIONS,
  fn: () =>
    inFolder(async (folder) => {
      const stop = new AbortController();
      const store = await openLocalStore({ folder, access: "write", signal: stop.signal });
      const endless = {
        sizeBytes: Number.MAX_SAFE_INTEGER,
        open: () =>
          Promise.resolve({
            read(into: Uint8Array<ArrayBuffer>) {
              stop.abort();
              return Promise.resolve(into);
            },
            [Symbol.asyncDispose]: () => Promise.resolve(),
          }),
      };
      await assert.rejects(store.writeStream("x", endless), (error) => isImageError(error, "aborted"));
      assert.deepEqual(await namesIn(`${folder}/.s3lo/tmp`), []);
    }),
});

Deno.test({
  name: `local store: a full disk is named with its folder${IS_LINUX_ROOT ? "" : " (skipped: needs root of Linux)"}`,
  // The device that is always full stands in for a disk.
  permissions: { ...PERMISSIONS, run: ["mount", "umount"] },
  ignore: !IS_LINUX_ROOT,
  fn: (t) =>
    inFolder(async (folder) => {
      await Deno.mkdir(`${folder}/small`);
      const mount = await new Deno.Command("mount", {
        args: ["-t", "tmpfs", "-o", "size=1m", "tmpfs", `${folder}/small`],
      }).output();
      if (!mount.success) {
        assert.ok(!MUST_RUN, new TextDecoder().decode(mount.stderr));
        await t.step({ name: "skipped: nothing may be mounted here", ignore: true, fn: () => {} });
        return;
      }
      try {
        const store = await openLocalStore({ folder: `${folder}/small`, access: "write" });
        await assert.rejects(
          store.writeStream("blobs/x", contentOf(pattern(2 * 1024 * 1024)), { isBlob: true }),
          (error) => isImageError(error, "unsupported") && error.message.includes(`${folder}/small`),
        );
        assert.deepEqual(await namesIn(`${folder}/small/.s3lo/tmp`), []);
        await store.write("small", encode("fits"));
      } finally {
        await new Deno.Command("umount", { args: [`${folder}/small`] }).output();
      }
    }),
});
