import assert from "node:assert/strict";
import process from "node:process";
import { isImageError } from "../../src/errors.ts";
import { listImages } from "../../src/transports/list_images.ts";
import { Session } from "../../src/transports/session.ts";
import { tempFolder, writeStore } from "../cli/places.ts";
import { singleImage } from "../support/images.ts";

const isRoot = Deno.build.os === "linux" && Deno.uid() === 0;

/** Lists a store as somebody who may not read everything: nobody, where this is root. */
async function list(folder: string) {
  await using session = new Session();
  await listImages(session, `local://${folder}`); // whatever is loaded for it is loaded by now
  if (isRoot) process.seteuid?.(65534);
  try {
    return await listImages(session, `local://${folder}`);
  } finally {
    if (isRoot) process.seteuid?.(0);
  }
}

Deno.test({
  name:
    "a store is listed though a folder beside its own may not be read, as of a mounted disk; one of its own may not miss",
  // Elsewhere root reads everything.
  ignore: Deno.build.os !== "linux" || !isRoot,
  fn: async () => {
    await using folder = await tempFolder();
    const root = await Deno.realPath(folder.path);
    // The way there is for root alone in a test run.
    for (let path = root; path !== ""; path = path.slice(0, path.lastIndexOf("/"))) {
      const mode = await Deno.stat(path).then((found) => found.mode, () => null);
      if (mode !== null && (mode & 0o001) === 0) await Deno.chmod(path, (mode & 0o777) | 0o011);
    }
    await Deno.chmod(root, 0o755);
    await writeStore(root, "app", "v1", singleImage({ os: "linux", architecture: "amd64" }));
    for (const name of ["lost+found", ".Trash-0", "System Volume Information"]) {
      await Deno.mkdir(`${root}/${name}`, { mode: 0o700 });
      await Deno.writeTextFile(`${root}/${name}/manifest.json`, "{}");
    }
    assert.deepEqual(await list(root), [{ name: "app", tags: ["v1"] }]);
    // It may hold images of the first layout.
    await Deno.mkdir(`${root}/team`, { mode: 0o700 });
    await assert.rejects(list(root), (error) => isImageError(error, "denied"));
    await Deno.remove(`${root}/team`);
    await Deno.chmod(`${root}/manifests/app`, 0o700);
    await assert.rejects(list(root), (error) => isImageError(error, "denied"));
  },
});
