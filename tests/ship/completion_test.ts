import assert from "node:assert/strict";
import { ROOT } from "../../scripts/source_files.ts";
import { permissionFlags } from "../../src/cli/permissions.ts";
import { complete } from "../../src/cli/completion/complete.ts";
import { completionScript } from "../../src/cli/completion/scripts.ts";
import { COMMANDS } from "../../src/cli/program.ts";
import { singleImage } from "../support/images.ts";
import { programPath } from "../support/services.ts";
import { tempFolder, writeStore } from "../cli/places.ts";

const words = async (...line: string[]) => (await complete(line, COMMANDS)).map((each) => each.split("\t")[0]);

Deno.test("complete() gives every command, and none that is hidden", async () => {
  const given = await words("");
  for (const { name, hidden } of COMMANDS) assert.equal(given.includes(name.split(" ")[0]), !hidden, name);
  assert.deepEqual(await words("insp"), ["inspect"]);
  assert.deepEqual(await words("--debug", "--region", "x", "insp"), ["inspect"]);
});

Deno.test("complete() gives every option of every command, the choices of its values, and platforms", async () => {
  for (const { name, options } of COMMANDS) {
    const given = await words(...name.split(" "), "--");
    for (const option of options) assert.ok(given.includes(`--${option.name}`), `${name} --${option.name}`);
  }
  assert.deepEqual(await words("inspect", "-o", ""), ["text", "json", "yaml"]);
  assert.deepEqual(await words("inspect", "--output=j"), ["--output=json"]);
  assert.deepEqual(await words("inspect", "-qo", "j"), ["json"]);
  assert.deepEqual(await words("-qo", "json", "insp"), ["inspect"]);
  assert.deepEqual(await words("copy", "--platform", "linux/arm6"), ["linux/arm64"]);
  assert.deepEqual(await words("copy", "--platform", "linux/arm64,linux/am"), ["linux/arm64,linux/amd64"]);
  assert.ok(!(await words("copy", "--platform", "linux/arm64,")).includes("linux/arm64,linux/arm64"));
  assert.deepEqual(await words("completion", "z"), ["zsh"]);
});

Deno.test("complete() gives the images of a folder, then their tags, and nothing that a shell would act on", async () => {
  await using folder = await tempFolder();
  const image = singleImage({ os: "linux", architecture: "amd64" });
  const store = `${folder.path}/store`;
  for (const [name, tag] of [["app", "v1"], ["app", "v2"], ["team/web", "v1"]] as const) {
    await writeStore(store, name, tag, image);
  }
  await Deno.mkdir(`${folder.path}/a b`);
  await Deno.mkdir(`${folder.path}/$(reboot)`);
  assert.deepEqual(await words("copy", `local://${folder.path}/`), [`local://${store}//`]);
  assert.deepEqual(await words("copy", `local://${store}//`), [
    `local://${store}//app:`,
    `local://${store}//team/web:`,
  ]);
  assert.deepEqual(await words("copy", `local://${store}//app:`), [
    `local://${store}//app:v1`,
    `local://${store}//app:v2`,
  ]);
  assert.deepEqual(await words("copy", "a", "b", `local://${store}//`), []);
  assert.deepEqual(await words("inspect", "s"), ["s3://"]);
});

