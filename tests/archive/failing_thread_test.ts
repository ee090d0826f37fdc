import assert from "node:assert/strict";

/**
 * A helper thread that cannot start its compressor says so to whoever waits for it. It used to die with a stack trace on
 * stderr, and whoever asked it afterwards waited for ever. Level 99 stands for a compressor that the runtime does not have.
 */
const SCRIPT = `
  import { threadedCompressReader } from "${new URL("../../src/archive/compress_thread.ts", import.meta.url)}";
  import { bytesReader } from "${new URL("../../src/bytes/blob_reader.ts", import.meta.url)}";
  const content = new Uint8Array(9_000_000);
  const reader = await threadedCompressReader(bytesReader(content), content.byteLength, { compression: "gzip", level: 99 });
  const failures = [];
  for (const _ of "12345") await reader.read(new Uint8Array(100)).catch((error) => failures.push(error.code));
  await reader[Symbol.asyncDispose]();
  console.log(failures.join());
`;

Deno.test("a thread that cannot compress tells it every time it is asked, and leaves nothing on stderr", async () => {
  const folder = await Deno.makeTempDir();
  await Deno.writeTextFile(`${folder}/script.ts`, SCRIPT);
  const run = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", "--cached-only", "-A", `${folder}/script.ts`],
    env: { NO_COLOR: "1" },
  }).output();
  await Deno.remove(folder, { recursive: true });
  assert.equal(new TextDecoder().decode(run.stderr), "");
  assert.equal(new TextDecoder().decode(run.stdout).trim(), Array(5).fill("unavailable").join());
});
