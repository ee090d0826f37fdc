import { ImageError } from "../errors.ts";
import type { CompressionOptions } from "../archive/layer_compression.ts";
import type { BlobReader } from "../bytes/blob_reader.ts";
import type { Session } from "../transports/session.ts";
import type { CommandIo, OptionValues } from "./command.ts";
import { formatSize, printable } from "./text.ts";
import { build } from "./version.ts";

/** Longest password or token that is read from stdin, in bytes. */
const MAX_PASSWORD_BYTES = 64 * 1024;

/** The session that the global options describe. */
export async function openSession(options: OptionValues, io: CommandIo): Promise<Session> {
  const { Session } = await import("../transports/session.ts");
  // What dependencies do in old ways on some version of the runtime is nothing that users of a release can act on.
  if (build()) (globalThis as { process?: { noDeprecation?: boolean } }).process!.noDeprecation = true;
  const isDebug = options.flag("debug");
  return new Session({
    endpoint: endpoint(options.value("endpoint")),
    region: options.value("region"),
    profile: profile(options.value("profile")),
    storageClass: options.value("storage-class"),
    sseKmsKeyId: options.value("sse-kms-key-id"),
    caFiles: options.values("ca-cert"),
    insecure: options.flag("insecure"),
    plainHttp: options.flag("plain-http"),
    dockerHost: options.value("docker-host"),
    streams: { stdin: stdinReader(), stdout: { write: (bytes) => Deno.stdout.write(bytes) } },
    compression: compression(options),
    credentials: await credentials(options),
    concurrentBlobs: concurrency(options.value("concurrency")),
    signal: io.signal,
    onKept: (place, storedBytes) =>
      io.note(
        `Kept ${formatSize(storedBytes)} of an unfinished upload to ${place}; the same command goes on from there`,
      ),
    log: isDebug ? (line) => io.err(`debug: ${printable(line)}\n`) : undefined,
  });
}

/** A profile holds for everything of the SDK (its endpoint and region too), as if AWS_PROFILE named it. */
function profile(name: string | undefined): string | undefined {
  if (name !== undefined) Deno.env.set("AWS_PROFILE", name);
  return name;
}

function endpoint(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !/^https?:$/.test(url.protocol) || url.host === "") {
    throw new ImageError("usage", `Invalid --endpoint "${text}": expected an http or https URL`);
  }
  return text;
}

/** Standard input as a reader, for an archive that comes that way. */
function stdinReader(): BlobReader {
  return {
    async read(into) {
      return into.subarray(0, await Deno.stdin.read(into) ?? 0);
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

function compression(options: OptionValues): CompressionOptions {
  const kind = options.value("compression") as CompressionOptions["compression"];
  const text = options.value("compression-level");
  if (text === undefined) return { compression: kind };
  const level = Number(text);
  const highest = kind === "gzip" ? 9 : 19;
  if (kind === "none" || !Number.isInteger(level) || level < 1 || level > highest) {
    throw new ImageError(
      "usage",
      `Invalid --compression-level "${text}": ${
        kind === "none" ? "nothing is compressed" : `expected 1 to ${highest}`
      }`,
    );
  }
  return { compression: kind, level };
}

function concurrency(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1 || number > 64) {
    throw new ImageError("usage", `Invalid --concurrency "${text}": expected 1 to 64`);
  }
  return number;
}

async function credentials(options: OptionValues): Promise<{ username: string; password: string } | undefined> {
  const username = options.value("username");
  if (!options.flag("password-stdin")) {
    if (username !== undefined) {
      throw new ImageError("usage", "--username needs --password-stdin", { hint: "Or run: docker login" });
    }
    return undefined;
  }
  if (username === undefined) throw new ImageError("usage", "--password-stdin needs --username");
  const password = (await readStdin()).replace(/\r?\n$/, "");
  if (password === "") throw new ImageError("usage", "The password on stdin is empty");
  return { username, password };
}

async function readStdin(): Promise<string> {
  const buffer = new Uint8Array(MAX_PASSWORD_BYTES);
  let length = 0;
  while (length < buffer.byteLength) {
    const count = await Deno.stdin.read(buffer.subarray(length));
    if (count === null) return new TextDecoder().decode(buffer.subarray(0, length));
    length += count;
  }
  throw new ImageError("usage", "The password on stdin is too long");
}
