/** The container engines: Docker with its classic store, Docker with containerd's image store, podman. */
import { programsFolder } from "./find_program.ts";
import type { Service } from "./service.ts";
import { engineAnswers, type Site } from "./site.ts";

const ENGINE_READY_MS = 60_000;

/** Docker 20.10 with the classic overlay2 store; containers run with `--network none`. */
export const docker20: Service = {
  name: "docker20",
  programs: ["dockerd20"],
  onRequest: true,
  privileged: true,
  start(site) {
    return serveDocker(site, "dockerd20", ["--storage-driver=overlay2"], "/usr/sbin:/usr/bin:/sbin:/bin");
  },
};

/** Docker 29 on a containerd of its own, whose image store keeps every platform. */
export const docker29: Service = {
  name: "docker29",
  programs: ["dockerd", "containerd", "ctr", "containerd-shim-runc-v2", "runc"],
  onRequest: true,
  privileged: true,
  async start(site) {
    const path = `${programsFolder()}:${Deno.env.get("PATH") ?? "/usr/bin:/bin"}`;
    const socket = `${site.folder}/containerd.sock`;
    // Plugins that listen on fixed paths or ports are off: several of these may run on one machine.
    const config = await site.write(
      "containerd.toml",
      `version = 3
root = "${site.folder}/containerd"
state = "${site.folder}/containerd-state"
disabled_plugins = ["io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime", "io.containerd.grpc.v1.cri",
  "io.containerd.nri.v1.nri"]
[grpc]
  address = "${socket}"
[plugins."io.containerd.internal.v1.opt"]
  path = "${site.folder}/opt"
`,
    );
    const containerd = site.serve("containerd", ["--config", config], { PATH: path });
    await site.ready(containerd, async () => (await Deno.stat(socket)).isSocket === true, ENGINE_READY_MS);
    return await serveDocker(site, "dockerd", ["--containerd", socket, "--ip6tables=false"], path);
  },
};

/** Docker's API as podman serves it. */
export const podman: Service = {
  name: "podman",
  programs: ["podman"],
  onRequest: true,
  privileged: true,
  async start(site) {
    const socket = `${site.folder}/podman.sock`;
    const roots = [
      "--root",
      `${site.folder}/root`,
      "--runroot",
      `${site.folder}/run`,
      "--tmpdir",
      `${site.folder}/tmp`,
    ];
    const args = [...roots, "--storage-driver=vfs", "system", "service", "--time=0", `unix://${socket}`];
    const server = site.serve("podman", args);
    await site.ready(server, () => engineAnswers(socket), ENGINE_READY_MS);
    return socket;
  },
};

async function serveDocker(
  site: Site,
  program: "dockerd" | "dockerd20",
  more: readonly string[],
  path: string,
): Promise<string> {
  const socket = `${site.folder}/docker.sock`;
  // The configuration of a Docker that the machine may have must not reach this one.
  const config = await site.write("daemon.json", "{}\n");
  const places = ["--data-root", `${site.folder}/data`, "--exec-root", `${site.folder}/exec`];
  const args = ["--config-file", config, "-H", `unix://${socket}`, ...places, "-p", `${site.folder}/docker.pid`];
  const server = site.serve(program, [...args, "--iptables=false", "--bridge=none", ...more], { PATH: path });
  await site.ready(server, () => engineAnswers(socket), ENGINE_READY_MS);
  return socket;
}
