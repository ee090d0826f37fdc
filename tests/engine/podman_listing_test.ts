/** Podman fails its whole list of images when somebody removes one of them meanwhile; the copy that asked goes on. */
import assert from "node:assert/strict";
import { isImageError } from "../../src/errors.ts";
import { connectDaemon } from "../support/daemon_api.ts";
import { fakeEngine } from "../support/fake_engine.ts";

const GONE = { cause: "image not known", message: 'retrieving label for image "abc": image not known', response: 500 };

for (
  const { podman, fails, works } of [
    { podman: true, fails: 2, works: true },
    { podman: true, fails: 100, works: false },
    { podman: false, fails: 1, works: false },
  ]
) {
  const what = `${podman ? "podman" : "docker"}, ${fails} failures`;
  Deno.test(`a list of images that fails is asked for again of podman only, a few times (${what})`, async () => {
    let left = fails;
    await using engine = await fakeEngine({
      podman,
      handle: () => left-- > 0 ? Response.json(GONE, { status: 500 }) : Response.json([{ Id: "a".repeat(64) }]),
    });
    using client = await connectDaemon(engine.socket);
    if (works) assert.equal((await client.listImages()).length, 1);
    else await assert.rejects(client.listImages(), (error) => isImageError(error, "unavailable"));
  });
}
