/** What the outside world hands to s3lo in order to crash it, fill its memory, or speak to the user's terminal. */
import assert from "node:assert/strict";
import { readSettings } from "../../src/bucket/settings.ts";
import { ImageError, isImageError } from "../../src/errors.ts";
import { readAuthFile } from "../../src/registry/auth_file.ts";
import { listFiles, tempFolder, writeStore } from "../cli/places.ts";
import { s3lo } from "../cli/program.ts";
import { mutated } from "../fuzz/fuzz.ts";
import { putImage, putObject } from "../hazards/kit.ts";
import { jsonBytes } from "../support/chunked_layers.ts";
import { Random, singleImage } from "../support/images.ts";
import { MemoryStore } from "../support/memory_store.ts";
import { serveScript } from "../support/scripted_server.ts";
import { cpuTime } from "../support/cpu_time.ts";

const encode = (text: string) => new TextEncoder().encode(text);

/** What settings must never do to their reader. */
const SETTINGS: readonly [what: string, text: string][] = [
  [
    "aliases that multiply",
    `a: &a [x,x,x,x,x,x,x,x,x,x]\n${
      Array.from({ length: 12 }, (_, index) => {
        const [name, before] = ["bcdefghijklmnop"[index], "abcdefghijklmno"[index]];
        return `${name}: &${name} [${Array(10).fill(`*${before}`).join(",")}]`;
      }).join("\n")
    }\n`,
  ],
  ["an alias of itself", "default: &a\n  images: *a\n"],
  ["a depth of ten thousand", `default: ${"[".repeat(10_000)}${"]".repeat(10_000)}\n`],
  [
    "a mapping ten thousand deep",
    `${Array.from({ length: 2000 }, (_, depth) => `${" ".repeat(depth)}a:`).join("\n")}\n`,
  ],
  // Each of the next two took a minute or more.
  ["hundreds of marked keys inside of each other", `default: {}\n${"? ".repeat(1300)}a\n`],
  [
    "marked keys on lines of their own",
    `${Array.from({ length: 400 }, (_, depth) => " ".repeat(depth) + "?").join("\n")} a\n`,
  ],
  ["as many keys as fit", Array.from({ length: 15_000 }, (_, index) => `key${index}: ${index}`).join("\n")],
  ["more than fits", `default: {}\n${"# comment\n".repeat(30_000)}`],
  ["code", 'default: !!js/function "function () { throw 1 }"\n'],
  ["a prototype", "__proto__:\n  immutable: true\nimages:\n  __proto__: {immutable: 1}\n"],
  ["bytes that are no text", "\u0000\u0001\ufffd"],
  ["a list", "- a\n- b\n"],
  ["a number where a mapping belongs", "default: 9007199254740993\n"],
  ["two documents", "default: {}\n---\ndefault: {immutable: true}\n"],
];

for (const [what, text] of SETTINGS) {
  Deno.test(`s3lo.yaml with ${what} is read or refused, quickly, and nothing else`, async () => {
    const store = new MemoryStore();
    store.set("s3lo.yaml", encode(text));
    const spentMs = cpuTime();
    try {
      const settings = await readSettings(store);
      assert.equal(({} as { immutable?: unknown }).immutable, undefined);
      assert.equal(settings.default.immutable, undefined);
    } catch (error) {
      assert.ok(isImageError(error, "invalid-input"), String(error));
      assert.doesNotMatch(error.message, /\p{Cc}/u);
    }
    assert.ok(spentMs() < 10_000);
  });
}

Deno.test("s3lo.yaml of any bytes is read or refused (seeded)", async () => {
  const samples = [
    "default:\n  immutable: true\nimages:\n  app/*:\n    immutable: false\nchunk_format: 1\n",
    ...SETTINGS.slice(3).map(([, text]) => text),
  ];
  const seed = Number(Deno.env.get("S3LO_FUZZ_SEED") ?? Date.now() % 100_000);
  const until = performance.now() + 1000 * Number(Deno.env.get("S3LO_FUZZ_SECONDS") ?? 2);
  for (let round = 0; round === 0 || performance.now() < until; round++) {
    const store = new MemoryStore();
    store.set(
      "s3lo.yaml",
      encode(
        mutated(new Random(seed + round), samples, ["&a", "*a", "!!", "? ", "---", "\t", "{", "__proto__", "<<: *a"]),
      ),
    );
    await readSettings(store).catch((error) =>
      assert.ok(error instanceof ImageError, `seed ${seed + round}: ${error.stack}`)
    );
  }
});

