/** What every document is held to: links that lead somewhere, commands that are understood, files that can be read. */
import assert from "node:assert/strict";
import { parse } from "yaml";
import { ROOT } from "../../scripts/source_files.ts";
import { parseInvocation } from "../../src/cli/parse.ts";
import { COMMANDS } from "../../src/cli/program.ts";
import { settingSpecs, variableOf } from "../../src/cli/settings/settings.ts";
import { tempFolder, writeStore } from "../cli/places.ts";
import { s3lo, s3loJson } from "../cli/program.ts";
import { singleImage } from "../support/images.ts";
import { blockOf, blocksOf, commandsOf, pages, pageText } from "./documents.ts";

/** The anchors of a page, as GitHub makes them of its headings. */
function anchorsOf(text: string): Set<string> {
  const headings = [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading]) => heading!);
  return new Set(headings.map((each) => each.toLowerCase().replaceAll(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-")));
}

Deno.test("every link within the documents leads to a file and a heading", async () => {
  let count = 0;
  for (const page of await pages()) {
    const folder = page.includes("/") ? page.slice(0, page.lastIndexOf("/") + 1) : "";
    for (const [, target] of (await pageText(page)).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(target!)) continue;
      const [path = "", anchor] = target!.split("#");
      const linked = path === "" ? page : new URL(`${folder}${path}`, "file:///").pathname.slice(1);
      const found = await Deno.stat(`${ROOT}/${linked}`).catch(() => undefined);
      assert.ok(found, `${page}: ${target}`);
      if (anchor !== undefined) assert.ok(anchorsOf(await pageText(linked)).has(anchor), `${page}: ${target}`);
      count++;
    }
  }
  assert.ok(count > 50);
});

Deno.test("the index by task leads to every page of docs/", async () => {
  const index = await pageText("docs/README.md");
  for (const page of await pages()) {
    if (page === "README.md" || page === "docs/README.md") continue;
    const name = page.startsWith("docs/") ? page.slice("docs/".length) : `../${page}`;
    assert.ok(index.includes(`](${name}`), page);
  }
});

Deno.test("the README takes three minutes", async () => {
  const lines = (await pageText("README.md")).trimEnd().split("\n");
  assert.ok(lines.length <= 110, `${lines.length} lines`);
});

Deno.test("a script's commands are told from comments, redirections, here documents and settings", () => {
  const script = [
    "cat > list <<'END' # not a command",
    "s3lo nothing",
    "END",
    "A=b s3lo one 'two three' \\",
    "  four > file 2>&1 # five",
    'printf "%s" "$X" | s3lo six && s3lo "seven $Y"; s3lo eight < file',
  ].join("\n");
  assert.deepEqual(commandsOf(script).filter(([first]) => first === "s3lo"), [
    ["s3lo", "one", "two three", "four"],
    ["s3lo", "six"],
    ["s3lo", "seven $Y"],
    ["s3lo", "eight"],
  ]);
});

Deno.test("every command line of s3lo in the documents is one that it understands", async () => {
  let count = 0;
  for (const page of await pages()) {
    for (const { language, text, line } of await blocksOf(page)) {
      // What a terminal showed: commands stand behind the prompt.
      const script = language === "console"
        ? text.split("\n").filter((each) => each.startsWith("$ ")).map((each) => each.slice(2)).join("\n")
        : language === "sh"
        ? text
        : "";
      for (const [first, ...args] of commandsOf(script)) {
        if (first !== "s3lo") continue;
        const told = `${page}:${line}: s3lo ${args.join(" ")}`;
        try {
          assert.ok(parseInvocation(args, COMMANDS).command, told);
        } catch (error) {
          throw new Error(told, { cause: error });
        }
        count++;
      }
    }
  }
  assert.ok(count > 40, `${count}`);
});

Deno.test("every variable of s3lo that the documents for users name is one", async () => {
  const known = [...settingSpecs().map(({ name }) => variableOf(name)), "S3LO_CONFIG"];
  const installer = ["S3LO_VERSION", "S3LO_INSTALL_DIR", "S3LO_DOWNLOAD", "S3LO_LIBC"];
  for (const page of (await pages()).filter((each) => !["docs/bench.md", "docs/reliability.md"].includes(each))) {
    for (const [name] of (await pageText(page)).matchAll(/S3LO_[A-Z_]*[A-Z]/g)) {
      const isOfLogin = /^S3LO_(?:SRC_|DST_)?(?:USERNAME|PASSWORD)$/.test(name);
      assert.ok(isOfLogin || known.includes(name) || installer.includes(name), `${page}: ${name}`);
    }
  }
});

Deno.test("every block of YAML or JSON can be read, and settings are those that s3lo has", async () => {
  await using folder = await tempFolder();
  const kinds = new Map<string, number>();
  for (const page of await pages()) {
    for (const { language, marker, text, line } of await blocksOf(page)) {
      if (language !== "yaml" && language !== "json") continue;
      const told = `${page}:${line}`;
      const value = language === "yaml" ? parse(text) : JSON.parse(text);
      assert.ok(typeof value === "object" && value !== null, told);
      if (marker === "config.yaml") {
        const path = `${folder.path}/config.yaml`;
        await Deno.writeTextFile(path, text);
        const { config_file } = await s3loJson(["doctor", "--self"], { env: { S3LO_CONFIG: path } });
        assert.deepEqual([config_file.path, config_file.problem ?? null], [path, null], told);
      }
      kinds.set(marker ?? "", (kinds.get(marker ?? "") ?? 0) + 1);
    }
  }
  for (const kind of ["config.yaml", "s3lo.yaml", "workflow", "policy: read"]) assert.ok(kinds.has(kind), kind);
});

Deno.test("the documented s3lo.yaml protects the tags that the page says, and leaves the others", async () => {
  await using folder = await tempFolder();
  const [one, two] = [1, 2].map((seed) => singleImage({ os: "linux", architecture: "amd64" }, { seed }));
  await writeStore(`${folder.path}/from`, "two", "v1", two!);
  for (const name of ["app", "dev/app"]) await writeStore(`${folder.path}/to`, name, "v1", one!);
  await Deno.writeTextFile(`${folder.path}/to/s3lo.yaml`, (await blockOf("docs/settings.md", "s3lo.yaml")).text);
  const copyTo = (name: string, ...options: string[]) =>
    s3lo(["copy", ...options, `local://${folder.path}/from//two:v1`, `local://${folder.path}/to//${name}:v1`]);
  const refused = await copyTo("app");
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /immutable/);
  for (const run of [await copyTo("dev/app"), await copyTo("app", "--force")]) assert.equal(run.code, 0, run.stderr);
});
