/** Shells that complete s3lo's lines, as people's do. */
import { ROOT } from "../../scripts/source_files.ts";
import { permissionFlags } from "../../src/cli/permissions.ts";
import { writeStore } from "../cli/places.ts";
import { singleImage } from "../support/images.ts";

/** A folder with `s3lo` for a shell to find, a store, and a home of its own; `limit` is what a look-up may take. */
export async function shellSite(
  path: string,
  limit: readonly string[] = ["--limit-ms", "60000"],
): Promise<{ readonly env: Record<string, string>; readonly store: string }> {
  await Deno.mkdir(`${path}/bin`);
  const run = ["run", "--no-check", "--cached-only", ...permissionFlags(), `${ROOT}/main.ts`];
  const line = [Deno.execPath(), ...run].map((arg) => `'${arg}'`).join(" ");
  // The time that a look-up has is given here: no test depends on how fast the machine is.
  await Deno.writeTextFile(
    `${path}/bin/s3lo`,
    `#!/bin/sh\nif [ "$1" = __complete ]; then shift; set -- __complete ${
      limit.join(" ")
    } "$@"; fi\nexec ${line} "$@"\n`,
    { mode: 0o755 },
  );
  const store = `${path}/store`;
  const image = singleImage({ os: "linux", architecture: "amd64" });
  for (const tag of ["v1", "v2"]) await writeStore(store, "app", tag, image);
  return {
    store,
    env: {
      HOME: path,
      PATH: `${path}/bin:${Deno.env.get("PATH")}`,
      DENO_DIR: Deno.env.get("DENO_DIR") ?? `${Deno.env.get("HOME")}/.cache/deno`,
      TERM: "dumb",
      NO_COLOR: "1",
    },
  };
}

/** What a shell's own completion machinery makes of a line, for each shell: prints one candidate a line. */
const ASK: Readonly<Record<string, (script: string, line: string) => string[]>> = {
  bash: (script, line) => [
    "--norc",
    "-c",
    `set -e; source ${script}; COMP_LINE=$1; COMP_POINT=\${#1}; set +e; _s3lo; printf '%s\\n' "\${COMPREPLY[@]}"`,
    "bash",
    line,
  ],
  // Zsh completes only at a prompt: one is made on a pseudo-terminal, and compadd is asked to print what it gets.
  zsh: (script, line) => [
    "-f",
    "-c",
    `zmodload zsh/zpty; autoload -Uz compinit
     zpty probe zsh -f -i
     ask() { zpty -w probe "$1"; }
     ask 'PS1=; unsetopt zle_bracketed_paste beep; stty -echo; autoload -Uz compinit; compinit -u -D; source ${script}'
     ask 'compadd() { local -a all; local skip; for each in "$@"; do [[ -n $skip ]] && all+=("$each"); [[ $each == -- ]] && skip=1; done; print -rl -- "<<" "\${all[@]}" ">>" }'
     ask '_files() { print -rl -- "<<" ZSH-FILES ">>" }'
     ask 'done-probe() { zle -M ""; print -r -- END-OF-""PROBE; exit }; zle -C probe complete-word _main_complete; bindkey "^I" probe'
     ask 'zle -N done-probe; bindkey "^G" done-probe; print -r -- REA""DY'
     local out line; while zpty -r probe line; do [[ $line == *READY* ]] && break; done
     zpty -w -n probe "$1"$'\\t'$'\\a'
     while zpty -r probe line; do out+="$line"; [[ $line == *END-OF-PROBE* ]] && break; done
     print -r -- "$out"`,
    "zsh",
    line,
  ],
  fish: (script, line) => ["--no-config", "-c", `source ${script}; complete -C "$argv[1]"`, line],
};

/** The candidates that a shell shows for a line. */
export async function candidatesOf(
  shell: string,
  { program, script, line, env, folder }: {
    readonly program: string;
    readonly script: string;
    readonly line: string;
    readonly env: Readonly<Record<string, string>>;
    readonly folder: string;
  },
): Promise<readonly string[]> {
  const output = await new Deno.Command(program, {
    args: ASK[shell]!(script, line),
    clearEnv: true,
    env: { ...env },
    cwd: folder,
    signal: AbortSignal.timeout(60_000),
  }).output();
  const text = new TextDecoder().decode(output.stdout);
  const inside = shell === "zsh" ? [...text.matchAll(/<<\s([\s\S]*?)>>/g)].map(([, each]) => each).join("\n") : text;
  return inside.split(/\r?\n/).map((each) => each.split("\t")[0]!.trim()).filter((each) => each !== "");
}

/** What zsh is asked for instead of files: its own completion of them cannot be listened to in the way of the others. */
export const ZSH_FILES = "ZSH-FILES";

/** The shells that are tested. */
export const SHELL_NAMES: readonly string[] = Object.keys(ASK);
