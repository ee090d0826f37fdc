import type { Collection, Location } from "../oci/location.ts";
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

/** What this machine's configuration may need to be run for credentials. */
export interface CredentialPrograms {
  /** The programs that Docker's configuration names. */
  readonly helpers: () => Promise<readonly string[]>;
  /** The shell, where a profile has a `credential_process`. */
  readonly shell: () => Promise<readonly string[]>;
}

/** What a command keeps for these places. Pure but for asking what the machine's configuration names. */
export async function keptPermissions(
  { net: netFor, write: writeFor }: CommandAccess,
  places: readonly (Location | Collection)[],
  programs: CredentialPrograms,
): Promise<KeptPermissions> {
  const reached = netFor === "target" ? places.slice(-1) : places;
  const needs = reached.length === 0 ? [] : reached.map((await import("../oci/location.ts")).access);
  const isAnywhere = netFor === "always";
  const net = isAnywhere || (netFor !== "never" && needs.some((each) => each.net));
  const aws = net && (isAnywhere || needs.some((each) => each.aws));
  return {
    net,
    write: writeFor === "always" || needs.some((each) => each.writesToRead) ||
      (writeFor === "target" && needs.at(-1)?.writesToWrite === true),
    sys: aws || needs.some((each) => each.sys),
    run: [
      ...(net && (isAnywhere || needs.some((each) => each.credentialHelpers)) ? await programs.helpers() : []),
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
