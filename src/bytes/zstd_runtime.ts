import * as zlib from "node:zlib";
import { ImageError } from "../errors.ts";

/** The runtime's zstd. */
export type ZstdRuntime = Pick<
  typeof zlib,
  "createZstdDecompress" | "zstdDecompressSync" | "createZstdCompress" | "zstdCompressSync"
>;

/** Where zstd is looked for, and what else its user could do. */
export interface ZstdRuntimeOptions {
  /** Default: the one that runs this. */
  readonly runtime?: Partial<ZstdRuntime> | undefined;
  /** A way around, for the hint; a verb first. */
  readonly otherWay?: string | undefined;
}

/**
 * The zstd functions of the runtime. Everything that packs or unpacks zstd asks here: older runtimes have none, and a
 * static import of a missing name would keep the whole program from starting.
 *
 * Throws `unsupported` where the runtime has none. `what` names the bytes, for example `layer "sha256:…"`.
 */
export function zstdRuntime(what: string, options: ZstdRuntimeOptions = {}): ZstdRuntime {
  const { runtime = zlib, otherWay } = options;
  if (hasZstd(runtime)) return runtime;
  throw new ImageError("unsupported", `Cannot use ${what}: this s3lo runs on a runtime without zstd`, {
    hint: ["Install a release of s3lo", "run it with the current Deno", ...otherWay ? [otherWay] : []].join(", or "),
  });
}

/** Whether the runtime can pack and unpack zstd. */
export function hasZstd(runtime: Partial<ZstdRuntime> = zlib): runtime is ZstdRuntime {
  const names = ["createZstdDecompress", "zstdDecompressSync", "createZstdCompress", "zstdCompressSync"] as const;
  return names.every((name) => typeof runtime[name] === "function");
}
