/** Where settings come from: what is typed, then S3LO_… variables, then the file of settings, then AWS and Docker. */
import assert from "node:assert/strict";
import { parseInvocation } from "../../src/cli/parse.ts";
import { COMMANDS } from "../../src/cli/program.ts";
import { readConfigFile } from "../../src/cli/settings/config_file.ts";
import { readSettings, settingSpecs, variableOf } from "../../src/cli/settings/settings.ts";
import { cacheFolder, configFolder, configPath } from "../../src/cli/settings/user_folders.ts";
import { isImageError } from "../../src/errors.ts";
import { singleImage } from "../support/images.ts";
import { tempFolder, writeStore } from "./places.ts";
import { s3lo, s3loJson } from "./program.ts";

const environment = (variables: Record<string, string>) => (name: string) => variables[name] || undefined;
const typed = (...args: string[]) => parseInvocation(args, COMMANDS).options;

Deno.test("the user's folders are where each system has them", { permissions: "none" }, () => {
  const home = {
    HOME: "/home/u",
    APPDATA: "C:\\Users\\u\\AppData\\Roaming",
    LOCALAPPDATA: "C:\\Users\\u\\AppData\\Local",
  };
  const cases: readonly (readonly [
    os: string,
    env: Record<string, string>,
    config: string | undefined,
    cache: string | undefined,
  ])[] = [
    ["linux", home, "/home/u/.config/s3lo", "/home/u/.cache/s3lo"],
    ["darwin", home, "/home/u/Library/Application Support/s3lo", "/home/u/Library/Caches/s3lo"],
    ["windows", home, "C:\\Users\\u\\AppData\\Roaming\\s3lo", "C:\\Users\\u\\AppData\\Local\\s3lo"],
    ["linux", { ...home, XDG_CONFIG_HOME: "/x/", XDG_CACHE_HOME: "/c" }, "/x/s3lo", "/c/s3lo"],
    ["darwin", { ...home, XDG_CONFIG_HOME: "/x" }, "/x/s3lo", "/home/u/Library/Caches/s3lo"],
    ["linux", { ...home, XDG_CONFIG_HOME: "relative" }, "/home/u/.config/s3lo", "/home/u/.cache/s3lo"],
    ["linux", {}, undefined, undefined],
    ["windows", {}, undefined, undefined],
  ];
  for (const [os, env, config, cache] of cases) {
    assert.equal(configFolder(os, environment(env)), config, os);
    assert.equal(cacheFolder(os, environment(env)), cache, os);
  }
  assert.equal(configPath("windows", environment(home)), "C:\\Users\\u\\AppData\\Roaming\\s3lo\\config.yaml");
  assert.equal(configPath("linux", environment({ ...home, S3LO_CONFIG: "/else.yaml" })), "/else.yaml");
});

