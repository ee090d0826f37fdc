import type { CommandAccess } from "./command.ts";
import { permissionGrants } from "./permissions.ts";

/** What a run keeps; everything else that it was started with is revoked. */
export interface KeptPermissions {
  readonly write: boolean;
  readonly net: boolean;
  readonly sys: boolean;
  /** Programs that may be started. */
  readonly run: readonly string[];
}

/** A kind of place, as far as permissions go. */
type Place = "folder" | "archive" | "s3" | "registry" | "engine";

/** What this machine's configuration may need to be run for credentials. */
export interface CredentialPrograms {
  /** The programs that Docker's configuration names. */
  readonly helpers: () => Promise<readonly string[]>;
  /** The shell, where a profile has a `credential_process`. */
  readonly shell: () => Promise<readonly string[]>;
}

/** What a command keeps for these operands. Pure but for asking what the machine's configuration names. */
export async function keptPermissions(
  access: CommandAccess,
  operands: readonly string[],
  programs: CredentialPrograms,
): Promise<KeptPermissions> {
  const reached = access.net === "target" ? operands.slice(-1) : operands;
  const places = reached.map(placeOf);
  const net = access.net === "always" ||
    (access.net !== "never" && places.some((place) => place !== "folder" && place !== "archive"));
  const isAnywhere = access.net === "always";
  // The socket of an engine counts as a file that is written, and an archive that is compressed, or comes by a pipe, is
  // unpacked into a temporary file: reading these needs the permission too.
  const isUnpacked = places.includes("engine") || places.includes("archive");
  const ecr = reached.some((operand) => /\.dkr\.ecr\.|public\.ecr\.aws/.test(operand));
  const aws = net && (isAnywhere || ecr || places.includes("s3"));
  return {
    net,
    write: access.write === "always" || isUnpacked || (access.write === "target" && places.at(-1) === "folder"),
    sys: aws || places.includes("engine"),
    run: [
      ...(net && (isAnywhere || places.includes("registry")) ? await programs.helpers() : []),
      ...(aws ? await programs.shell() : []),
    ],
  };
}

/** Revokes what is not kept, for the rest of this process. */
export async function giveUp(kept: KeptPermissions): Promise<void> {
  for (const name of ["write", "net", "sys"] as const) if (!kept[name]) await Deno.permissions.revoke({ name });
  if (kept.run.length === 0) {
    await Deno.permissions.revoke({ name: "run" });
    return;
  }
  const granted = permissionGrants().find(({ name }) => name === "run")?.only ?? [];
  for (const command of revokedPrograms(granted, kept.run, Deno.build.os)) {
    await Deno.permissions.revoke({ name: "run", command });
  }
}

/**
 * Which of the granted programs are revoked so that those to keep stay. On Windows a program and the same with `.exe` behind
 * it are one: to revoke either takes both away. `os` as `Deno.build.os` names it.
 */
export function revokedPrograms(granted: readonly string[], kept: readonly string[], os: string): readonly string[] {
  const named = (program: string) => os === "windows" ? program.toLowerCase().replace(/\.exe$/, "") : program;
  // Elsewhere Deno takes a program without its ending for the one with it.
  return granted.filter((program) => !kept.some((each) => named(each) === named(program) || each === `${program}.exe`));
}

function placeOf(operand: string): Place {
  if (/^(?:local:\/\/|oci:)/.test(operand)) return "folder";
  if (operand.startsWith("s3://")) return "s3";
  if (operand.startsWith("docker-daemon:")) return "engine";
  return /^(?:oci|docker)-archive:/.test(operand) ? "archive" : "registry";
}
