/** SIGINT while blobs go up to a registry: what the registry began to take is given back, though everything else stops. */
import assert from "node:assert/strict";
import { type SeenRequest, serveScript } from "../support/scripted_server.ts";
import { FaultProxy } from "../support/fault_proxy.ts";
import { singleImage } from "../support/images.ts";
import { serviceTest } from "../support/services.ts";
import { tempFolder, writeStore } from "../cli/places.ts";
import { programCommand } from "../cli/program.ts";

/** Runs the program, sends SIGINT when `isFar` resolves, and waits for its end. */
async function interrupted(
  args: readonly string[],
  isFar: Promise<unknown>,
): Promise<{ code: number; stderr: string }> {
  const [file, ...before] = programCommand();
  const child = new Deno.Command(file, {
    args: [...before, ...args],
    env: { HOME: "/nonexistent", DOCKER_CONFIG: "/nonexistent" },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const stderr = new Response(child.stderr).text();
  const ended = child.status.then(async () => assert.fail(`it ended before it was stopped: ${await stderr}`));
  ended.catch(() => {});
  await Promise.race([isFar, ended]);
  child.kill("SIGINT");
  return { code: (await child.status).code, stderr: await stderr };
}

const HOW: readonly (readonly [name: string, layerBytes: number, stopsAt: (request: SeenRequest) => boolean])[] = [
  ["a blob that is sent from memory", 100_000, ({ method }) => method === "PUT"],
  ["a blob that is sent as a stream", 9_000_000, ({ method, body }) => method === "PUT" && body.byteLength > 8_500_000],
  ["a blob that is sent in parts", 20_000_000, ({ method, path }) => method === "PATCH" && path.includes("s2")],
  ["an upload that a mount began", 100_000, ({ method }) => method === "PUT"],
];

for (const [name, layerBytes, stopsAt] of HOW) {
  Deno.test(`SIGINT tells the registry to forget ${name}`, async () => {
    const image = singleImage({ os: "linux", architecture: "amd64" }, {
      seed: 314,
      layersPerPlatform: 1,
      layerBytes,
      compression: "none",
    });
    await using folder = await tempFolder();
    await writeStore(folder.path, "app", "v1", image);
    const far = Promise.withResolvers<void>();
    const hanging = Promise.withResolvers<Response>();
    const open = new Set<string>();
    let begun = 0;
    await using server = serveScript((request) => {
      const { method, path, body } = request;
      const id = /uploads\/(u\d+)/.exec(path)?.[1] ?? "";
      if (path === "/v2/") return new Response("{}");
      if (method === "HEAD" || method === "GET") {
        // As a source of a mount it has everything.
        if (!path.startsWith("/v2/from/")) return undefined;
        if (path.includes("/manifests/")) {
          const { bytes, descriptor } = image.root;
          return new Response(new Uint8Array(bytes), { headers: { "content-type": descriptor.mediaType } });
        }
        return new Response(new Uint8Array(image.blobs.get(path.slice(path.lastIndexOf("/") + 1) as never)!));
      }
      if (method === "POST") {
        const fresh = `u${++begun}`;
        open.add(fresh);
        return new Response(null, { status: 202, headers: { location: `/v2/app/blobs/uploads/${fresh}?_state=s1` } });
      }
      if (method === "DELETE") {
        open.delete(id);
        return new Response(null, { status: 204 });
      }
      if (stopsAt(request)) {
        far.resolve();
        return hanging.promise;
      }
      if (method === "PUT" && name.endsWith("parts") && body.byteLength > 8_500_000) {
        return new Response(null, { status: 413 });
      }
      if (method === "PATCH") {
        const headers = { location: `/v2/app/blobs/uploads/${id}?_state=s2`, range: `0-${body.byteLength - 1}` };
        return new Response(null, { status: 202, headers });
      }
      open.delete(id);
      return new Response(null, { status: 201 });
    });
    const source = name.endsWith("began") ? `${server.host}/from:v1` : `local://${folder.path}//app:v1`;
    const end = await interrupted(["copy", source, `${server.host}/app:v1`], far.promise);
    hanging.resolve(new Response(null, { status: 500 }));
    assert.equal(end.code, 130, end.stderr);
    assert.ok(begun > 0);
    assert.deepEqual([...open], [], "uploads that the registry still keeps");
  });
}

for (const kind of ["registry", "oldRegistry"] as const) {
  serviceTest(`SIGINT in the middle of a layer leaves no upload in a real registry (${kind})`, [kind], async (at) => {
    const registry = at[kind];
    const image = singleImage({ os: "linux", architecture: "amd64" }, {
      seed: 315,
      layersPerPlatform: 1,
      layerBytes: 30_000_000,
      compression: "none",
    });
    await using folder = await tempFolder();
    await writeStore(folder.path, "app", "v1", image);
    await using proxy = new FaultProxy({ upstream: new URL(registry).host, speaks: "registry" });
    const far = Promise.withResolvers<void>();
    let upload = "";
    proxy.script = ({ method, path, bodyBytes }) => {
      if (method !== "PUT" || bodyBytes < 8_000_000) return undefined;
      upload = path;
      return { kind: "stall", side: "request", at: 4_000_000 };
    };
    const watch = setInterval(() => {
      if (upload !== "" && proxy.figures.sentBytes > 3_000_000) far.resolve();
    }, 20);
    const repository = `stop-${crypto.randomUUID().slice(0, 8)}/app`;
    const args = ["copy", "--plain-http", `local://${folder.path}//app:v1`, `${proxy.host}/${repository}:v1`];
    const end = await interrupted(args, far.promise);
    clearInterval(watch);
    assert.equal(end.code, 130, end.stderr);
    const answer = await fetch(new URL(upload, registry), { redirect: "manual" });
    await answer.body?.cancel();
    assert.equal(answer.status, 404, "the registry knows nothing of the upload");
  });
}
