import assert from "node:assert/strict";
import { addressConnection } from "../../src/engine/connection.ts";
import { EngineClient } from "../../src/engine/engine_client.ts";
import { pullInto } from "../support/daemon_api.ts";
import { fakeEngine } from "../support/fake_engine.ts";
import { singleImage } from "../support/images.ts";

/**
 * The name under which Docker's containerd store is sent an image: none, so that the name that it gets is moved last; before
 * Docker 25 an image without a name would get lost.
 */

const image = singleImage({ os: "linux", architecture: "arm64" });
const id = image.root.descriptor.digest;

/** What a daemon of an API version is sent, and asked for afterwards, by a pull of `app:1`. */
async function pulled(apiVersion: string, before: readonly string[] = []): Promise<{ index: string; last: string[] }> {
  let index = "";
  const names = new Set(before);
  const describe = () => Response.json({ Id: id, RepoTags: [...names], Os: "linux", Architecture: "arm64" });
  await using engine = await fakeEngine({
    apiVersion,
    containerd: true,
    handle: async (request, path) => {
      if (path.startsWith("/images/load")) {
        const tar = new TextDecoder().decode(await request.bytes());
        index = tar.slice(tar.indexOf("index.json"));
        if (index.includes("app:1")) names.add("app:1");
        names.add("");
        return new Response(`{"stream":"Loaded"}\n`);
      }
      if (path.includes("/tag?")) return new Response(null, { status: 201 });
      if (path.startsWith("/images/json")) return Response.json([]);
      return names.size > 0 ? describe() : Response.json({ message: "No such image" }, { status: 404 });
    },
  });
  using client = await EngineClient.connect(addressConnection(engine.address, "test"));
  await pullInto(client, image, "app:1");
  return { index, last: engine.requests.filter((line) => line.startsWith("POST")) };
}

Deno.test("Docker 25 and later is sent an image without a name, and names it last", async () => {
  const { index, last } = await pulled("1.44");
  assert.ok(index.includes(id));
  assert.doesNotMatch(index, /io\.containerd\.image\.name/);
  assert.match(last.at(-1) ?? "", /\/tag\?repo=docker\.io%2Flibrary%2Fapp&tag=1$/);
});

Deno.test("an older Docker is sent it under its name", async () => {
  assert.match((await pulled("1.43")).index, /"io\.containerd\.image\.name":"docker\.io\/library\/app:1"/);
});

Deno.test("an image that is there is sent under a name that it has", async () => {
  const { index } = await pulled("1.44", ["other:old"]);
  assert.match(index, /"io\.containerd\.image\.name":"docker\.io\/library\/other:old"/);
});
