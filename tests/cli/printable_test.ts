/**
 * Names from outside in output: what could steer a terminal, turn a line around or forge another line is shown as an escape,
 * by one rule, wherever text is written; JSON and YAML stay valid and say the same.
 */
import assert from "node:assert/strict";
import { parse } from "yaml";
import { render } from "../../src/cli/render.ts";
import { errorLines } from "../../src/cli/report_error.ts";
import { ImageError, printable, printableData, printableLines } from "../../src/errors.ts";
import { digestOf } from "../../src/oci/digest.ts";
import { imageOf } from "./odd_images.ts";
import { tempFolder } from "./places.ts";
import { s3lo, s3loJson, s3loOk } from "./program.ts";

const pure = (name: string, fn: () => void | Promise<void>) => Deno.test({ name, permissions: "none", fn });

/** Every character that must not come out as it is, by its code. */
const STEERING: readonly number[] = [
  ...Array.from({ length: 0x20 }, (_, code) => code),
  ...Array.from({ length: 0x21 }, (_, index) => 0x7f + index),
  0x061c,
  0x200e,
  0x200f,
  0x2028,
  0x2029,
  0x202a,
  0x202b,
  0x202c,
  0x202d,
  0x202e,
  0x2066,
  0x2067,
  0x2068,
  0x2069,
  0xd800,
  0xdbff,
  0xdc00,
  0xdfff,
];

pure("printable() escapes every character that steers, and none of a language", () => {
  for (const code of STEERING) {
    const text = `a${String.fromCharCode(code)}b`;
    const shown = printable(text);
    assert.match(shown, /^a\\(?:[tnr]|u[0-9a-f]{4})b$/, code.toString(16));
    assert.equal(JSON.parse(`"${shown}"`), text, "the escape is that of JSON");
    assert.equal(printableLines(text), code === 9 || code === 10 ? text : shown);
  }
  for (const text of ["Grüße, 世界, مرحبا, שלום, 👩‍🚀 🇩🇪 𝒳", "back\\slash \\u001b", ""]) {
    assert.equal(printable(text), text);
  }
});

pure("printableData() goes into everything, names of members too", () => {
  assert.deepEqual(
    printableData({ "a\nb": ["c\u061c", { d: "e\u2028", n: 1, t: true, z: null }], u: undefined }),
    { "a\\nb": ["c\\u061c", { d: "e\\u2028", n: 1, t: true, z: null }], u: undefined },
  );
});

Deno.test("JSON and YAML stay valid with every such character and give back the same text", async () => {
  const whole = STEERING.filter((code) => code < 0xd800).map((code) => String.fromCharCode(code));
  const data = {
    all: whole.join("x"),
    lines: "a\nb: c\n  d\u202e",
    [`key${whole.join("")}`]: whole.map((character) => `v${character}v`),
  };
  const json = await render("json", data, () => "");
  assert.deepEqual(JSON.parse(json), data);
  const yaml = await render("yaml", data, () => "");
  assert.deepEqual(parse(yaml), data);
  for (const document of [json, yaml]) assert.equal(printableLines(document), document);
  // Half of a pair is no text: JSON has an escape for it, YAML has none.
  const half = { half: "a\ud800b" };
  assert.deepEqual(JSON.parse(await render("json", half, () => "")), half);
  assert.deepEqual(parse(await render("yaml", half, () => "")), { half: "a\ufffdb" });
});

pure("errors are one line each, whatever their texts and the reference in front hold", () => {
  const error = new ImageError("denied", "no\nError: forged\u2028x", { hint: "a\r\nb\u061c" });
  assert.equal(errorLines(error, "app:v\n1: "), "Error: app:v\\n1: no Error: forged x\n  a b\\u061c\n");
  assert.equal(errorLines(new Error("a\n\x1b]b")).split("\n")[0], "Error: a; \\u001b]b");
});

