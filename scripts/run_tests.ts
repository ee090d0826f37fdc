/**
 * Runs the tests with just the permissions they need: loopback, one temporary folder, the programs they call.
 *
 *   deno task test [deno test's arguments]         real services around it
 *   deno task test:unit [deno test's arguments]    none; tests that need one are skipped
 *
 * Without arguments the tests in `OVER_TLS` run a second time, with the services over TLS; `--tls` before arguments runs
 * just that.
 *
 * The tests' HOME and TMPDIR lie in the temporary folder, so that no file of the user is read or changed.
 */
import { permissionGrants } from "../src/cli/permissions.ts";
import { fixturesFolder, SERVICE_VARIABLES, servicesAuthority, TLS_VARIABLE } from "../tests/support/services.ts";
import { HELPER_FOLDER_VARIABLE, HELPER_NAMES, makeHelpers } from "../tests/support/credential_helpers.ts";
import { SOCKET_COUNT, SOCKET_FOLDER_VARIABLE } from "../tests/support/sockets.ts";
import { onPath, programsFolder } from "./services/find_program.ts";
import { type ProgramName, PROGRAMS } from "./services/programs.ts";
import { forward, isFile } from "./services/run.ts";
import { denoJson, ROOT } from "./source_files.ts";

/** Programs of the system that tests may call besides those of `PROGRAMS`. */
const TOOLS = ["mount", "umount", "sh", "bash", "openssl", "tar", "docker", "git"];

/** Tests of the program that run over TLS too: every command that moves bytes, to and from registries and buckets. */
const OVER_TLS = ["copy", "pull_push", "inspect_list", "index", "bundle_places"].map((name) =>
  `tests/cli/${name}_test.ts`
);

/** The engines, whose addresses are paths of sockets. */
const ENGINES = ["docker20", "docker29", "podman"] as const;

/** The arguments that grant the permissions. `work` is the temporary folder, `denoFolder` Deno's cache. */
async function permissionArguments(work: string, denoFolder: string): Promise<string[]> {
  const programs = [Deno.execPath()];
  const compiled = Deno.env.get("S3LO_TEST_PROGRAM");
  if (compiled) programs.push(compiled);
  programs.push(...HELPER_NAMES.map((name) => `${work}/helpers/docker-credential-${name}`));
  for (const name of [...Object.keys(PROGRAMS) as ProgramName[], ...TOOLS]) {
    const built = `${programsFolder()}/${name}`;
    const path = await isFile(built) ? built : await onPath(name);
    if (path !== undefined) programs.push(path);
  }
  const folders = (Deno.env.get("PATH") ?? "").split(":").filter((folder) => folder.startsWith("/"));
  const read = [ROOT, work, denoFolder, programsFolder(), fixturesFolder(), "/usr/sbin", "/etc/ssl", ...folders];
  const authority = servicesAuthority();
  if (authority !== undefined) read.push(authority);
  const sockets = Array.from({ length: SOCKET_COUNT }, (_, index) => `${work}/sockets/${index}.sock`);
  const engines = ENGINES.map((name) => Deno.env.get(SERVICE_VARIABLES[name])).filter((path) => path !== undefined);
  const net = ["127.0.0.1", "localhost", "[::1]", "0.0.0.0", ...[...sockets, ...engines].map((path) => `unix:${path}`)];
  return [
    "--no-prompt",
    "--allow-env",
    `--allow-read=${[...new Set([...read, ...engines])].join(",")}`,
    `--allow-write=${[work, ...engines].join(",")}`,
    `--allow-net=${net.join(",")}`,
    `--allow-run=${programs.join(",")}`,
    // No more than the program has: what it cannot do, its parts must not need.
    `--allow-sys=${permissionGrants().find(({ name }) => name === "sys")?.only?.join(",")}`,
  ];
}

async function main(args: readonly string[]): Promise<number> {
  const [mode] = args;
  const unit = mode === "--unit";
  const own = unit || mode === "--tls" ? args.slice(1) : args;
  const denoFolder = (await denoJson(ROOT, ["info", "--json"]) as { denoDir: string }).denoDir;
  const work = await Deno.realPath(await Deno.makeTempDir({ prefix: "s3lo-test-" }));
  const env = {
    HOME: `${work}/home`,
    TMPDIR: `${work}/tmp`,
    DENO_DIR: denoFolder,
    [SOCKET_FOLDER_VARIABLE]: `${work}/sockets`,
    [HELPER_FOLDER_VARIABLE]: `${work}/helpers`,
    ...(unit ? { CI: "false" } : {}), // elsewhere a missing service fails there
  };
  try {
    for (const folder of ["home", "tmp", "sockets"]) await Deno.mkdir(`${work}/${folder}`);
    await makeHelpers(work);
    const permissions = await permissionArguments(work, denoFolder);
    const test = async (wanted: readonly string[], isTls: boolean) => {
      const authority = isTls ? servicesAuthority() : undefined;
      const child = new Deno.Command(Deno.execPath(), {
        args: ["test", ...permissions, ...(authority === undefined ? [] : ["--cert", authority]), ...wanted],
        cwd: ROOT,
        env: { ...env, ...(isTls ? { [TLS_VARIABLE]: "true" } : {}) },
      }).spawn();
      for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, () => forward(signal, child));
      return (await child.status).code;
    };
    if (mode === "--tls") return await test(own.length > 0 ? own : OVER_TLS, true);
    const code = await test(own, false);
    return own.length > 0 || unit ? code : await test(OVER_TLS, true) || code;
  } finally {
    await Deno.remove(work, { recursive: true });
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));
