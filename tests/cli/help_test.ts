/** What help says and where, and that names of other tools lead somewhere. */
import assert from "node:assert/strict";
import { topic } from "../../src/cli/help_topics.ts";
import { LATER_NAMES } from "../../src/cli/later_commands.ts";
import { GLOBAL_OPTIONS } from "../../src/cli/options.ts";
import { COMMANDS } from "../../src/cli/program.ts";
import { settingSpecs, variableOf } from "../../src/cli/settings/settings.ts";
import { s3lo } from "./program.ts";

Deno.test("s3lo help COMMAND says what --help says, for every command, group and the program", async () => {
  const names = COMMANDS.filter(({ hidden }) => !hidden).map(({ name }) => name);
  const groups = new Set(names.filter((name) => name.includes(" ")).map((name) => name.split(" ")[0]!));
  for (const name of [...names, ...groups, ""]) {
    assert.match(await topic(name.split(" "), COMMANDS), /Usage: s3lo/, name);
  }
  for (const words of [["copy"], ["index", "create"], ["index"], ["bundle"], []]) {
    const [asked, flag] = await Promise.all([s3lo(["help", ...words]), s3lo([...words, "--help"])]);
    assert.equal(asked.code, 0);
    assert.equal(asked.stderr, "");
    assert.deepEqual(asked, flag, words.join(" "));
  }
});

Deno.test("the help of a group lists its commands", async () => {
  const { stdout } = await s3lo(["index", "--help"]);
  for (const name of ["index create", "index add", "index remove"]) assert.ok(stdout.includes(name), stdout);
  assert.ok(!stdout.includes("bundle save"));
});

Deno.test("the help of a command has its own options, and one line that leads to the common ones", async () => {
  for (const command of COMMANDS.filter(({ hidden }) => !hidden)) {
    const help = await topic(command.name.split(" "), COMMANDS);
    const lines = help.split("\n");
    assert.equal(
      lines.filter((line) => line.includes("s3lo help options")).length,
      1 + Number(command.name === "help"),
    );
    assert.ok(!help.includes("--docker-host URL"), command.name);
    if (command.options.length === 0) continue;
    assert.ok(lines.indexOf("Options:") < lines.findIndex((line) => line.startsWith("Common options:")), command.name);
  }
});

Deno.test("s3lo help options names every common option, its variable, and the file of settings", async () => {
  const { code, stdout } = await s3lo(["help", "options"], { env: { XDG_CONFIG_HOME: "/xdg" } });
  assert.equal(code, 0);
  for (const { name } of GLOBAL_OPTIONS) assert.ok(stdout.includes(`--${name}`), name);
  for (const { name } of settingSpecs()) assert.ok(stdout.includes(variableOf(name)), name);
  if (Deno.build.os !== "windows") assert.match(stdout, /^ {2}\/xdg\/s3lo\/config\.yaml$/m);
  for (const line of stdout.split("\n")) assert.ok(line.length <= 100, line);
});

const REFUSED: readonly (readonly [args: string[], message: RegExp, hint: RegExp])[] = [
  ...LATER_NAMES.map((name) =>
    [[name, "s3://bucket/app:v1"], new RegExp(`"s3lo ${name}" comes with a later version`), /^ {2}[A-Z]/] as const
  ).map(([args, message, hint]): readonly [string[], RegExp, RegExp] => [[...args], message, hint]),
  [["help", "delete"], /"s3lo delete" comes with a later version/, /Go tool/],
  [["bucket", "stats", "s3://bucket"], /"s3lo stats" comes with a later version/, /inspect/],
  [["security", "verify", "x"], /"s3lo verify" comes/, /cosign/],
  [["config", "get", "s3://bucket"], /"s3lo config" comes/, /s3lo help options/],
  [["doctor"], /^Error: Nothing to check was named/m, /doctor --self/],
  [["doctor", "s3://bucket"], /comes with a later version/, /doctor --self/],
  [["ls", "s3://bucket"], /Unknown command "ls"/, /s3lo list/],
  [["login", "ghcr.io"], /Unknown command "login"/, /docker login/],
  [["help", "cpoy"], /No help for "cpoy"/, /Did you mean copy\?/],
  [["index"], /needs a second word/, /index create/],
  [["copy", "-v", "a", "b"], /Unknown option "-v"/, /--debug .* --version/],
  [["copy", "--all", "a", "b"], /Unknown option "--all"/, /--all-tags/],
  [["pull", "--retries", "3", "a"], /Unknown option "--retries"/, /tried five times/],
  [["copy", "--json", "a", "b"], /Unknown option "--json"/, /--output json/],
];
for (const [args, message, hint] of REFUSED) {
  Deno.test(`s3lo ${args.join(" ")} exits 2 and says what to do`, async () => {
    const { code, stdout, stderr } = await s3lo(args);
    assert.equal(code, 2, stderr);
    assert.equal(stdout, "");
    const lines = stderr.trimEnd().split("\n");
    assert.equal(lines.length, 2, stderr);
    assert.match(lines[0]!, message);
    assert.match(lines[1]!, hint);
  });
}

const TAKEN: readonly (readonly [args: string[], says: RegExp])[] = [
  [["inspect", "--verbose", "local://./none/app"], /ImageError/], // --debug shows the stack
  [["copy", "--jobs", "0", "a", "local://./x/app"], /Invalid --concurrency "0"/],
  [["copy", "--endpoint-url", "ftp://x", "a", "local://./x/app"], /Invalid --endpoint/],
  [["copy", "--platforms", "linux/", "a", "local://./x/app"], /Invalid platform/],
];
for (const [args, says] of TAKEN) {
  Deno.test(`s3lo takes another tool's name of an option: ${args[1]}`, async () => {
    assert.match((await s3lo(args)).stderr, says);
  });
}

Deno.test("--timeout ends a command that waits for a silent server, and says so", async () => {
  const silence = Promise.withResolvers<Response>();
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, () => silence.promise);
  try {
    const host = `127.0.0.1:${server.addr.port}`;
    const { code, stderr } = await s3lo(["inspect", "--timeout", "300ms", "--plain-http", `${host}/app:v1`]);
    assert.equal(code, 1);
    assert.match(stderr, /^Error: Gave up after 300ms, the time that --timeout leaves\n {2}Run the command again/);
  } finally {
    silence.resolve(new Response());
    await server.shutdown();
  }
});
