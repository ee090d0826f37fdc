/**
 * The real services that tests use. `scripts/services.ts` starts them and hands over their addresses in the variables
 * below; each can name a service that runs elsewhere. A test whose service is missing says so and is skipped, or fails
 * when `CI` is `true`.
 */
import { fileURLToPath } from "node:url";

/** The services, and the variable that names where each is. */
export const SERVICE_VARIABLES = {
  /** A registry of the current distribution release, open, with deletes: `http://host:port`. */
  registry: "S3LO_TEST_REGISTRY",
  /** An older registry (distribution 2.8): `http://host:port`. */
  oldRegistry: "S3LO_TEST_REGISTRY_OLD",
  /** A registry behind basic authentication: `http://user:password@host:port`. */
  privateRegistry: "S3LO_TEST_REGISTRY_PRIVATE",
  /** MinIO: `http://access:secret@host:port`. */
  minio: "S3LO_TEST_S3_MINIO",
  /** Versity's gateway over a folder: `http://access:secret@host:port`. */
  versity: "S3LO_TEST_S3_VERSITY",
  /** A registry like the first, over TLS: `https://host:port/#path of its authority's certificate`. */
  tlsRegistry: "S3LO_TEST_REGISTRY_TLS",
  /** MinIO over TLS: `https://access:secret@host:port/#path of its authority's certificate`. */
  tlsMinio: "S3LO_TEST_S3_MINIO_TLS",
  /** Docker 20.10 with its classic image store: the path of its unix socket. */
  docker20: "S3LO_TEST_DOCKER20",
  /** Docker 29 with containerd's image store: the path of its unix socket. */
  docker29: "S3LO_TEST_DOCKER29",
  /** Podman's Docker API: the path of its unix socket. */
  podman: "S3LO_TEST_PODMAN",
  /** The folder that holds the server and client programs (registry, minio, crane, dockerd, …). */
  programs: "S3LO_TEST_PROGRAMS",
} as const;

/** One of the services. */
export type ServiceName = keyof typeof SERVICE_VARIABLES;

/** When `true`, tests of the program get the services over TLS where there are such. */
export const TLS_VARIABLE = "S3LO_TEST_TLS";

/** What takes a service's place over TLS. */
const OVER_TLS: Partial<Record<ServiceName, ServiceName>> = { registry: "tlsRegistry", minio: "tlsMinio" };

/** Where a service is; undefined when it is not there. */
export function serviceAddress(name: ServiceName): string | undefined {
  const isTls = Deno.env.get(TLS_VARIABLE) === "true";
  return Deno.env.get(SERVICE_VARIABLES[isTls ? OVER_TLS[name] ?? name : name]) || undefined;
}

/** The file of the authority behind the services' certificates; undefined where there are none over TLS. */
export function servicesAuthority(): string | undefined {
  const address = serviceAddress("tlsRegistry") ?? serviceAddress("tlsMinio");
  return address === undefined ? undefined : decodeURIComponent(new URL(address).hash.slice(1)) || undefined;
}

/** A test that needs real services; their addresses are handed to it. */
export function serviceTest(
  name: string,
  needs: readonly ServiceName[],
  body: (addresses: Record<ServiceName, string>, t: Deno.TestContext) => Promise<void>,
): void {
  // The second server of S3 speaks no TLS here: what needs it would only run again as it did.
  if (Deno.env.get(TLS_VARIABLE) === "true" && needs.includes("versity")) return;
  const missing = needs.filter((service) => serviceAddress(service) === undefined);
  const mustRun = Deno.env.get("CI") === "true";
  Deno.test({
    name: missing.length > 0 && !mustRun ? `${name} (skipped: no ${missing.join(", ")})` : name,
    ignore: missing.length > 0 && !mustRun,
    fn: async (t) => {
      if (missing.length > 0) {
        throw new Error(`Missing services: ${missing.map((service) => SERVICE_VARIABLES[service]).join(", ")}`);
      }
      const addresses = Object.fromEntries(
        Object.keys(SERVICE_VARIABLES).map((key) => [key, serviceAddress(key as ServiceName) ?? ""]),
      );
      await body(addresses as Record<ServiceName, string>, t);
    },
  });
}

/** The path of a program that the services' folder or PATH holds, for example `skopeo`; undefined when there is none. */
export function programPath(name: string): string | undefined {
  const folders = [serviceAddress("programs"), ...(Deno.env.get("PATH") ?? "").split(":"), "/usr/sbin"];
  for (const folder of folders) {
    if (!folder) continue;
    try {
      if (Deno.statSync(`${folder}/${name}`).isFile) return `${folder}/${name}`;
    } catch { /* not in this folder */ }
  }
  return undefined;
}

/**
 * The path of a program that part of a test needs; undefined when it is missing and that part is left out. Throws where it
 * must be there (`CI` is `true`).
 */
export function optionalProgram(name: string): string | undefined {
  const path = programPath(name);
  if (path === undefined && Deno.env.get("CI") === "true") throw new Error(`Missing program: ${name}`);
  return path;
}

/** A test that needs programs; their paths are handed to it. */
export function programTest(name: string, programs: readonly string[], body: (paths: string[]) => Promise<void>): void {
  const missing = programs.filter((program) => programPath(program) === undefined);
  const mustRun = Deno.env.get("CI") === "true";
  Deno.test({
    name: missing.length > 0 && !mustRun ? `${name} (skipped: no ${missing.join(", ")})` : name,
    ignore: missing.length > 0 && !mustRun,
    fn: () => {
      if (missing.length > 0) throw new Error(`Missing programs: ${missing.join(", ")}`);
      return body(programs.map((program) => programPath(program)!));
    },
  });
}

/** The variable that names the folder of shared test data, where it does not lie beside the checkout. */
const FIXTURES_VARIABLE = "S3LO_TEST_FIXTURES";

/** The folder of all shared test data. */
export function fixturesFolder(): string {
  return Deno.env.get(FIXTURES_VARIABLE) || fileURLToPath(new URL("../../../shared/fixtures", import.meta.url));
}

/** A folder of shared test data; undefined when it is absent. Tests use {@linkcode fixtureTest}, which says so. */
export function fixturePath(name: string): string | undefined {
  const path = `${fixturesFolder()}/${name}`;
  try {
    return Deno.statSync(path).isDirectory ? path : undefined;
  } catch {
    return undefined;
  }
}

/** A test on shared real data, and on real services where `needs` names any; says so and is skipped where the data is absent. */
export function fixtureTest(
  name: string,
  fixture: string,
  needs: readonly ServiceName[],
  body: (path: string, addresses: Record<ServiceName, string>) => Promise<void>,
): void {
  const path = fixturePath(fixture);
  if (path === undefined) {
    Deno.test({ name: `${name} (skipped: no shared data "${fixture}")`, ignore: true, fn: () => {} });
  } else serviceTest(name, needs, (addresses) => body(path, addresses));
}
