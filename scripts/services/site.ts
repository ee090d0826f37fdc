/** What a service gets to start in: a folder, ports, its programs, and somebody who stops what it started. */
import { type CertificateFiles, certificatesIn } from "./certificates.ts";
import type { ProgramName } from "./programs.ts";
import { ServerProcess } from "./server_process.ts";

/** The site of one service. */
export class Site {
  /** A folder of its own, removed in the end. */
  readonly folder: string;
  readonly #programs: ReadonlyMap<ProgramName, string>;
  readonly #servers: ServerProcess[] = [];

  constructor(folder: string, programs: ReadonlyMap<ProgramName, string>) {
    this.folder = folder;
    this.#programs = programs;
  }

  /** The path of a program that the service lists as needed. */
  program(name: ProgramName): string {
    const path = this.#programs.get(name);
    if (path === undefined) throw new Error(`Program "${name}" is not there`);
    return path;
  }

  /** A free loopback port. */
  port(): number {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr as Deno.NetAddr;
    listener.close();
    return port;
  }

  /** Writes a small file, for example a configuration, and gives its path. */
  async write(name: string, text: string): Promise<string> {
    await Deno.writeTextFile(`${this.folder}/${name}`, text);
    return `${this.folder}/${name}`;
  }

  /** Certificates for this machine, the same for all services. */
  certificates(): Promise<CertificateFiles> {
    return certificatesIn(`${this.folder.slice(0, this.folder.lastIndexOf("/"))}/tls`);
  }

  /** Starts a server whose output goes to `<name>.log` in the folder. */
  serve(name: ProgramName, args: readonly string[], env: Readonly<Record<string, string>> = {}): ServerProcess {
    const server = new ServerProcess({
      program: this.program(name),
      args,
      env,
      logPath: `${this.folder}/${name}.log`,
    });
    this.#servers.push(server);
    return server;
  }

  /** Waits until a check succeeds; fails with the server's last lines when it ends or the time is up. */
  async ready(server: ServerProcess, check: () => Promise<boolean>, limitMs = 30_000): Promise<void> {
    const deadline = performance.now() + limitMs;
    let lastAnswer = "no good answer";
    const succeeds = () => check().catch((error) => void (lastAnswer = String(error)));
    while (!await succeeds()) {
      if (server.ended) throw new Error(`The server ended at once:\n${await server.log()}`);
      if (performance.now() > deadline) {
        throw new Error(`The server is not ready after ${limitMs / 1000} s (${lastAnswer}):\n${await server.log()}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  /** Stops the servers, the last started first. */
  async stop(): Promise<void> {
    for (const server of this.#servers.toReversed()) await server.stop();
  }
}

/** Whether a URL answers with one of the statuses. `ca`: the file of its authority. */
export async function answers(url: string, statuses: readonly number[], ca?: string): Promise<boolean> {
  using client = Deno.createHttpClient(ca === undefined ? {} : { caCerts: [await Deno.readTextFile(ca)] });
  const response = await fetch(url, { client, signal: AbortSignal.timeout(2000) });
  await response.body?.cancel();
  return statuses.includes(response.status);
}

/** Whether an engine answers `GET /version` on a unix socket. */
export async function engineAnswers(socketPath: string): Promise<boolean> {
  using client = Deno.createHttpClient({ proxy: { transport: "unix", path: socketPath } });
  const response = await fetch("http://localhost/version", { client, signal: AbortSignal.timeout(5000) });
  const version: unknown = await response.json();
  return response.ok && typeof version === "object" && version !== null && "ApiVersion" in version;
}
