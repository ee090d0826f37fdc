/** A name that a registry does not have and that is a file or folder here: the failure says how to write that. */
import assert from "node:assert/strict";
import { withPathHint } from "../../src/cli/existing_path.ts";
import { ImageError, isImageError } from "../../src/errors.ts";
import { tempFolder } from "./places.ts";

Deno.test("a failure of a registry names the folder or file of the same name, if there is one", async () => {
  await using folder = await tempFolder();
  const here = Deno.cwd();
  await Deno.mkdir(`${folder.path}/build/store`, { recursive: true });
  await Deno.writeTextFile(`${folder.path}/image`, "");
  Deno.chdir(folder.path);
  try {
    const hintOf = async (code: "not-found" | "unauthorized" | "conflict", operand: string, message: string) => {
      const error = await withPathHint(new ImageError(code, message, { hint: "Log in" }), [operand, "s3://bucket/a:1"]);
      assert.ok(isImageError(error, code));
      assert.equal(error.message, message);
      return error.hint;
    };
    const folderHint = /^Write oci:build\/store or local:\/\/build\/store\/\/IMAGE:TAG/;
    assert.match(await hintOf("not-found", "build/store", 'Cannot read "build/store"') ?? "", folderHint);
    assert.match(
      await hintOf("unauthorized", "image", 'Cannot read "image"') ?? "",
      /^Write oci-archive:image or docker/,
    );
    // Nothing of the kind: another failure, no such path, an error about something else, a name with a tag.
    assert.equal(await hintOf("conflict", "image", 'Cannot read "image"'), "Log in");
    assert.equal(await hintOf("not-found", "alpine", 'Cannot read "alpine"'), "Log in");
    assert.equal(await hintOf("not-found", "image", 'Cannot read "s3://bucket/a:1"'), "Log in");
    assert.equal(await hintOf("not-found", "image:v1", 'Cannot read "image:v1"'), "Log in");
  } finally {
    Deno.chdir(here);
  }
  const other = new TypeError("x");
  assert.equal(await withPathHint(other, ["image"]), other);
});
