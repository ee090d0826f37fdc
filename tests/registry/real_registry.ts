/** Starts the real registry program with settings of a test's own. */
import { programPath } from "../support/services.ts";

/** A running registry. */
export interface RealRegistry extends AsyncDisposable {
  /** `127.0.0.1:port`. */
  readonly host: string;
}

/** The names under which the program of a release is installed: the current one, or Debian's older one. */
export const CURRENT_REGISTRY = "registry";
export const OLD_REGISTRY = "docker-registry";

/**
 * Test options for what needs programs: skipped where one is missing, except on a machine that must have them all
 * (`CI` is `true`).
 */
export function needs(...programs: readonly string[]): { readonly ignore: boolean } {
  const missing = programs.filter((name) => programPath(name) === undefined);
  return { ignore: missing.length > 0 && Deno.env.get("CI") !== "true" };
}

/** How a registry is started. */
export interface RegistryOptions {
  readonly program?: string;
  /** The `auth:` part of its settings, in YAML. */
  readonly auth?: string;
  /** The `tls:` part of its `http:` settings, in YAML. */
  readonly tls?: string;
}

/** Starts a registry whose files lie in a fresh folder. */
export async function startRegistry(options: RegistryOptions = {}): Promise<RealRegistry> {
  const program = programPath(options.program ?? CURRENT_REGISTRY);
  if (!program) throw new Error("the registry program is not installed");
  const folder = await Deno.makeTempDir({ prefix: "s3lo-registry-" });
  const port = freePort();
  const host = `127.0.0.1:${port}`;
  const settings = [
    "version: 0.1",
    "log: {level: error, accesslog: {disabled: true}}",
    `storage: {filesystem: {rootdirectory: ${folder}/data}, delete: {enabled: true}}`,
    `http: {addr: "${host}", secret: throw-away${options.tls ? `, tls: ${options.tls}` : ""}}`,
    ...options.auth ? [options.auth] : [],
  ].join("\n");
  await Deno.writeTextFile(`${folder}/config.yml`, settings);
  const process = new Deno.Command(program, {
    args: ["serve", `${folder}/config.yml`],
    stdin: "null",
    stdout: "null",
    stderr: "null",
    env: { OTEL_TRACES_EXPORTER: "none" },
  }).spawn();
  const stop = async () => {
    try {
      process.kill("SIGKILL");
    } catch { /* ended by itself */ }
    await process.status;
    await Deno.remove(folder, { recursive: true });
  };
  try {
    await listens(port);
  } catch (error) {
    await stop();
    throw error;
  }
  return { host, [Symbol.asyncDispose]: stop };
}

/** A loopback port that nothing listens on right now. */
export function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

async function listens(port: number): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  throw new Error(`nothing listens on port ${port}`);
}
