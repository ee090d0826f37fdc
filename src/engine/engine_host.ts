import { ImageError, messageOf } from "../errors.ts";

/** What a machine offers to the search for a daemon: its environment and its files. Tests bring one of their own. */
export interface EngineHost {
  /** The operating system, as `Deno.build.os` names it. */
  readonly os: string;
  /** The user's number; undefined where there is none. */
  readonly uid: number | undefined;
  /** The user's home folder; undefined where none is known. */
  readonly home: string | undefined;
  /** An environment variable; undefined when it is unset or empty. */
  env(name: string): string | undefined;
  /** A file's bytes; undefined when there is no such file. */
  readFile(path: string): Promise<Uint8Array<ArrayBuffer> | undefined>;
  /** Whether somebody listens on a Unix socket. */
  probeSocket(path: string): Promise<SocketState>;
  /** The name of the group that owns a file; undefined where that cannot be told. */
  groupOf?(path: string): Promise<string | undefined>;
}

/** What connecting to a Unix socket shows. */
export type SocketState = "listening" | "not there" | "permission denied" | "connection refused";

/** The machine that this process runs on. */
export function systemHost(): EngineHost {
  const env = (name: string) => Deno.env.get(name) || undefined;
  return {
    os: Deno.build.os,
    uid: Deno.uid() ?? undefined,
    home: env("HOME") ?? env("USERPROFILE"),
    env,
    async readFile(path) {
      try {
        return await Deno.readFile(path);
      } catch (error) {
        if (isNotFound(error)) return undefined;
        throw error;
      }
    },
    async probeSocket(path) {
      try {
        (await Deno.connect({ transport: "unix", path })).close();
        return "listening";
      } catch (error) {
        if (isNotFound(error)) return "not there";
        return error instanceof Deno.errors.PermissionDenied ? "permission denied" : "connection refused";
      }
    },
    async groupOf(path) {
      try {
        const { gid } = await Deno.stat(path);
        const lines = (await Deno.readTextFile("/etc/group")).split("\n").map((line) => line.split(":"));
        return gid === null ? undefined : lines.find((fields) => fields[2] === String(gid))?.[0];
      } catch {
        return undefined; // it only makes a hint better
      }
    },
  };
}

/** A file's bytes; undefined when there is no such file. Throws `denied` when it cannot be read. */
export async function readHostFile(host: EngineHost, path: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
  try {
    return await host.readFile(path);
  } catch (cause) {
    throw new ImageError("denied", `Cannot read "${path}": ${messageOf(cause)}`, { cause });
  }
}

/** Where Docker's client keeps its settings: `DOCKER_CONFIG`, else `~/.docker`; undefined without a home folder. */
export function dockerConfigFolder(host: EngineHost): string | undefined {
  return host.env("DOCKER_CONFIG") ?? (host.home === undefined ? undefined : `${host.home}/.docker`);
}

function isNotFound(error: unknown): boolean {
  return error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory;
}
