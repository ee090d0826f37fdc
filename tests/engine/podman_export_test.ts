import assert from "node:assert/strict";
import { addressConnection } from "../../src/engine/connection.ts";
import { EngineClient } from "../../src/engine/engine_client.ts";
import { isImageError } from "../../src/errors.ts";
import { openDaemonSource } from "../../src/transports/docker_daemon_source.ts";
import { fakeEngine } from "../support/fake_engine.ts";

const ID = `sha256:${"a".repeat(64)}`;

/** A podman that cannot export in Docker's format, and answers to its own API as told. */
async function podman(own: () => Response, body: (client: EngineClient, paths: readonly string[]) => Promise<void>) {
  await using engine = await fakeEngine({
    apiVersion: "1.41",
    podman: true,
    libpodVersion: "5.3.0-dev",
    handle: (_request, path) => {
      if (path.includes("/json")) return Response.json({ Id: ID, Os: "linux", Architecture: "amd64" });
      if (path.includes("/libpod/")) return own();
      return Response.json({ message: "zstd compression is not supported for docker images" }, { status: 500 });
    },
  });
  using client = await EngineClient.connect(addressConnection(engine.address, "test"));
  await body(client, engine.requests);
}

Deno.test("an export that podman refuses is asked of its own API, in the version that it names", async () => {
  await podman(() => new Response("no tar at all".padEnd(512)), async (client, paths) => {
    await using source = await openDaemonSource(client, "app:v1");
    await assert.rejects(source.root(), (error) => isImageError(error, "invalid-input"));
    assert.deepEqual(paths.slice(-2), [
      `GET /v1.41/images/get?names=${encodeURIComponent(ID)}`,
      `GET /v5.3.0/libpod/images/${ID.slice("sha256:".length)}/get?format=oci-archive`,
    ]);
  });
});

Deno.test("an export that podman refuses both ways fails with its first words", async () => {
  const own = () => Response.json({ message: "no such format" }, { status: 400 });
  await podman(own, async (client) => {
    await using source = await openDaemonSource(client, "app:v1");
    await assert.rejects(
      source.root(),
      (error) => isImageError(error, "unavailable") && /zstd compression is not supported/.test(error.message),
    );
  });
});
