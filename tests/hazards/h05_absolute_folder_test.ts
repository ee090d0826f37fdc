import assert from "node:assert/strict";
import { tempFolder, writeStore } from "../cli/places.ts";
import { programCommand } from "../cli/program.ts";
import { singleImage } from "../support/images.ts";

Deno.test("hazard 5: an absolute path with a slash at its end never means the folder one is in", async () => {
  await using folder = await tempFolder();
  await writeStore(folder.path, "app", "v1", singleImage({ os: "linux", architecture: "amd64" }));
  const [file, ...before] = programCommand();
  for (const location of ["local:///no-such-folder/", `local://${folder.path}/empty/`, "local:///"]) {
    const { code, stdout } = await new Deno.Command(file, { args: [...before, "list", location], cwd: folder.path })
      .output();
    assert.notEqual(code, 0, location);
    assert.equal(new TextDecoder().decode(stdout), "", location);
  }
});
