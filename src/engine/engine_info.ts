import { ImageError } from "../errors.ts";
import { isObject, Members } from "../oci/json.ts";
import { normalizePlatform, type Platform } from "../oci/platform.ts";
import { type EngineApi, NEWEST_API_VERSION } from "./engine_api.ts";

/**
 * How a daemon keeps images: `containerd` keeps manifests and indexes as they are (Docker's containerd image store),
 * `classic` keeps unpacked layers and the config only (Docker's graph drivers), `podman` keeps one manifest of one
 * platform.
 */
export type EngineStore = "containerd" | "classic" | "podman";

/** What a daemon says of itself. */
export interface EngineInfo {
  readonly store: EngineStore;
  /** Its version as it names it, for example `20.10.24`. */
  readonly version: string;
  /** The version of the Engine API that is spoken with it: its own newest, or ours. */
  readonly apiVersion: string;
  /** The version of podman's own API beside it; podman only. */
  readonly libpodVersion?: string | undefined;
  /** What its containers run on. */
  readonly platform: Platform;
}

/** Agrees on an API version with the daemon and asks what it is. Throws `unsupported` when no version fits both. */
export async function readEngineInfo(api: EngineApi, signal?: AbortSignal): Promise<EngineInfo> {
  const action = `ask the daemon at "${api.connection.address}"`;
  const ping = await api.send({ method: "GET", path: "/_ping", action, signal });
  await ping.discard();
  const libpod = ping.headers.get("libpod-api-version");
  const isPodman = libpod !== null;
  const offered = ping.headers.get("api-version") ?? "1.24";
  const apiVersion = compareVersions(offered, NEWEST_API_VERSION) < 0 ? offered : NEWEST_API_VERSION;
  const version = new Members(await api.object({ method: "GET", path: "/version", action, signal }), "daemon version");
  const oldest = version.string("MinAPIVersion");
  if (!/^\d+\.\d+$/.test(apiVersion) || (oldest && !isPodman && compareVersions(oldest, apiVersion) > 0)) {
    throw new ImageError(
      "unsupported",
      `Cannot talk to the daemon at "${api.connection.address}": its API is ${oldest ?? "?"} to ${offered}, ` +
        `and s3lo speaks up to ${NEWEST_API_VERSION}`,
      { hint: "Update s3lo, or go through an archive with --file" },
    );
  }
  api.useVersion(apiVersion);
  return {
    store: isPodman ? "podman" : await isContainerdStore(api, signal) ? "containerd" : "classic",
    version: version.string("Version") ?? "unknown",
    apiVersion,
    // Without what marks a version before its release, which podman's own paths do not take.
    libpodVersion: /^\d+(?:\.\d+){0,2}/.exec(libpod ?? "")?.[0],
    platform: normalizePlatform({ os: version.string("Os") ?? "linux", architecture: version.string("Arch") ?? "" }),
  };
}

/** Orders two versions of the Engine API (`1.9` is before `1.41`). */
export function compareVersions(left: string, right: string): number {
  const [leftParts, rightParts] = [left.split(".").map(Number), right.split(".").map(Number)];
  return (leftParts[0] ?? 0) - (rightParts[0] ?? 0) || (leftParts[1] ?? 0) - (rightParts[1] ?? 0);
}

/** Docker names the snapshotter's plugin among the driver's details when images are kept in containerd. */
async function isContainerdStore(api: EngineApi, signal: AbortSignal | undefined): Promise<boolean> {
  const action = `ask the daemon at "${api.connection.address}" for its image store`;
  const info = await api.object({ method: "GET", path: "/info", action, signal });
  const status = new Members(info, "daemon information").array("DriverStatus") ?? [];
  return status.some((pair) =>
    Array.isArray(pair) && pair[0] === "driver-type" && !isObject(pair[1]) &&
    String(pair[1]).startsWith("io.containerd.snapshotter.")
  );
}
