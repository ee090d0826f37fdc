import { permissionFlags } from "../../src/cli/permissions.ts";
import assert from "node:assert/strict";
import { serveRaw, writeText } from "../support/scripted_server.ts";

/** Reads a body that stands still while the collector runs; says how each way of ending that wait went. */
const PROGRAM = `
import { HttpClient } from ${JSON.stringify(new URL("../../src/http/client.ts", import.meta.url).href)};
const http = new HttpClient({ stallTimeoutMs: 1500 });
const stop = new AbortController();
async function wait(signal) {
  const answer = await http.send({ method: "GET", url: Deno.args[0], signal });
  await answer.bytes(10000);
}
setTimeout(() => stop.abort(), 1000);
const collecting = setInterval(gc, 100);
const ends = [wait(undefined), wait(stop.signal)].map((waiting) =>
  Promise.race([
    waiting.then(() => "ended", (error) => error.code),
    new Promise((resolve) => setTimeout(() => resolve("hung"), 60_000)),
  ])
);
console.log((await Promise.all(ends)).join(" "));
clearInterval(collecting);
Deno.exit(0);
`;

// Once the Response was collected, neither silence nor the user's signal reached the body: a copy hung for ever.
Deno.test("HttpClient ends a wait for a body that stands still, also after the collector ran", async () => {
  const over = Promise.withResolvers<void>();
  await using server = serveRaw(async (_head, connection) => {
    await writeText(connection, `HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n${"x".repeat(60)}`);
    await over.promise;
  });
  const folder = await Deno.makeTempDir({ prefix: "s3lo-http-" });
  try {
    await Deno.writeTextFile(`${folder}/program.ts`, PROGRAM);
    const args = [
      "run",
      "--no-config",
      "--no-prompt",
      "--allow-net=127.0.0.1",
      "--allow-env",
      "--allow-read",
      ...permissionFlags().filter((flag) => flag.startsWith("--allow-sys")),
    ];
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [...args, "--v8-flags=--expose-gc", `${folder}/program.ts`, `http://${server.host}/`],
    }).output();
    assert.equal(new TextDecoder().decode(stdout), "unavailable aborted\n", new TextDecoder().decode(stderr));
  } finally {
    over.resolve();
    await Deno.remove(folder, { recursive: true });
  }
});
