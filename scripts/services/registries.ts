/** The registries: a current one, the same over TLS, an older one and one that asks for a password. */
import { capture } from "./run.ts";
import type { Service } from "./service.ts";
import { answers, type Site } from "./site.ts";

/** The current release of distribution, open, with deletes. */
export const registry: Service = {
  name: "registry",
  programs: ["registry"],
  async start(site) {
    return `http://${await serveRegistry(site, "registry", 200)}`;
  },
};

/** The current release over TLS. */
export const tlsRegistry: Service = {
  name: "tlsRegistry",
  programs: ["registry"],
  async start(site) {
    const { ca, cert, key } = await site.certificates();
    const tls = `  tls:\n    certificate: ${cert}\n    key: ${key}\n`;
    return `https://${await serveRegistry(site, "registry", 200, { http: tls, ca })}/#${ca}`;
  },
};

/** Distribution 2.8, as Debian packages it. */
export const oldRegistry: Service = {
  name: "oldRegistry",
  programs: ["docker-registry"],
  async start(site) {
    return `http://${await serveRegistry(site, "docker-registry", 200)}`;
  },
};

/** The current release behind basic authentication. */
export const privateRegistry: Service = {
  name: "privateRegistry",
  programs: ["registry", "htpasswd"],
  async start(site) {
    const user = "tester";
    const password = crypto.randomUUID();
    const users = await capture(site.program("htpasswd"), ["-nbB", user, password]);
    if (!users.success) throw new Error(`htpasswd failed: ${users.text}`);
    const path = await site.write("htpasswd", users.text.trim() + "\n");
    const auth = `auth:\n  htpasswd:\n    realm: tests\n    path: ${path}\n`;
    return `http://${user}:${password}@${await serveRegistry(site, "registry", 401, { auth })}`;
  },
};

async function serveRegistry(
  site: Site,
  program: "registry" | "docker-registry",
  readyStatus: number,
  more: { readonly auth?: string; readonly http?: string; readonly ca?: string } = {},
): Promise<string> {
  const address = `127.0.0.1:${site.port()}`;
  const config = await site.write(
    "config.yml",
    `version: 0.1
log:
  level: warn
  accesslog:
    disabled: true
storage:
  filesystem:
    rootdirectory: ${site.folder}/data
  delete:
    enabled: true
http:
  addr: ${address}
${more.http ?? ""}${more.auth ?? ""}`,
  );
  // Without this the registry looks for a trace collector and logs every failure.
  const server = site.serve(program, ["serve", config], { OTEL_TRACES_EXPORTER: "none" });
  await site.ready(server, () => answers(`${more.ca ? "https" : "http"}://${address}/v2/`, [readyStatus], more.ca));
  return address;
}
