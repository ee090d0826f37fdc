/** The three registries: a current one, an older one and one that asks for a password. */
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
    return `http://${user}:${password}@${await serveRegistry(site, "registry", 401, auth)}`;
  },
};

async function serveRegistry(
  site: Site,
  program: "registry" | "docker-registry",
  readyStatus: number,
  more = "",
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
${more}`,
  );
  // Without this the registry looks for a trace collector and logs every failure.
  const server = site.serve(program, ["serve", config], { OTEL_TRACES_EXPORTER: "none" });
  await site.ready(server, () => answers(`http://${address}/v2/`, [readyStatus]));
  return address;
}
