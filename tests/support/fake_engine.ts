/** A scripted daemon on a Unix socket, and a machine whose files and variables are made up. */
import type { EngineHost, SocketState } from "../../src/engine/engine_host.ts";
import { socketPath } from "./sockets.ts";

/** What a scripted daemon answers. */
export interface FakeEngineScript {
  readonly apiVersion?: string;
  readonly oldestApiVersion?: string;
  readonly podman?: boolean;
  /** The version of podman's own API, as its ping names it. */
  readonly libpodVersion?: string;
  readonly containerd?: boolean;
  /** Answers every other request; path and query come without the version prefix. */
  readonly handle?: (request: Request, path: string) => Response | Promise<Response>;
}

/** A daemon that runs until it is disposed. */
export interface FakeEngine extends AsyncDisposable {
  readonly socket: string;
  readonly address: string;
  /** `METHOD /path?query` of every request, the version prefix included. */
  readonly requests: readonly string[];
}

/** Starts a scripted daemon on a socket of its own. */
export async function fakeEngine(script: FakeEngineScript = {}): Promise<FakeEngine> {
  const socket = await socketPath();
  const requests: string[] = [];
  const { apiVersion = "1.51" } = script;
  const server = Deno.serve({ transport: "unix", path: socket, onListen: () => {} }, async (request) => {
    const url = new URL(request.url.replace(/^http\+unix:\/\/[^/]*/, "http://localhost"));
    const full = `${url.pathname}${url.search}`;
    requests.push(`${request.method} ${full}`);
    const path = full.replace(/^\/v\d+\.\d+(?=\/)/, "");
    if (path === "/_ping") {
      return new Response("OK", {
        headers: {
          "api-version": apiVersion,
          ...(script.podman ? { "libpod-api-version": script.libpodVersion ?? "4.3.1" } : {}),
        },
      });
    }
    if (path === "/version") {
      const { oldestApiVersion: MinAPIVersion } = script;
      return Response.json({ Version: "99.1", ApiVersion: apiVersion, MinAPIVersion, Os: "linux", Arch: "arm64" });
    }
    if (path === "/info") {
      const type = script.containerd
        ? [["driver-type", "io.containerd.snapshotter.v1"]]
        : [["Backing Filesystem", "extfs"]];
      return Response.json({ Driver: "overlayfs", DriverStatus: type });
    }
    return await script.handle?.(request, path) ?? Response.json({ message: `no such path ${path}` }, { status: 404 });
  });
  return {
    socket,
    address: `unix://${socket}`,
    requests,
    async [Symbol.asyncDispose]() {
      await server.shutdown();
    },
  };
}

/** A machine that holds nothing but what is given. */
export function fakeHost(
  given: {
    readonly env?: Readonly<Record<string, string>>;
    readonly files?: Readonly<Record<string, string>>;
    readonly sockets?: Readonly<Record<string, SocketState>>;
    readonly os?: string;
  } = {},
): EngineHost {
  return {
    os: given.os ?? "linux",
    uid: 1000,
    home: "/home/me",
    env: (name) => given.env?.[name] || undefined,
    readFile: (path) => {
      const text = given.files?.[path];
      return Promise.resolve(text === undefined ? undefined : new TextEncoder().encode(text));
    },
    probeSocket: (path) => Promise.resolve(given.sockets?.[path] ?? "not there"),
  };
}
