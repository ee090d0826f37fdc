/** Where no socket is, as on Windows: what people are told, and that no place of another system is tried. */
import assert from "node:assert/strict";
import { defaultSockets } from "../../src/engine/default_sockets.ts";
import type { EngineHost } from "../../src/engine/engine_host.ts";
import { findEngine } from "../../src/engine/find_engine.ts";
import { isImageError } from "../../src/errors.ts";

function hostOf(os: string, probed: string[] = []): EngineHost {
  return {
    os,
    uid: undefined,
    home: "C:\\Users\\me",
    env: () => undefined,
    readFile: () => Promise.resolve(undefined),
    probeSocket: (path) => Promise.resolve((probed.push(path), "not there" as const)),
  };
}

Deno.test("findEngine() looks for no Unix socket on Windows, and says how Docker Desktop is reached", {
  permissions: "none",
}, async () => {
  const probed: string[] = [];
  await assert.rejects(findEngine({ host: hostOf("windows", probed) }), (error: Error) => {
    assert.ok(isImageError(error, "unavailable"));
    assert.match(error.hint ?? "", /tcp:\/\/localhost:2375.*WSL.*--file/);
    return true;
  });
  assert.deepEqual(probed, []);
  for (const os of ["linux", "darwin"]) assert.ok(defaultSockets(hostOf(os)).length > 5, os);
});
