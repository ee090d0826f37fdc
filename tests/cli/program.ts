/** Runs the program as people do: a process of its own, both streams captured. */

import { fileURLToPath } from "node:url";
import { permissionFlags } from "../../src/cli/permissions.ts";
import { servicesAuthority, TLS_VARIABLE } from "../support/services.ts";

/** What a run of the program gave. */
export interface ProgramRun {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** How the program is run. */
export interface ProgramOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string | Uint8Array;
  /** Kill it (SIGKILL, or the given signal) after so many milliseconds, unless it is done by then. */
  readonly killAfterMs?: number;
  /** Kill it likewise once its stderr holds this. */
  readonly killOnceSaid?: RegExp;
  readonly signal?: Deno.Signal;
}

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** The command that runs the program: from source, with the permissions that it is compiled with, or a compiled one. */
export function programCommand(): readonly [file: string, ...args: string[]] {
  const compiled = Deno.env.get("S3LO_TEST_PROGRAM");
  if (compiled) return [compiled];
  return [Deno.execPath(), "run", "--no-check", "--cached-only", ...permissionFlags(), `${ROOT}main.ts`];
}

/** Whether the program under test was compiled on a runtime without zstd. */
const LACKS_ZSTD = Deno.env.get("S3LO_TEST_LACKS")?.includes("zstd") ?? false;

/** Whether the program under test was compiled on a runtime from before those that releases have. */
export function isOldProgram(): boolean {
  return LACKS_ZSTD;
}

/** Declares a test of something that needs zstd by `declare`, or says that it is skipped. */
export function zstdTest<T extends unknown[]>(
  declare: (name: string, ...rest: T) => void,
  name: string,
  ...rest: T
): void {
  if (!LACKS_ZSTD) return declare(name, ...rest);
  Deno.test({ name: `${name} (skipped: the runtime of this executable has no zstd)`, ignore: true, fn: () => {} });
}

/** What makes `push` compress by something that the program under test can: compiled on an old runtime it has no zstd. */
export function compressionArguments(): readonly string[] {
  return LACKS_ZSTD ? ["--compression", "gzip"] : [];
}

/** Over TLS the program is told whom to trust as people tell it: by the environment. */
function tlsEnvironment(): Readonly<Record<string, string>> {
  const authority = Deno.env.get(TLS_VARIABLE) === "true" ? servicesAuthority() : undefined;
  return authority === undefined ? {} : { SSL_CERT_FILE: authority };
}

/** Runs `s3lo args…` to its end. */
export async function s3lo(args: readonly string[], options: ProgramOptions = {}): Promise<ProgramRun> {
  const [file, ...before] = programCommand();
  const process = new Deno.Command(file, {
    args: [...before, ...args],
    stdin: options.stdin === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
    env: { NO_COLOR: "1", ...tlsEnvironment(), ...options.env },
  }).spawn();
  if (options.stdin !== undefined) {
    const writer = process.stdin.getWriter();
    await writer.write(
      typeof options.stdin === "string" ? new TextEncoder().encode(options.stdin) : options.stdin,
    );
    await writer.close();
  }
  const kill = () => {
    try {
      process.kill(options.signal ?? "SIGKILL");
    } catch { /* it was faster */ }
  };
  const timer = options.killAfterMs === undefined ? undefined : setTimeout(kill, options.killAfterMs);
  const stdout = new Response(process.stdout).text();
  let stderr = "";
  let isKilled = false;
  for await (const text of process.stderr.pipeThrough(new TextDecoderStream())) {
    stderr += text;
    if (!isKilled && options.killOnceSaid?.test(stderr)) kill();
    isKilled ||= options.killOnceSaid?.test(stderr) ?? false;
  }
  const { code } = await process.status;
  clearTimeout(timer);
  return { code, stdout: await stdout, stderr };
}

/** Runs `s3lo args…`, which must succeed, and gives its stdout. */
export async function s3loOk(args: readonly string[], options: ProgramOptions = {}): Promise<string> {
  const run = await s3lo(args, options);
  if (run.code !== 0) throw new Error(`s3lo ${args.join(" ")} ended with ${run.code}: ${run.stderr}`);
  return run.stdout;
}

/** Runs `s3lo args… --output json`, which must succeed, and gives the document. */
// deno-lint-ignore no-explicit-any -- tests look into documents whose shape they assert
export async function s3loJson(args: readonly string[], options: ProgramOptions = {}): Promise<any> {
  return JSON.parse(await s3loOk([...args, "--output", "json"], options));
}