/** A folder with `s3lo` for a shell to find, a store, and a home of its own. */
async function shellSite(path: string): Promise<{ readonly env: Record<string, string>; readonly store: string }> {
  await Deno.mkdir(`${path}/bin`);
  const run = ["run", "--no-check", "--cached-only", ...permissionFlags(), `${ROOT}/main.ts`];
  const line = [Deno.execPath(), ...run].map((arg) => `'${arg}'`).join(" ");
  await Deno.writeTextFile(`${path}/bin/s3lo`, `#!/bin/sh\nexec ${line} "$@"\n`, { mode: 0o755 });
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

for (const [shell, ask] of Object.entries(ASK)) {
  const path = programPath(shell);
  Deno.test({
    name: `the completion for ${shell} works in ${shell} itself${
      path === undefined ? " (skipped: not installed)" : ""
    }`,
    ignore: path === undefined && Deno.env.get("CI") !== "true",
    fn: async () => {
      await using folder = await tempFolder();
      const { env, store } = await shellSite(folder.path);
      const script = `${folder.path}/completion`;
      await Deno.writeTextFile(script, completionScript(shell)!);
      const candidates = async (line: string): Promise<string[]> => {
        const output = await new Deno.Command(path!, {
          args: ask(script, line),
          clearEnv: true,
          env,
          cwd: folder.path,
          signal: AbortSignal.timeout(20_000),
        }).output();
        const text = new TextDecoder().decode(output.stdout);
        const inside = shell === "zsh"
          ? [...text.matchAll(/<<\s([\s\S]*?)>>/g)].map(([, each]) => each).join("\n")
          : text;
        return inside.split(/\r?\n/).map((each) => each.split("\t")[0]!.trim()).filter((each) => each !== "");
      };
      assert.deepEqual(await candidates("s3lo insp"), ["inspect"]);
      assert.ok((await candidates("s3lo copy --include-re")).includes("--include-referrers"));
      assert.deepEqual(await candidates("s3lo copy --platform linux/arm6"), ["linux/arm64"]);
      // Bash completes only what is behind the last colon of a word.
      const expected = ["v1", "v2"].map((tag) => shell === "bash" ? tag : `local://${store}//app:${tag}`);
      assert.deepEqual((await candidates(`s3lo inspect local://${store}//app:v`)).sort(), expected);
    },
  });
}

Deno.test("the completion for PowerShell asks s3lo and escapes nothing wrongly", () => {
  const script = completionScript("powershell")!;
  assert.match(script, /Register-ArgumentCompleter -Native -CommandName s3lo/);
  assert.match(script, /-split "\\t", 2/);
  assert.match(script, /__complete '--' @words/);
  assert.equal(completionScript("tcsh"), undefined);
});

Deno.test("s3lo __complete answers within 300 ms although the bucket does not, and next time from its memory", async () => {
  await using folder = await tempFolder();
  let requests = 0;
  const hanging = Promise.withResolvers<void>();
  let hang = true;
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, async () => {
    requests++;
    if (hang) await hanging.promise;
    return new Response(
      "<ListBucketResult><Contents><Key>manifests/app/v1/manifest.json</Key><Size>2</Size><ETag>x</ETag>" +
        "<LastModified>2024-01-01T00:00:00.000Z</LastModified></Contents><IsTruncated>false</IsTruncated></ListBucketResult>",
    );
  });
  const { env } = await shellSite(folder.path);
  const ask = async () => {
    const started = performance.now();
    const { stdout } = await new Deno.Command("sh", {
      args: [
        "-c",
        'exec s3lo __complete -- inspect "$@"',
        "sh",
        "--endpoint",
        `http://127.0.0.1:${server.addr.port}`,
        "s3://bucket/",
      ],
      clearEnv: true,
      env: { ...env, AWS_ACCESS_KEY_ID: "k", AWS_SECRET_ACCESS_KEY: "s", AWS_REGION: "us-east-1" },
    }).output();
    return { text: new TextDecoder().decode(stdout), tookMs: performance.now() - started };
  };
  try {
    const late = await ask();
    assert.equal(late.text, "");
    assert.ok(late.tookMs < 5000, `${late.tookMs} ms`); // the look-up gets 300; the rest is a busy machine's start of Deno
    hang = false;
    hanging.resolve();
    // Several times, because a busy machine may be too slow at first.
    for (let tries = 0; (await ask()).text !== "s3://bucket/app:\n"; tries++) assert.ok(tries < 10);
    const before = requests;
    assert.equal((await ask()).text, "s3://bucket/app:\n");
    assert.equal(requests, before);
  } finally {
    await server.shutdown();
  }
});
