import type { EngineInfo } from "../engine/engine_info.ts";
import { formatPlatform, type Platform } from "../oci/platform.ts";

/** The platform to pull, and why it is that one. */
export interface PullPlatform {
  readonly platform: Platform;
  /**
   * `requested`: the user named it. `host`: this machine and the daemon agree. `daemon`: the daemon runs another platform
   * than this machine (it is remote, or a virtual machine), and its own is taken; tell the user.
   */
  readonly chosenBy: "requested" | "host" | "daemon";
}

/** Chooses the platform to pull: the requested one, else the daemon's. `host` is this machine's own. */
export function choosePullPlatform(
  daemon: EngineInfo,
  host: Platform,
  requested?: Platform | undefined,
): PullPlatform {
  if (requested) return { platform: requested, chosenBy: "requested" };
  const { platform } = daemon;
  // A daemon may not say its variant; the host's then is the better guess, where it is the same kind of machine.
  const isSame = platform.os === host.os && platform.architecture === host.architecture &&
    (platform.variant === undefined || platform.variant === host.variant);
  if (isSame) return { platform: host, chosenBy: "host" };
  return { platform, chosenBy: formatPlatform(platform) === formatPlatform(host) ? "host" : "daemon" };
}
