/** Starts the wanted services and takes everything away again. */
import { SERVICE_VARIABLES, serviceAddress } from "../../tests/support/services.ts";
import { SERVICES } from "./all.ts";
import { ensurePrograms } from "./ensure_programs.ts";
import { programsFolder } from "./find_program.ts";
import { CLIENTS, type ProgramName } from "./programs.ts";
import { capture, say } from "./run.ts";
import type { Service } from "./service.ts";
import { Site } from "./site.ts";

/** The services of one run. */
export class Session implements AsyncDisposable {
  readonly #variables: Record<string, string> = {};
  readonly #failed: string[] = [];
  readonly #sites: Site[] = [];
  readonly #started: Promise<void>[] = [];
  #folder: string | undefined;

  /** The environment variables for the tests. */
  get variables(): Readonly<Record<string, string>> {
    return this.#variables;
  }

  /** The wanted services that are not there. */
  get failed(): readonly string[] {
    return this.#failed;
  }

  /** Starts all default services and the named ones, except those whose variable names one that runs elsewhere. */
  async start(onRequest: readonly string[]): Promise<void> {
    const wanted = SERVICES.filter((service) => !service.onRequest || onRequest.includes(service.name));
    const toStart = wanted.filter((service) => {
      const elsewhere = serviceAddress(service.name);
      if (elsewhere !== undefined) this.#variables[SERVICE_VARIABLES[service.name]] = elsewhere;
      return elsewhere === undefined;
    });
    const able = toStart.filter((service) => !service.privileged || this.#mayStart(service));
    const programs = await ensurePrograms([...new Set([...able.flatMap((service) => service.programs), ...CLIENTS])]);
    this.#variables[SERVICE_VARIABLES.programs] = programsFolder();
    // A short name: a socket's path may have about 100 characters, podman's folder 50.
    this.#folder = await Deno.makeTempDir({ prefix: "s3lo-" });
    for (const service of able) this.#started.push(this.#startOne(service, programs));
    await Promise.all(this.#started);
  }

  /** Stops everything, unmounts what engines left mounted, and removes all data. Safe to call twice. */
  async [Symbol.asyncDispose](): Promise<void> {
    const folder = this.#folder;
    this.#folder = undefined;
    if (folder === undefined) return;
    await Promise.allSettled(this.#started);
    await Promise.all(this.#sites.map((site) => site.stop()));
    await unmountBelow(folder);
    await Deno.remove(folder, { recursive: true }).catch((error) => say(`cannot remove ${folder}: ${error}`));
  }

  #mayStart(service: Service): boolean {
    const may = Deno.build.os === "linux" && Deno.uid() === 0;
    if (!may) this.#miss(service, "needs Linux and root");
    return may;
  }

  async #startOne(service: Service, programs: ReadonlyMap<ProgramName, string>): Promise<void> {
    const absent = service.programs.filter((name) => !programs.has(name));
    if (absent.length > 0) return this.#miss(service, `${absent.join(", ")} not found`);
    try {
      const folder = `${this.#folder}/${service.name}`;
      await Deno.mkdir(folder);
      const site = new Site(folder, programs);
      this.#sites.push(site);
      const started = performance.now();
      this.#variables[SERVICE_VARIABLES[service.name]] = await service.start(site);
      say(`${service.name} is ready (${((performance.now() - started) / 1000).toFixed(1)} s)`);
    } catch (error) {
      this.#miss(service, error instanceof Error ? error.message : String(error));
    }
  }

  #miss(service: Service, why: string): void {
    this.#failed.push(service.name);
    say(`${service.name} is missing: ${why}`);
  }
}

/** Containers and image stores leave mounts behind when they are killed; their files could not be removed under them. */
async function unmountBelow(folder: string): Promise<void> {
  if (Deno.build.os !== "linux") return;
  const { text } = await capture("findmnt", ["--raw", "--noheadings", "--output", "TARGET"]);
  const mounts = text.split("\n").filter((line) => line.startsWith(`${folder}/`));
  for (const mount of mounts.toReversed()) {
    const { success, text } = await capture("umount", ["--lazy", mount]);
    if (!success) say(`cannot unmount ${mount}: ${text.trim()}`);
  }
}
