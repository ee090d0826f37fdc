import type { EngineHost } from "./engine_host.ts";

/** A usual place of a daemon's socket. */
export interface DefaultSocket {
  /** Which program puts it there. */
  readonly product: string;
  /** A full path. */
  readonly path: string;
}

/**
 * The sockets that are tried, in this order, when nobody named a daemon: Docker's own, rootless Docker, Docker Desktop
 * (macOS, then Linux), Colima, Rancher Desktop, OrbStack, podman (the user's, the system's, its machine on macOS). None on
 * Windows.
 */
export function defaultSockets(host: EngineHost): readonly DefaultSocket[] {
  // Docker Desktop's is a named pipe there, which the runtime opens only with all permissions.
  if (host.os === "windows") return [];
  const { home } = host;
  const runtime = host.env("XDG_RUNTIME_DIR") ?? (host.uid === undefined ? undefined : `/run/user/${host.uid}`);
  const temporary = host.env("TMPDIR")?.replace(/\/+$/, "");
  const socket = (product: string, base: string | undefined, path: string) =>
    base === undefined ? [] : [{ product, path: `${base}${path}` }];
  const colima = host.env("COLIMA_HOME");
  const list = [
    ...socket("Docker", "", "/var/run/docker.sock"),
    ...socket("rootless Docker", runtime, "/docker.sock"),
    ...socket("Docker Desktop", home, "/.docker/run/docker.sock"),
    ...socket("Docker Desktop", home, "/.docker/desktop/docker.sock"),
    ...socket("Colima", colima, "/default/docker.sock"),
    ...socket("Colima", home, "/.colima/default/docker.sock"),
    ...socket("Colima", host.env("XDG_CONFIG_HOME"), "/colima/default/docker.sock"),
    ...socket("Colima", home, "/.config/colima/default/docker.sock"),
    ...socket("Rancher Desktop", home, "/.rd/docker.sock"),
    ...socket("OrbStack", home, "/.orbstack/run/docker.sock"),
    ...socket("podman", runtime, "/podman/podman.sock"),
    ...socket("podman", "", "/run/podman/podman.sock"),
    ...(host.os === "darwin"
      ? [
        ...socket("podman machine", temporary, "/podman/podman-machine-default-api.sock"),
        ...socket("podman machine", home, "/.local/share/containers/podman/machine/podman.sock"),
        ...socket("podman machine", home, "/.local/share/containers/podman/machine/qemu/podman.sock"),
      ]
      : []),
  ];
  return [...new Map(list.map((entry) => [entry.path, entry])).values()];
}