/** A file of settings in a folder of its own, and the environment that leads there. */
async function withFile(text: string) {
  const folder = await tempFolder();
  await Deno.mkdir(`${folder.path}/s3lo`);
  const path = `${folder.path}/s3lo/config.yaml`;
  await Deno.writeTextFile(path, text);
  return { path, env: { XDG_CONFIG_HOME: folder.path }, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
}

Deno.test("each common option is taken from the command line, else its variable, else the file", async () => {
  for (const spec of settingSpecs()) {
    const isSwitch = spec.value === undefined;
    const of = (index: number) =>
      isSwitch ? ["true", "false", "true"][index]! : spec.choices?.[index] ?? `${index + 1}`;
    await using file = await withFile(`${spec.name}: ${of(2)}\n`);
    const command = spec.name === "storage-class" || spec.name === "sse-kms-key-id" ? "push" : "inspect";
    const bare = typed(command, "s3://bucket/x:1");
    const given = typed(command, `--${spec.name}=${of(0)}`, "s3://bucket/x:1");
    const env = { ...file.env, [variableOf(spec.name)]: of(1) };
    const read = async (options: typeof bare, variables: Record<string, string>) => {
      const settings = await readSettings(options, { env: environment(variables), os: "linux" });
      const own = isSwitch ? String(settings.flag(spec.name)) : settings.value(spec.name);
      // What may differ from bucket to bucket is asked for each.
      return settings.origin(spec.name) === undefined
        ? [settings.bucket("any").value(spec.name) ?? settings.registry("any").value(spec.name), file.path]
        : [own, settings.origin(spec.name)];
    };
    assert.deepEqual(await read(bare, file.env), [of(2), file.path], spec.name);
    assert.deepEqual(await read(bare, env), [of(1), variableOf(spec.name)], spec.name);
    assert.deepEqual(await read(given, env), [of(0), `--${spec.name}`], spec.name);
  }
});

Deno.test("buckets and registries have sections by name and glob; exact names go first, then the file's order", async () => {
  await using file = await withFile(`
region: everywhere
buckets:
  "team-*": { endpoint: "http://team:9000", concurrency: 4 }
  "*": { endpoint: "http://any:9000" }
  team-x: { endpoint: "http://x:9000" }
registries:
  "*.internal:5000": { plain-http: true, profile: p }
`);
  const settings = await readSettings(typed("version"), { env: environment(file.env), os: "linux" });
  const endpoints = ["team-a", "team-x", "other"].map((name) => settings.bucket(name).value("endpoint"));
  assert.deepEqual(endpoints, ["http://team:9000", "http://x:9000", "http://any:9000"]);
  assert.equal(settings.bucket("team-a").value("concurrency"), "4");
  assert.equal(settings.bucket("team-x").value("region"), "everywhere");
  assert.equal(settings.registry("r.internal:5000").value("plain-http"), "true");
  assert.equal(settings.registry("ghcr.io").value("plain-http"), undefined);
});

const BROKEN: readonly (readonly [text: string, message: RegExp, hint?: RegExp])[] = [
  ["endpont: x", /"endpont" is no setting/, /Did you mean endpoint\?/],
  ["buckets: { a: { plain-http: true } }", /"buckets\.a\.plain-http" is no setting/],
  ["buckets: [a]", /buckets must hold names and values/],
  ["- a", /the file must hold names and values/],
  ["quiet: maybe", /"quiet" must be true or false/],
  ["output: xml", /"output" must be text, json, yaml/],
  ["region: [a, b]", /"region" must be a text or a number/],
  ["a: b: c", /it is not valid YAML/],
  ["password: x", /"password" is no setting/],
  [`region: "${"x".repeat(300_000)}"`, /larger than 256 KiB/],
];
for (const [text, message, hint] of BROKEN) {
  Deno.test(`a file of settings is refused: ${text.slice(0, 40)}`, async () => {
    await using file = await withFile(text);
    await assert.rejects(readConfigFile(settingSpecs(), environment(file.env), "linux"), (error: Error) => {
      assert.ok(isImageError(error, "usage"), String(error));
      assert.match(error.message, message);
      assert.ok(error.message.includes(file.path));
      if (hint) assert.match(error.hint ?? "", hint);
      return true;
    });
  });
}

Deno.test("a file that nobody named may be missing; one that S3LO_CONFIG names may not", async () => {
  await using folder = await tempFolder();
  const none = await readConfigFile(settingSpecs(), environment({ XDG_CONFIG_HOME: folder.path }), "linux");
  assert.equal(none, undefined);
  const named = environment({ S3LO_CONFIG: `${folder.path}/none.yaml` });
  await assert.rejects(readConfigFile(settingSpecs(), named, "linux"), /S3LO_CONFIG names it and it is not there/);
});

Deno.test("the program takes settings from both, says which one is wrong, and --switch=false takes one back", async () => {
  await using folder = await tempFolder();
  await writeStore(`${folder.path}/store`, "app", "v1", singleImage({ os: "linux", architecture: "amd64" }));
  await using file = await withFile("output: json\n");
  const reference = `local://${folder.path}/store//app:v1`;
  assert.match((await s3lo(["digest", reference], { env: file.env })).stdout, /^{\n {2}"reference"/);
  assert.match(
    (await s3lo(["digest", reference], { env: { ...file.env, S3LO_OUTPUT: "text" } })).stdout,
    /^sha256:\w+\n$/,
  );
  const wrong = await s3lo(["digest", reference], { env: { S3LO_OUTPUT: "xml" } });
  assert.equal(wrong.code, 2);
  assert.match(wrong.stderr, /Unknown value "xml" of S3LO_OUTPUT/);
  const number = await s3lo(["digest", reference], { env: { S3LO_CONCURRENCY: "1000" } });
  assert.match(number.stderr, /Invalid S3LO_CONCURRENCY "1000"/);
  const stack = /ImageError[\s\S]*\bat /;
  const failing = ["inspect", `local://${folder.path}/store//none:v1`];
  assert.match((await s3lo(failing, { env: { S3LO_DEBUG: "1" } })).stderr, stack);
  assert.doesNotMatch((await s3lo([...failing, "--debug=false"], { env: { S3LO_DEBUG: "1" } })).stderr, stack);
});

Deno.test("each bucket goes to the server that the file names for it, unless an option or variable says otherwise", async () => {
  const asked: string[] = [];
  const server = (name: string) =>
    Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, (request) => {
      asked.push(`${name} ${/Credential=(\w+)/.exec(request.headers.get("authorization") ?? "")?.[1]}`);
      return new Response(
        '<?xml version="1.0"?><ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>',
        { headers: { "content-type": "application/xml" } },
      );
    });
  const [one, two] = [server("one"), server("two")];
  const url = ({ addr }: typeof one) => `http://127.0.0.1:${addr.port}`;
  await using folder = await tempFolder();
  await Deno.writeTextFile(
    `${folder.path}/credentials`,
    "[default]\naws_access_key_id=DEFAULT\naws_secret_access_key=s\n[team]\naws_access_key_id=TEAM\naws_secret_access_key=s\n",
  );
  await using file = await withFile(
    `endpoint: ${url(one)}\nregion: us-east-1\nbuckets:\n  team-*:\n    endpoint: ${url(two)}\n    profile: team\n`,
  );
  const env = {
    ...file.env,
    AWS_SHARED_CREDENTIALS_FILE: `${folder.path}/credentials`,
    AWS_ENDPOINT_URL: "http://127.0.0.1:1",
  };
  const list = async (bucket: string, more: readonly string[] = [], variables: Record<string, string> = {}) => {
    asked.length = 0;
    const run = await s3lo(["list", `s3://${bucket}`, ...more], { env: { ...env, ...variables } });
    assert.equal(run.code, 0, run.stderr);
    return [...new Set(asked)];
  };
  try {
    assert.deepEqual(await list("other"), ["one DEFAULT"]);
    assert.deepEqual(await list("team-a"), ["two TEAM"]);
    assert.deepEqual(await list("team-a", [], { S3LO_ENDPOINT: url(one) }), ["one TEAM"]);
    assert.deepEqual(await list("team-a", ["--endpoint", url(two)], { S3LO_ENDPOINT: url(one) }), ["two TEAM"]);
    assert.deepEqual(await list("other", ["--profile", "team"]), ["one TEAM"]);
  } finally {
    await Promise.all([one.shutdown(), two.shutdown()]);
  }
});

Deno.test("s3lo doctor --self shows each setting and where it comes from, also of a file that cannot be used", async () => {
  await using file = await withFile(`concurrency: 4\nbuckets:\n  "team-*": { region: eu-west-1 }\n`);
  const env = { ...file.env, S3LO_ENDPOINT: "http://u:secret@minio:9000", S3LO_QUIET: "yes" };
  const report = await s3loJson(["doctor", "--self", "--region", "r"], { env });
  assert.deepEqual(report.config_file, { path: file.path, problem: null });
  assert.deepEqual(report.settings, [
    { name: "endpoint", value: "http://minio:9000/", from: "S3LO_ENDPOINT" },
    { name: "region", value: "r", from: "--region" },
    { name: "output", value: "json", from: "--output" },
    { name: "quiet", value: "true", from: "S3LO_QUIET" },
    { name: "concurrency", value: "4", from: file.path },
    { name: "region", value: "eu-west-1", from: `${file.path} (buckets: team-*)` },
  ]);
  assert.equal(report.aws.region_from, "--region");
  assert.equal(report.aws.endpoint_from, "S3LO_ENDPOINT");
  await Deno.writeTextFile(file.path, "nonsense: 1");
  const broken = await s3lo(["doctor", "--self"], { env });
  assert.equal(broken.code, 0, broken.stderr);
  assert.match(broken.stdout, /settings file .*"nonsense" is no setting/);
  assert.match(broken.stdout, /endpoint +http:\/\/minio:9000\/ \(S3LO_ENDPOINT\)/);
});