Deno.test("a credential file of any bytes is read or refused, and shows nothing of itself (seeded)", async () => {
  await using folder = await tempFolder();
  const auth = btoa("user:the-5ecret");
  const samples = [
    JSON.stringify({ auths: { "registry.test": { auth } }, HttpHeaders: { a: "b" } }),
    JSON.stringify({ auths: { "https://index.docker.io/v1/": { identitytoken: "the-5ecret" } } }),
    `{"auths":{"registry.test":{"auth":"${auth}","auth":7}}}`,
  ];
  const seed = Number(Deno.env.get("S3LO_FUZZ_SEED") ?? Date.now() % 100_000);
  const until = performance.now() + 1000 * Number(Deno.env.get("S3LO_FUZZ_SECONDS") ?? 2);
  for (let round = 0; round === 0 || performance.now() < until; round++) {
    const text = mutated(new Random(seed + round), samples, [
      '"',
      "{",
      "}",
      "null",
      "[",
      "__proto__",
      "\u001b[2J",
      "..",
      "/",
    ]);
    await Deno.writeTextFile(`${folder.path}/config.json`, text);
    try {
      await readAuthFile(`${folder.path}/config.json`, "registry.test", "team/app");
    } catch (error) {
      assert.ok(error instanceof ImageError, `seed ${seed + round}: ${error instanceof Error ? error.stack : error}`);
      assert.ok(!error.message.includes("5ecret") && !error.message.includes(auth), error.message);
    }
  }
});

/** Sequences that would clear the screen, set the title, open a link or turn text around. */
const ESCAPES = "\u001b[2J\u001b]0;owned\u0007\u001b]8;;http://evil.test\u0007\u009b31m\u202ereversed";

Deno.test("names, labels and messages of others reach no terminal unescaped", async () => {
  await using folder = await tempFolder();
  const config = { config: { Labels: { [ESCAPES]: ESCAPES }, Env: [ESCAPES], Cmd: [ESCAPES] }, author: ESCAPES };
  const manifest = await putImage(`${folder.path}/s`, ["app", "v1"], [], [], config);
  const document = JSON.parse(new TextDecoder().decode(manifest.bytes));
  document.annotations = { [ESCAPES]: ESCAPES };
  await putObject(`${folder.path}/s`, "manifests/app/v1/manifest.json", jsonBytes(document));
  await putObject(`${folder.path}/s`, `manifests/app/\u001b[2Jv2/manifest.json`, jsonBytes(document));
  await using server = serveScript(({ path }) =>
    path === "/v2/"
      ? new Response("{}")
      : Response.json({ errors: [{ code: ESCAPES, message: ESCAPES }] }, { status: 400 })
  );
  const runs = [
    ["inspect", `local://${folder.path}/s//app:v1`],
    ["inspect", "--output", "json", `local://${folder.path}/s//app:v1`],
    ["inspect", "--output", "yaml", `local://${folder.path}/s//app:v1`],
    ["list", `local://${folder.path}/s`],
    ["inspect", `local://${folder.path}/s//app:none`],
    ["copy", `${server.host}/app:v1`, `local://${folder.path}/t//app:v1`],
    ["copy", "--debug", `${server.host}/app:v1`, `local://${folder.path}/t//app:v1`],
  ];
  for (const [index, args] of runs.entries()) {
    const { stdout, stderr } = await s3lo(args);
    // Plain inspect prints no labels; all others show the text, made harmless.
    if (index > 0) assert.match(stdout + stderr, /owned|2Jv2/, args.join(" "));
    // deno-lint-ignore no-control-regex -- what must not be there
    assert.doesNotMatch(stdout + stderr, /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e]/, args.join(" "));
  }
});

Deno.test("a manifest of 100 MB is refused without being read", async () => {
  await using folder = await tempFolder();
  await writeStore(`${folder.path}/s`, "app", "v1", singleImage({ os: "linux", architecture: "amd64" }));
  const path = `${folder.path}/s/manifests/app/v1/manifest.json`;
  using file = await Deno.open(path, { write: true });
  await file.write(encode('{"schemaVersion":2,"manifests":['));
  await file.truncate(100 * 1024 * 1024);
  let sent = 0;
  await using server = serveScript(({ path }) => {
    if (path === "/v2/") return new Response("{}");
    const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
      pull(controller) {
        sent += 65536;
        if (sent > 100 * 1024 * 1024) controller.close();
        else controller.enqueue(new Uint8Array(65536).fill(0x20));
      },
    });
    return new Response(body, { headers: { "content-type": "application/vnd.oci.image.index.v1+json" } });
  });
  for (const source of [`local://${folder.path}/s//app:v1`, `${server.host}/app:v1`]) {
    const { code, stderr } = await s3lo(["inspect", source]);
    assert.equal(code, 1, stderr);
    assert.match(stderr, /more than|larger|bytes/);
  }
  assert.ok(sent < 40 * 1024 * 1024, `${sent} bytes were taken`);
});

/** What is not over by then, on however busy a machine, hangs. */
const PATIENCE_MS = 180_000;

Deno.test("an index of 100,000 entries is read or refused, and not pondered over for ever", async () => {
  await using folder = await tempFolder();
  const entry = (index: number) => ({
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    digest: `sha256:${index.toString(16).padStart(64, "0")}`,
    size: 1000,
  });
  const document = {
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.index.v1+json",
    manifests: Array.from({ length: 100_000 }, (_, index) => entry(index)),
  };
  await putObject(`${folder.path}/s`, "manifests/app/v1/manifest.json", jsonBytes(document));
  const { code, stderr } = await s3lo(
    ["copy", `local://${folder.path}/s//app:v1`, `local://${folder.path}/t//app:v1`],
    {
      killAfterMs: PATIENCE_MS,
    },
  );
  assert.equal(code, 1, stderr);
  assert.deepEqual((await listFiles(folder.path)).filter((path) => path.startsWith("t/manifests")), []);
});
