import assert from "node:assert/strict";
import { complete } from "../../src/cli/completion/complete.ts";
import { completionScript } from "../../src/cli/completion/scripts.ts";
import type { StoreCollection } from "../../src/oci/location.ts";
import { listImages } from "../../src/transports/list_images.ts";
import { COMMANDS } from "../../src/cli/program.ts";
import { Session } from "../../src/transports/session.ts";
import { singleImage } from "../support/images.ts";
import { programPath } from "../support/services.ts";
import { tempFolder, writeStore } from "../cli/places.ts";
import { candidatesOf, SHELL_NAMES, shellSite, ZSH_FILES } from "./shells.ts";

/** The names of a store, with all the time they need. */
const lookUp = async (store: StoreCollection) => {
  await using session = new Session();
  return (await listImages(session, store)).flatMap(({ name, tags }) => tags.map((tag) => `${name}:${tag}`));
};

const words = async (...line: string[]) => (await complete(line, COMMANDS, lookUp)).map((each) => each.split("\t")[0]);

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
  assert.deepEqual(await words("list", ""), ["s3://", "local://"]);
});

Deno.test("complete() gives files where an operand or an option is one, behind the schemes of archives too", async () => {
  await using folder = await tempFolder();
  await Deno.writeTextFile(`${folder.path}/disk.tar`, "");
  await Deno.mkdir(`${folder.path}/layout`);
  const at = (prefix: string, name: string) => `${prefix}${folder.path}/${name}`;
  assert.deepEqual(await words("bundle", "list", "d"), [":files"]);
  assert.deepEqual(await words("bundle", "load", "dis"), [":files"]);
  assert.deepEqual(await words("bundle", "load", "disk.tar", "s3"), ["s3://", ":files"]);
  assert.deepEqual(await words("pull", "-f", ""), [":files"]);
  assert.deepEqual(await words("copy", "--ca-cert", "x"), [":files"]);
  assert.deepEqual(await words("pull", `--file=${folder.path}/`), [
    at("--file=", "disk.tar"),
    at("--file=", "layout/"),
  ]);
  assert.deepEqual(await words("copy", `oci-archive:${folder.path}/d`), [at("oci-archive:", "disk.tar")]);
  assert.deepEqual(await words("copy", `oci:${folder.path}/`), [at("oci:", "layout/")]);
  assert.deepEqual(await words("copy", "a", "x"), []);
  assert.deepEqual(await words("index", "remove", "s3://bucket/app:v1", "linux/s"), ["linux/s390x"]);
  assert.deepEqual(await words("help", "index", "cr"), ["create"]);
});

for (const shell of SHELL_NAMES) {
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
      const candidates = (line: string) =>
        candidatesOf(shell, { program: path!, script, line, env, folder: folder.path });
      assert.deepEqual(await candidates("s3lo insp"), ["inspect"]);
      assert.ok((await candidates("s3lo copy --include-re")).includes("--include-referrers"));
      assert.deepEqual(await candidates("s3lo copy --platform linux/arm6"), ["linux/arm64"]);
      await Deno.writeTextFile(`${folder.path}/disk.tar`, "");
      const files = [shell === "zsh" ? ZSH_FILES : "disk.tar"];
      assert.deepEqual(await candidates("s3lo bundle list dis"), files);
      assert.deepEqual(await candidates("s3lo pull -f dis"), files);
      // Bash completes only what is behind the last colon of a word.
      const expected = ["v1", "v2"].map((tag) => shell === "bash" ? tag : `local://${store}//app:${tag}`);
      assert.deepEqual([...await candidates(`s3lo inspect local://${store}//app:v`)].sort(), expected);
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
