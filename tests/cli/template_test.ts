/** `--format`: members of a result in a template of the user's own, wherever a result is printed. */
import assert from "node:assert/strict";
import { ROOT } from "../../scripts/source_files.ts";
import { parseInvocation } from "../../src/cli/parse.ts";
import { COMMANDS } from "../../src/cli/program.ts";
import { checkFormat, outputFormat, render } from "../../src/cli/render.ts";
import { FREE_MEMBERS, REPORT_MEMBERS } from "../../src/cli/report_members.ts";
import { parseTemplate } from "../../src/cli/template.ts";
import { isImageError } from "../../src/errors.ts";
import { multiImage, singleImage } from "../support/images.ts";
import { tempFolder, writeStore } from "./places.ts";
import { s3lo, s3loOk } from "./program.ts";

const REPORT = {
  digest: "sha256:ab",
  media_type: "x/y",
  is_index: true,
  size: 12,
  tags: ["v1", "v2"],
  platforms: [{ platform: "linux/amd64", layers: [1, 2] }, { platform: "linux/arm64", layers: [] }],
  annotations: { "a.b/c": "d", e: "line\nbreak" },
};

const FILLED: readonly (readonly [template: string, text: string])[] = [
  ["{{.digest}}", "sha256:ab\n"],
  ["{{ .Digest }} {{.MediaType}} {{.mediatype}}", "sha256:ab x/y x/y\n"],
  ["{{.is_index}}/{{.size}}\\t{{.digest}}\\n", "true/12\tsha256:ab\n"],
  ["{{.platforms.1.platform}}", "linux/arm64\n"],
  ["{{range .platforms}}{{.platform}}={{len .layers}};{{end}}", "linux/amd64=2;linux/arm64=0;\n"],
  ["{{range .platforms}}{{.platform}}\\n{{end}}", "linux/amd64\nlinux/arm64\n"],
  ['{{join .tags ", "}} {{len .tags}} {{json .tags}}', 'v1, v2 2 ["v1","v2"]\n'],
  ["{{json .platforms.0}}", '{"platform":"linux/amd64","layers":[1,2]}\n'],
  ['{{index .annotations "a.b/c"}}{{.annotations.e}}', "dline\\nbreak\n"],
  ["[{{.source_digest}}{{range .history}}x{{end}}]", "[]\n"], // left out of this result
  ["{{range .annotations}}{{.}},{{end}}", "d,line\\nbreak,\n"],
];
for (const [template, text] of FILLED) {
  Deno.test(`--format '${template}' is filled in`, { permissions: "none" }, async () => {
    assert.equal(await render({ template }, REPORT, () => "never"), text);
  });
}

Deno.test("a list is shown item by item, one a line", { permissions: "none" }, () => {
  assert.equal(parseTemplate("{{.name}}").render([{ name: "a" }, { name: "b" }]), "a\nb\n");
  assert.equal(parseTemplate("{{.name}}").render([]), "");
});

const WRONG: readonly (readonly [template: string, message: RegExp, hint?: RegExp])[] = [
  ["{{.digest", /"{{" without its other half/],
  ["x}} {{.digest}}", /"}}" without its other half/],
  ["{{end}}", /{{end}} without a {{range}}/],
  ["{{range .tags}}x", /{{range}} without its {{end}}/],
  ["{{digest}}", /"digest" is no member: one begins with a dot/],
  ["{{.digst}}", /no result has a "digst"/, /Did you mean \.digest\?/],
  ["{{.platforms.0.zzzzzz}}", /no result has a "zzzzzz"/, /docs\/json\.md/],
  ["{{join .tags}}", /is not understood/],
  ["{{template .x}}", /is not understood/],
  ["{{}}", /is not understood/],
];
for (const [template, message, hint] of WRONG) {
  Deno.test(`--format '${template}' is refused before anything is done`, async () => {
    const { options } = parseInvocation(["inspect", "--format", template, "app"], COMMANDS);
    await assert.rejects(checkFormat(options), (error: Error) => {
      assert.ok(isImageError(error, "usage"), String(error));
      assert.match(error.message, message);
      assert.match(error.hint ?? "", hint ?? /^Write \{\{\.digest\}\}/);
      return true;
    });
  });
}

Deno.test("--format of other things than templates, and with --output, is refused", async () => {
  for (
    const [args, hint] of [
      [["inspect", "--format", "json", "a"], /--output json/],
      [["inspect", "--format", "digest", "a"], /braces/],
      [["inspect", "--format", "{{.digest}}", "-o", "json", "a"], undefined],
    ] as const
  ) {
    await assert.rejects(async () => await checkFormat(parseInvocation(args, COMMANDS).options), (error: Error) => {
      assert.ok(isImageError(error, "usage"));
      if (hint) assert.match(error.hint ?? "", hint);
      return true;
    });
  }
  // S3LO_OUTPUT is no reason to refuse what is typed.
  const { options } = parseInvocation(["inspect", "--format", "{{.digest}}", "a"], COMMANDS);
  assert.equal(typeof outputFormat({ ...options, value: () => "json", origin: () => "S3LO_OUTPUT" }), "object");
});

