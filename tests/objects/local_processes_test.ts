import assert from "node:assert/strict";
import { openLocalStore } from "../../src/objects/open_local_store.ts";

/** What each process does: tries to be first at a key, then counts another one up by compare-and-swap. */
const PROGRAM = `
import { openLocalStore } from ${
  JSON.stringify(new URL("../../src/objects/open_local_store.ts", import.meta.url).href)
};
const store = await openLocalStore({ folder: Deno.args[0], access: "write" });
const encode = (text) => new TextEncoder().encode(text);
let wins = 0;
for (let round = 0; round < 20; round++) {
  try {
    await store.write("races/" + round, encode(Deno.args[1]), { condition: { absent: true } });
    wins++;
  } catch (error) {
    if (error.code !== "conflict") throw error;
  }
  while (true) {
    const found = await store.read("count", 20);
    const next = Number(new TextDecoder().decode(found.bytes)) + 1;
    try {
      await store.write("count", encode(String(next)), { condition: { etag: found.etag } });
      break;
    } catch (error) {
      if (error.code !== "conflict") throw error;
    }
  }
  await store.write("gone/" + Deno.args[1], encode("x"));
  await store.remove(["gone/" + Deno.args[1]]);
}
console.log(wins);
`;

Deno.test({
  name: "local store: four processes at once race fairly, lose no count and trip over no removed folder",
  permissions: { read: "inherit", write: "inherit", run: "inherit" },
  fn: async () => {
    const folder = await Deno.makeTempDir({ prefix: "s3lo-objects-" });
    try {
      await Deno.writeTextFile(`${folder}/program.ts`, PROGRAM);
      const store = await openLocalStore({ folder: `${folder}/store`, access: "write" });
      await store.write("count", new TextEncoder().encode("0"));
      const outputs = await Promise.all(["a", "b", "c", "d"].map((name) =>
        new Deno.Command(Deno.execPath(), {
          args: [
            "run",
            "--no-config",
            "--no-prompt",
            `--allow-read`,
            `--allow-write=${folder}`,
            `${folder}/program.ts`,
            `${folder}/store`,
            name,
          ],
        }).output()
      ));
      for (const { success, stderr } of outputs) assert.ok(success, new TextDecoder().decode(stderr));
      const wins = outputs.map(({ stdout }) => Number(new TextDecoder().decode(stdout)));
      assert.equal(wins.reduce((sum, count) => sum + count, 0), 20);
      assert.equal(new TextDecoder().decode((await store.read("count", 20))?.bytes), "80");
      assert.deepEqual(await Array.fromAsync(Deno.readDir(`${folder}/store/.s3lo/tmp`)), []);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
