import assert from "node:assert/strict";
import type { EngineInfo } from "../../src/engine/engine_info.ts";
import { hostPlatform, parsePlatform } from "../../src/oci/platform.ts";
import { choosePullPlatform } from "../../src/transports/docker_daemon_platform.ts";

function daemon(platform: string): EngineInfo {
  return { store: "classic", version: "1", apiVersion: "1.41", platform: parsePlatform(platform) };
}

/** Host (as the runtime names it), the daemon's platform, the request; what is pulled and who chose it. */
const ROWS: readonly [string, string, string, string | undefined, string, string][] = [
  ["linux", "x86_64", "linux/amd64", undefined, "linux/amd64", "host"],
  ["linux", "aarch64", "linux/arm64", undefined, "linux/arm64", "host"],
  ["darwin", "aarch64", "linux/arm64", undefined, "linux/arm64", "host"],
  ["darwin", "x86_64", "linux/amd64", undefined, "linux/amd64", "host"],
  ["windows", "x86_64", "linux/amd64", undefined, "linux/amd64", "host"],
  ["windows", "x86_64", "windows/amd64", undefined, "windows/amd64", "daemon"],
  ["darwin", "aarch64", "linux/amd64", undefined, "linux/amd64", "daemon"],
  ["linux", "x86_64", "linux/arm/v6", undefined, "linux/arm/v6", "daemon"],
  ["linux", "x86_64", "linux/amd64", "linux/arm/v7", "linux/arm/v7", "requested"],
];

for (const [os, architecture, engine, wanted, expected, chosenBy] of ROWS) {
  const asked = wanted === undefined ? "" : ` with --platform ${wanted}`;
  Deno.test({
    name: `choosePullPlatform() on ${os}/${architecture} with a daemon of ${engine}${asked} takes ${expected}`,
    permissions: "none",
    fn: () => {
      const requested = wanted === undefined ? undefined : parsePlatform(wanted);
      const choice = choosePullPlatform(daemon(engine), hostPlatform(os, architecture), requested);
      assert.deepEqual(choice, { platform: parsePlatform(expected), chosenBy });
    },
  });
}