Deno.test("pull takes the format of its file and a template besides", { permissions: "none" }, () => {
  const { options } = parseInvocation(["pull", "--format", "oci", "--format", "{{.digest}}", "a"], COMMANDS);
  assert.deepEqual(options.values("format"), ["oci", "{{.digest}}"]);
  assert.throws(() => parseInvocation(["pull", "--format", "tar", "a"], COMMANDS), /Unknown value "tar"/);
});

Deno.test("templates know exactly the names of docs/json.md", async () => {
  const page = await Deno.readTextFile(`${ROOT}/docs/json.md`);
  // Words in the same type that are values.
  const values = ["damaged", "whole", "host", "requested", "linux_amd64"];
  // What the Go tool says in place of names of ours.
  values.push("ref", "bytes_uploaded");
  const names = new Set([...page.matchAll(/`([a-z][a-z0-9_]*)`/g)].map(([, name]) => name!));
  const missing = [...names].filter((name) => !values.includes(name) && !REPORT_MEMBERS.includes(name));
  assert.deepEqual(missing, [], "names to add to src/cli/report_members.ts");
  assert.deepEqual(REPORT_MEMBERS.filter((name) => !names.has(name)), [], "names that the page lacks");
  for (const name of FREE_MEMBERS) assert.ok(REPORT_MEMBERS.includes(name));
});

Deno.test("every command that prints a result prints it by a template", async () => {
  await using folder = await tempFolder();
  const { path } = folder;
  const image = multiImage({ seed: 7, layerBytes: 2000, platforms: ["linux/amd64", "linux/arm64"] });
  const single = singleImage({ os: "linux", architecture: "amd64" });
  await writeStore(`${path}/store`, "app", "v1", image);
  await writeStore(`${path}/store`, "app", "one", single);
  const store = `local://${path}/store//app`;
  const digest = image.root.descriptor.digest;
  const runs: readonly (readonly [args: string[], template: string, expected: RegExp | string])[] = [
    [["inspect", `${store}:v1`], "{{.digest}} {{len .platforms}}", `${digest} 2\n`],
    [["digest", `${store}:v1`], "{{.Digest}}", `${digest}\n`],
    [["list", `local://${path}/store`], '{{.name}}: {{join .tags " "}}', "app: one v1\n"],
    [["copy", `${store}:v1`, `local://${path}/to//app:v1`], "{{.digest}} {{.dry_run}}", `${digest} false\n`],
    [["push", "-f", `${path}/app.tar`, `local://${path}/to//app:v2`], "{{.reference}}", `local://${path}/to//app:v2\n`],
    [
      ["index", "create", `${store}:joined`, `${store}:one`],
      "{{range .platforms}}{{.platform}}{{end}}",
      "linux/amd64\n",
    ],
    [["bundle", "save", "-f", `${path}/b.tar`, `${store}:v1`], "{{range .images}}{{.name}}{{end}}", /app:v1\n/],
    [["bundle", "list", `${path}/b.tar`], "{{len .images}}", "1\n"],
    [["bundle", "load", `${path}/b.tar`, `local://${path}/in`], "{{.images.0.digest}}", `${digest}\n`],
    [["version"], "{{.version}}", /^\d+\.\d+\.\d+\S*\n$/],
    [["doctor", "--self"], "{{.permissions.read}}", "all\n"],
  ];
  const pulled = await s3loOk([
    ...["pull", "-f", `${path}/app.tar`, "--platform", "linux/amd64", `${store}:v1`],
    ...["--format", "oci-archive", "--format", "{{.platform}} {{.format}}"],
  ]);
  assert.equal(pulled, "linux/amd64 oci-archive\n");
  for (const [args, template, expected] of runs) {
    const { code, stdout, stderr } = await s3lo([...args, "--format", template]);
    assert.equal(code, 0, `${args.join(" ")}: ${stderr}`);
    if (typeof expected === "string") assert.equal(stdout, expected, args.join(" "));
    else assert.match(stdout, expected, args.join(" "));
  }
});

Deno.test("s3lo digest prints the digest alone, of the index or of one platform", async () => {
  await using folder = await tempFolder();
  const image = multiImage({ seed: 8, layerBytes: 2000, platforms: ["linux/amd64", "linux/arm64"] });
  await writeStore(`${folder.path}/store`, "app", "v1", image);
  const reference = `local://${folder.path}/store//app:v1`;
  const { code, stdout, stderr } = await s3lo(["digest", reference]);
  assert.deepEqual([code, stdout, stderr], [0, `${image.root.descriptor.digest}\n`, ""]);
  const [arm] = JSON.parse(await s3loOk(["inspect", "-o", "json", reference])).platforms.filter(
    (each: { platform: string }) => each.platform === "linux/arm64",
  );
  assert.equal(await s3loOk(["digest", "--platform", "linux/arm64", reference]), `${arm.digest}\n`);
  const missing = await s3lo(["digest", `local://${folder.path}/store//app:v9`]);
  assert.deepEqual([missing.code, missing.stdout], [1, ""]);
});