/** A tag that tries to show a second image, in a store that somebody has sent. */
const FORGED = "v1\nother:v9\u2028x\u061c\x1b[2J";
const SHOWN = "v1\\nother:v9\\u2028x\\u061c\\u001b[2J";

Deno.test("list and bundle list show a forged name on one line", { ignore: Deno.build.os === "windows" }, async () => {
  await using temporary = await tempFolder();
  const folder = temporary.path;
  const image = imageOf({});
  await Deno.mkdir(`${folder}/store/blobs/sha256`, { recursive: true });
  await Deno.mkdir(`${folder}/store/manifests/app/${FORGED}`, { recursive: true });
  await Deno.writeFile(`${folder}/store/manifests/app/${FORGED}/manifest.json`, image.manifest);
  const list = ["list", `local://${folder}/store`];
  assert.equal(await s3loOk(list), `app:${SHOWN}\n`);
  assert.deepEqual(await s3loJson(list), [{ name: "app", tags: [FORGED] }]);
  assert.deepEqual(parse(await s3loOk([...list, "-o", "yaml"])), [{ name: "app", tags: [FORGED] }]);

  await image.writeLayout(`${folder}/layout`, `app:${FORGED}`);
  const bundle = await s3lo(["bundle", "list", `${folder}/layout`]);
  const named = bundle.stdout.split("\n").filter((line) => line.includes("sha256:"));
  assert.deepEqual(named.length, 1, bundle.stdout + bundle.stderr);
  assert.doesNotMatch(bundle.stdout + bundle.stderr, /[\p{Cf}\p{Zl}]|(?!\n)\p{Cc}/u);
});

Deno.test("inspect shows labels, environment and history of an image on one line each", async () => {
  await using temporary = await tempFolder();
  const folder = temporary.path;
  const image = imageOf({
    architecture: "amd64",
    os: "linux",
    created: "2024-01-01T00:00:00Z",
    config: {
      Labels: { "a\nSignature: forged": "b\nSignature: cosign (k), signed today\u2029c" },
      Env: ["A=1\nReferrer: forged"],
      Entrypoint: ["/x\nTotal: 0"],
    },
    rootfs: { type: "layers", diff_ids: [] },
    history: [{ created_by: "RUN a &&\n\t b\u061c # \\n stays" }],
  });
  await image.writeLayout(`${folder}/layout`, "app:v1");
  const inspect = ["inspect", "--platform", "linux/amd64", `oci:${folder}/layout:app:v1`];
  const shown = (await s3loOk(inspect)).split("\n");
  assert.ok(
    shown.includes("  a\\nSignature: forged=b\\nSignature: cosign (k), signed today\\u2029c"),
    shown.join("\n"),
  );
  assert.ok(shown.includes("  A=1\\nReferrer: forged"));
  assert.ok(shown.includes("Entrypoint: /x\\nTotal: 0"));
  assert.ok(shown.includes("  RUN a && b\\u061c # \\n stays"));
  assert.equal(shown.filter((line) => /^(?:Signature|Referrer)/.test(line)).length, 0);
  const json = await s3loJson(inspect);
  assert.equal(json.config.labels["a\nSignature: forged"], "b\nSignature: cosign (k), signed today\u2029c");
});

Deno.test("notes of a copy keep a forged name on one line", { ignore: Deno.build.os === "windows" }, async () => {
  await using temporary = await tempFolder();
  const folder = temporary.path;
  const image = imageOf({});
  await image.writeLayout(`${folder}/layout`, "app:v1");
  const odd = `${folder}/odd\nError\u202e`;
  await Deno.rename(`${folder}/layout`, odd);
  const { stderr, stdout } = await s3lo(["copy", `oci:${odd}:app:v1`, `local://${folder}/copied//app:v1`]);
  assert.match(stderr, /^Copying oci:.*odd\\nError\\u202e:app:v1 to local:/m);
  assert.doesNotMatch(stderr, /^Error/m);
  assert.ok(stdout.includes(digestOf(image.manifest)));
});
