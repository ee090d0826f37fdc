import assert from "node:assert/strict";
import { addressConnection } from "../../src/engine/connection.ts";
import { EngineClient } from "../../src/engine/engine_client.ts";
import { isImageError } from "../../src/errors.ts";
import { pullInto } from "../support/daemon_api.ts";
import { writeImage } from "../support/daemon_images.ts";
import { openDaemonTarget } from "../../src/transports/docker_daemon_target.ts";
import { fakeEngine, type FakeEngineScript } from "../support/fake_engine.ts";
import { singleImage } from "../support/images.ts";

const image = singleImage({ os: "linux", architecture: "amd64" }, { layersPerPlatform: 4, layerBytes: 400_000 });

/** Answers like a daemon that holds nothing, and to a load as `load` says. */
function emptyDaemon(load: (request: Request) => Response | Promise<Response>): FakeEngineScript {
  return {
    containerd: true,
    handle: (request, path) => {
      if (path.startsWith("/images/load")) return load(request);
      if (path.startsWith("/images/json")) return Response.json([]);
      return Response.json({ message: "No such image" }, { status: 404 });
    },
  };
}

function faultTest(name: string, script: FakeEngineScript, body: (client: EngineClient) => Promise<void>): void {
  Deno.test(name, async () => {
    await using engine = await fakeEngine(script);
    using client = await EngineClient.connect(addressConnection(engine.address, "test"));
    await body(client);
  });
}

faultTest(
  "DaemonTarget passes on a refusal that comes before the tar was read",
  emptyDaemon(() => Response.json({ message: "no space left on device" }, { status: 500 })),
  async (client) => {
    await assert.rejects(
      pullInto(client, image, "app:1"),
      (error) => isImageError(error, "unavailable") && /no space left on device/.test(error.message),
    );
  },
);

faultTest(
  "DaemonTarget passes on a failure that comes after status 200, at the end",
  emptyDaemon(async (request) => {
    await request.bytes();
    return new Response(`{"errorDetail":{"message":"unexpected EOF"},"error":"unexpected EOF"}\r\n`);
  }),
  async (client) => {
    await assert.rejects(
      pullInto(client, image, "app:1"),
      (error) => isImageError(error, "invalid-input") && /unexpected EOF/.test(error.message),
    );
  },
);

faultTest(
  "DaemonTarget refuses a daemon that has another image by the name afterwards",
  {
    containerd: true,
    handle: async (request, path) => {
      if (path.startsWith("/images/load")) await request.bytes();
      if (path.startsWith("/images/json")) return Response.json([]);
      const isId = path.includes("sha256:");
      if (isId) return Response.json({ message: "No such image" }, { status: 404 });
      return Response.json({ Id: `sha256:${"0".repeat(64)}`, Os: "linux", Architecture: "amd64" });
    },
  },
  async (client) => {
    await assert.rejects(pullInto(client, image, "app:1"), (error) => isImageError(error, "conflict"));
  },
);

{
  const stop = new AbortController();
  faultTest(
    "DaemonTarget stops by its signal",
    emptyDaemon(async (request) => {
      stop.abort();
      await request.bytes().catch(() => {});
      return new Response("");
    }),
    async (client) => {
      await using target = openDaemonTarget(client, "app:1", { signal: stop.signal });
      await assert.rejects(writeImage(image, target), (error) => isImageError(error, "aborted"));
    },
  );
}
