import assert from "node:assert/strict";
import { tempFolder, writeStore } from "../cli/places.ts";
import { singleImage } from "../support/images.ts";

const isRoot = Deno.build.os === "linux" && Deno.uid() === 0;

const url = (path: string) => JSON.stringify(new URL(`../../src/${path}`, import.meta.url).href);

/** Lists a store as root, so that all that it needs is loaded, then as nobody, and prints what came of that. */
const SCRIPT = `
import process from "node:process";
import { parseStoreCollection } from ${url("oci/collection.ts")};
import { listImages } from ${url("transports/list_images.ts")};
import { Session } from ${url("transports/session.ts")};

const folder = parseStoreCollection(Deno.args[0]);
await using session = new Session();
await listImages(session, folder);
process.seteuid(65534);
try {
  console.log(JSON.stringify(await listImages(session, folder)));
} catch (error) {
  console.log(JSON.stringify(error.code));
} finally {
  process.seteuid(0);
}
`;

/** Lists a store as somebody who may not read everything: a process of its own, since the tests may become nobody else. */
async function list(folder: string, script: string): Promise<unknown> {
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-prompt",
      "--no-check",
      "--allow-read",
      "--allow-env",
      "--allow-sys",
      script,
      `local://${folder}`,
    ],
    env: { NO_COLOR: "1" },
  }).output();
  const said = new TextDecoder().decode(stdout);
  assert.ok(said, new TextDecoder().decode(stderr));
  return JSON.parse(said);
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
    await using scripts = await tempFolder();
    const script = `${scripts.path}/list.ts`;
    await Deno.writeTextFile(script, SCRIPT);
    assert.deepEqual(await list(root, script), [{ name: "app", tags: ["v1"] }]);
    // It may hold images of the first layout.
    await Deno.mkdir(`${root}/team`, { mode: 0o700 });
    assert.equal(await list(root, script), "denied");
    await Deno.remove(`${root}/team`);
    await Deno.chmod(`${root}/manifests/app`, 0o700);
    assert.equal(await list(root, script), "denied");
  },
});
