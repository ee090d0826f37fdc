/** `list` of a registry prints tags as they come: neither a reader nor the memory waits for the last page. */
import assert from "node:assert/strict";
import { serveScript } from "../support/scripted_server.ts";
import { tempFolder } from "./places.ts";
import { programCommand, s3loJson, s3loOk } from "./program.ts";

const TAGS = Array.from({ length: 3 }, (_, page) => [`v${page}.0`, `v${page}.1`]);

/** A registry of three pages; `before` is waited for before a page is given. */
function registry(before: (page: number) => Promise<void>) {
  return serveScript(async ({ path }) => {
    const url = new URL(path, "http://localhost");
    if (url.pathname === "/v2/") return new Response("{}");
    if (!url.pathname.endsWith("/tags/list")) return undefined;
    const page = Number(url.searchParams.get("last") ?? "0");
    await before(page);
    const link = page < TAGS.length - 1 ? { link: `</v2/app/tags/list?last=${page + 1}>; rel="next"` } : undefined;
    return Response.json({ name: "app", tags: TAGS[page] }, link ? { headers: link } : {});
  });
}

Deno.test("list prints each page of a registry's tags before it asks for the next", async () => {
  const printed = TAGS.map(() => Promise.withResolvers<void>());
  // Each page is given only once the one before it was read by us.
  await using server = registry(async (page) => {
    if (page > 0) await printed[page - 1]!.promise;
  });
  const [file, ...before] = programCommand();
  const process = new Deno.Command(file, {
    args: [...before, "list", `${server.host}/app`],
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  let text = "";
  for await (const piece of process.stdout.pipeThrough(new TextDecoderStream())) {
    text += piece;
    for (const [page, tags] of TAGS.entries()) if (text.includes(`${tags.at(-1)}\n`)) printed[page]!.resolve();
  }
  assert.equal((await process.status).code, 0);
  assert.equal(text, TAGS.flat().map((tag) => `${server.host}/app:${tag}\n`).join(""));
});

Deno.test("list -o json gives a repository with many pages as one image", async () => {
  await using server = registry(() => Promise.resolve());
  assert.deepEqual(await s3loJson(["list", `${server.host}/app`]), [{ name: `${server.host}/app`, tags: TAGS.flat() }]);
});

Deno.test("list of a store with many tags keeps their order, and an image whole in JSON", async () => {
  await using folder = await tempFolder();
  const tags = Array.from({ length: 2300 }, (_, index) => `v${index}`).sort();
  for (const [image, names] of [["app", tags], ["app/sub", ["v1"]], ["zoo", ["v1", "v2"]]] as const) {
    for (const tag of names) {
      await Deno.mkdir(`${folder.path}/manifests/${image}/${tag}`, { recursive: true });
      await Deno.writeTextFile(`${folder.path}/manifests/${image}/${tag}/manifest.json`, "{}");
    }
  }
  await Deno.mkdir(`${folder.path}/blobs`);
  const lines = [...tags.map((tag) => `app:${tag}`), "app/sub:v1", "zoo:v1", "zoo:v2"];
  assert.equal(await s3loOk(["list", `local://${folder.path}`]), lines.map((line) => `${line}\n`).join(""));
  assert.deepEqual(await s3loJson(["list", `local://${folder.path}`]), [
    { name: "app", tags },
    { name: "app/sub", tags: ["v1"] },
    { name: "zoo", tags: ["v1", "v2"] },
  ]);
});
