/**
 * The project in a folder whose name has blanks and an umlaut: paths that are cut out of URLs are none there, nor on
 * Windows, and README's first command found nothing.
 */
import assert from "node:assert/strict";
import { ROOT } from "../../scripts/source_files.ts";
import { tempFolder } from "../cli/places.ts";

Deno.test("the demo and the checks run in a folder with blanks and an umlaut", async (t) => {
  await using work = await tempFolder();
  const folder = `${work.path}/a b ü`;
  const parts = ["deno.json", "deno.lock", "main.ts", "src", "scripts", "docs", "README.md"];
  const copied = await new Deno.Command("sh", {
    args: ["-c", 'mkdir "$0" && cp -R "$@" "$0"', folder, ...parts],
    cwd: ROOT,
  })
    .output();
  assert.ok(copied.success, new TextDecoder().decode(copied.stderr));
  for (const task of ["demo", "layers", "sizes", "texts", "docs"]) {
    await t.step(task, async () => {
      const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
        args: ["task", task],
        cwd: folder,
        env: { NO_COLOR: "1" },
      }).output();
      const decoder = new TextDecoder();
      assert.ok(success, decoder.decode(stdout) + decoder.decode(stderr));
    });
  }
});
