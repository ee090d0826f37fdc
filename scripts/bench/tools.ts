/** The programs that are compared, and how each is told to do the same thing. */
import { permissionFlags } from "../../src/cli/permissions.ts";
import { makeBundle } from "../compile/bundle.ts";
import { readBuildInfo } from "../compile/build_info.ts";
import type { Lab } from "./lab.ts";
import type { Command } from "./measure.ts";

/** Names of the tools, s3lo first. */
export const TOOL_NAMES = ["s3lo", "s3lo-go", "crane", "regctl", "oras", "skopeo", "docker"] as const;

/** One of the tools. */
export type ToolName = (typeof TOOL_NAMES)[number];

/** The tools that were found. */
export class Tools {
  readonly #lab: Lab;
  readonly #programs: ReadonlyMap<ToolName, readonly string[]>;
  /** The same runtime with a program that does nothing. */
  readonly empty: readonly string[];

  private constructor(lab: Lab, programs: ReadonlyMap<ToolName, readonly string[]>, empty: readonly string[]) {
    this.#lab = lab;
    this.#programs = programs;
    this.empty = empty;
  }

  /**
   * Finds the tools. s3lo is the program that `S3LO_BENCH_PROGRAM` names (a compiled one), else the bundle that it is
   * compiled from, run by this Deno. The Go tool is the program that `S3LO_GO` names.
   */
  static async find(lab: Lab): Promise<Tools> {
    const programs = new Map<ToolName, readonly string[]>();
    const bundle = `${lab.folder}/bundle`;
    const runtime = [Deno.execPath(), "run", "--no-config", "--no-check", "--no-code-cache", ...permissionFlags()];
    const compiled = Deno.env.get("S3LO_BENCH_PROGRAM");
    if (!compiled) await makeBundle(bundle, await readBuildInfo());
    programs.set("s3lo", compiled ? [compiled] : [...runtime, `${bundle}/main.js`]);
    const goTool = Deno.env.get("S3LO_GO");
    if (goTool) programs.set("s3lo-go", [goTool]);
    for (const name of ["crane", "regctl", "oras", "skopeo", "docker"] as const) {
      const path = await lab.program(name);
      if (path) programs.set(name, [path]);
    }
    const empty = `${lab.folder}/empty.js`;
    await Deno.writeTextFile(empty, "Deno.exit(0);\n");
    return new Tools(lab, programs, [...runtime, empty]);
  }

  /** The names among these of tools that are there. */
  present(names: readonly ToolName[]): readonly ToolName[] {
    return names.filter((name) => this.#programs.has(name));
  }

  /** A command of a tool. */
  command(name: ToolName, ...args: readonly string[]): Command {
    return { args: [...this.#programs.get(name) ?? [name], ...args], env: this.#lab.env };
  }

  /** A command of s3lo (or the Go tool) with the S3 server's address, over the wire where there is one. */
  s3lo(name: "s3lo" | "s3lo-go", verb: string, ...args: readonly string[]): Command {
    const endpoint = ["--endpoint", `http://${this.#lab.via(this.#lab.s3Host)}`];
    return this.command(name, verb, ...endpoint, ...(name === "s3lo" ? ["--quiet", "--plain-http"] : []), ...args);
  }

  /** The docker client, talking to the lab's daemon. */
  docker(...args: readonly string[]): Command {
    return this.command("docker", "-H", `unix://${this.#lab.engineSocket}`, ...args);
  }

  /** A copy between two registries; references without scheme. */
  copyBetween(name: ToolName, source: string, target: string): Command {
    if (name === "crane") return this.command(name, "copy", "--insecure", source, target);
    if (name === "oras") {
      return this.command(name, "cp", "--no-tty", "--from-plain-http", "--to-plain-http", source, target);
    }
    if (name === "skopeo") {
      const open = [
        "--insecure-policy",
        "copy",
        "--all",
        "--quiet",
        "--src-tls-verify=false",
        "--dest-tls-verify=false",
      ];
      return this.command(name, ...open, `docker://${source}`, `docker://${target}`);
    }
    return this.command(name, ...plainHosts(source, target), "image", "copy", source, target);
  }

  /** Writing an image of a registry into an archive file. */
  archive(name: ToolName, source: string, file: string): Command {
    if (name === "crane") return this.command(name, "pull", "--insecure", "--format=tarball", source, file);
    if (name === "regctl") return this.command(name, ...plainHosts(source), "image", "export", source, file);
    if (name === "oras") {
      return this.command(name, "cp", "--no-tty", "--from-plain-http", "--to-oci-layout", source, `${file}-folder:v1`);
    }
    const open = ["--insecure-policy", "copy", "--all", "--quiet", "--src-tls-verify=false"];
    return this.command(name, ...open, `docker://${source}`, `oci-archive:${file}`);
  }

  /** Reading an image's manifest from a registry. */
  inspect(name: ToolName, source: string): Command {
    if (name === "crane") return this.command(name, "manifest", "--insecure", source);
    if (name === "regctl") return this.command(name, ...plainHosts(source), "manifest", "get", source);
    if (name === "oras") return this.command(name, "manifest", "fetch", "--plain-http", source);
    return this.command(name, "inspect", "--raw", "--tls-verify=false", `docker://${source}`);
  }

  /** Listing the tags of a repository. */
  list(name: ToolName, repository: string): Command {
    if (name === "crane") return this.command(name, "ls", "--insecure", repository);
    if (name === "regctl") return this.command(name, ...plainHosts(repository), "tag", "ls", repository);
    if (name === "oras") return this.command(name, "repo", "tags", "--plain-http", repository);
    return this.command(name, "list-tags", "--tls-verify=false", `docker://${repository}`);
  }

  /** Printing a version: what starting costs. */
  version(name: ToolName): Command {
    if (name === "s3lo-go" || name === "crane" || name === "regctl" || name === "oras") {
      return this.command(name, "version");
    }
    return this.command(name, "--version");
  }
}

/** regctl's way of naming hosts without TLS. */
function plainHosts(...references: readonly string[]): string[] {
  const hosts = [...new Set(references.map((reference) => reference.split("/")[0]))];
  return hosts.flatMap((host) => ["--host", `reg=${host},tls=disabled`]);
}
