/**
 * The two ends of a copy may be two hosts with two passwords: `--username` alone must never reach both, options of a side
 * reach that side alone, and whoever mixes the sides up hears of it before anything is sent.
 */
import assert from "node:assert/strict";
import type { Digest } from "../../src/oci/digest.ts";
import { serveFakeRegistry } from "../registry/fake_registry.ts";
import { singleImage } from "../support/images.ts";
import { type ScriptedServer, serveScript } from "../support/scripted_server.ts";
import { serviceTest } from "../support/services.ts";
import { makeBuckets, tempFolder, writeStore } from "./places.ts";
import { s3lo, s3loOk } from "./program.ts";

const image = singleImage({ os: "linux", architecture: "amd64" }, { seed: 28, layerBytes: 3000 });

/** A machine without any login. */
const ENV = { HOME: "/nonexistent", DOCKER_CONFIG: "/nonexistent", AWS_EC2_METADATA_DISABLED: "true" };

/** A registry with `app:v1` that lets in who says `user` and `password`, by a token server of its own where one is asked. */
function privateRegistry(user: string, password: string, tokens?: ScriptedServer) {
  const expected = tokens ? `Bearer token-${user}` : `Basic ${btoa(`${user}:${password}`)}`;
  const challenge = tokens ? `Bearer realm="${tokens.origin}/${user}",service="x"` : 'Basic realm="x"';
  const registry = serveFakeRegistry({
    guard: ({ headers }) =>
      headers.get("authorization") === expected
        ? undefined
        : new Response(null, { status: 401, headers: { "www-authenticate": challenge } }),
  });
  const { bytes, descriptor } = image.root;
  for (const name of ["v1", descriptor.digest]) {
    registry.manifests.set(name, { bytes: new Uint8Array(bytes), mediaType: descriptor.mediaType });
  }
  for (const [digest, blob] of image.blobs) registry.blobs.set(digest, blob);
  return registry;
}

/** Every authorization that a server saw. */
function seen(server: ScriptedServer): ReadonlySet<string> {
  return new Set(server.requests.flatMap(({ headers }) => headers.get("authorization") ?? []));
}

const basic = (text: string) => `Basic ${btoa(text)}`;

const AMBIGUOUS: readonly (readonly [name: string, args: (a: string, b: string) => readonly string[]])[] = [
  ["copy", (a, b) => ["copy", `${a}/app:v1`, `${b}/app:v2`]],
  ["copy --all-tags", (a, b) => ["copy", "-a", `${a}/app`, `${b}/app`]],
  ["index create", (a, b) => ["index", "create", "local://./none//x:v1", `${a}/app:v1`, `${b}/app:v1`]],
  ["index add", (a, b) => ["index", "add", "local://./none//x:v1", `${a}/app:v1`, `${b}/app:v1`]],
  ["bundle save", (a, b) => ["bundle", "save", "-f", "/nonexistent/x.tar", `${a}/app:v1`, `${b}/app:v1`]],
  ["bundle save -k", (a, b) => ["bundle", "save", "-k", "-f", "/nonexistent/x.tar", `${a}/app:v1`, `${b}/app:v1`]],
];

for (const [name, args] of AMBIGUOUS) {
  Deno.test(`${name} of two registries refuses --username before anything is sent`, async () => {
    await using first = privateRegistry("ann", "one");
    await using second = privateRegistry("bob", "two");
    const given = ["-u", "ann", "--password-stdin", ...args(first.server.host, second.server.host)];
    const run = await s3lo(given, { env: ENV, stdin: "one" });
    assert.equal(run.code, 2, run.stderr);
    assert.match(run.stderr, /one password to two registries/);
    assert.match(run.stderr, name.startsWith("copy") ? /--src-username/ : /Run docker login for each of them/);
    assert.deepEqual([...first.server.requests, ...second.server.requests], []);
  });
}

Deno.test("each registry of a copy gets its own password, by lines of stdin or by the environment, and nobody else's", async () => {
  const ways: readonly (readonly [string, readonly string[], Record<string, string>, string])[] = [
    [
      "two lines",
      [
        "--src-username=ann",
        "--src-password-stdin",
        "--dst-username=bob",
        "--dst-password-stdin",
      ],
      {},
      "one\ntwo\n",
    ],
    [
      "other spelling",
      [
        "--dest-password-stdin",
        "--dest-username",
        "bob",
        "--src-password-stdin",
        "--src-username",
        "ann",
      ],
      {},
      "one\r\ntwo",
    ],
    ["one on stdin", ["--src-username=ann", "--dst-username=bob", "--src-password-stdin"], {
      S3LO_DST_PASSWORD: "two",
    }, "one"],
    ["the environment", ["--src-username=ann"], {
      S3LO_SRC_PASSWORD: "one",
      S3LO_DST_USERNAME: "bob",
      S3LO_DST_PASSWORD: "two",
    }, ""],
    ["one for the rest", ["--src-username=ann", "--src-password-stdin", "-ubob", "--password-stdin"], {}, "one\ntwo"],
  ];
  for (const [name, args, env, stdin] of ways) {
    await using first = privateRegistry("ann", "one");
    await using second = privateRegistry("bob", "two");
    second.blobs.clear();
    const places = [`${first.server.host}/app:v1`, `${second.server.host}/app:v2`];
    const run = await s3lo(["copy", ...args, ...places], { env: { ...ENV, ...env }, stdin });
    assert.equal(run.code, 0, `${name}: ${run.stderr}`);
    assert.deepEqual([...seen(first.server)], [basic("ann:one")], name);
    assert.deepEqual([...seen(second.server)], [basic("bob:two")], name);
    assert.ok(second.manifests.has("v2"), name);
  }
});

Deno.test("one registry on both sides takes --username, and a side's password stays with its side", async () => {
  await using registry = privateRegistry("ann", "one");
  const { host } = registry.server;
  const login = ["-u", "ann", "--password-stdin"];
  await s3loOk(["copy", ...login, `${host}/app:v1`, `${host}/app:v2`], { env: ENV, stdin: "one" });
  await using other = privateRegistry("bob", "two");
  const args = ["copy", "--src-username=ann", "--src-password-stdin", `${host}/app:v1`, `${other.server.host}/app:v2`];
  const run = await s3lo(args, { env: ENV, stdin: "one" });
  assert.equal(run.code, 1, run.stderr);
  assert.match(run.stderr, new RegExp(`"${other.server.host}" asks for credentials`));
  assert.deepEqual([...seen(other.server)], []);
});

Deno.test("each token server is told the password of its registry alone", async () => {
  await using tokens = serveScript(({ path }) => Response.json({ token: `token-${path.slice(1, 4)}` }));
  await using first = privateRegistry("ann", "one", tokens);
  await using second = privateRegistry("bob", "two", tokens);
  const args = ["--src-username=ann", "--src-password-stdin", "--dst-username=bob", "--dst-password-stdin"];
  const places = [`${first.server.host}/app:v1`, `${second.server.host}/app:v2`];
  await s3loOk(["copy", ...args, ...places], { env: ENV, stdin: "one\ntwo" });
  for (const [user, password] of [["ann", "one"], ["bob", "two"]]) {
    const asked = tokens.requests.filter(({ path }) => path.startsWith(`/${user}`));
    assert.ok(asked.length > 0);
    assert.deepEqual([...new Set(asked.map(({ headers }) => headers.get("authorization")))], [
      basic(`${user}:${password}`),
    ]);
  }
  assert.deepEqual([...seen(second.server)], ["Bearer token-bob"]);
});

Deno.test("a redirect brings a storage neither password", async () => {
  await using target = privateRegistry("bob", "two");
  target.blobs.clear();
  await using storage = serveScript(({ path }) =>
    new Response(new Uint8Array(image.blobs.get(path.slice(1) as Digest)!))
  );
  await using source = serveFakeRegistry({
    guard: ({ path, headers }) => {
      if (headers.get("authorization") !== basic("ann:one")) {
        return new Response(null, { status: 401, headers: { "www-authenticate": 'Basic realm="x"' } });
      }
      const location = `${storage.origin}/${path.slice(path.lastIndexOf("/") + 1)}`;
      return path.includes("/blobs/") ? new Response(null, { status: 307, headers: { location } }) : undefined;
    },
  });
  const { bytes, descriptor } = image.root;
  source.manifests.set("v1", { bytes: new Uint8Array(bytes), mediaType: descriptor.mediaType });
  const args = ["--src-username=ann", "--src-password-stdin", "--dst-username=bob", "--dst-password-stdin"];
  const places = [`${source.server.host}/app:v1`, `${target.server.host}/app:v2`];
  await s3loOk(["copy", ...args, ...places], { env: ENV, stdin: "one\ntwo" });
  assert.ok(storage.requests.length > 0);
  assert.deepEqual([...seen(storage)], []);
});

Deno.test("options of a side that cannot be meant for it are wrong usage, and nothing is sent", async () => {
  await using folder = await tempFolder();
  await writeStore(folder.path, "app", "v1", image);
  await using registry = privateRegistry("ann", "one");
  const local = `local://${folder.path}//app:v1`;
  const far = `${registry.server.host}/app:v2`;
  const cases: readonly (readonly [readonly string[], RegExp, string?])[] = [
    [["--src-username=ann", "--src-password-stdin", local, far], /--src-username: the source is no registry/, "one"],
    [["--src-endpoint=http://127.0.0.1:1", local, far], /--src-endpoint: the source is no S3 bucket/],
    [["--dst-region=eu-west-1", local, far], /--dst-region: the target is no S3 bucket/],
    [["--src-profile=a", local, far], /--src-profile: the source is neither an S3 bucket nor a registry/],
    [["--dst-endpoint=minio:9000", local, "s3://bucket-name/x:v1"], /Invalid --dst-endpoint "minio:9000"/],
    [["--dst-username=ann", local, far], /--dst-username needs --dst-password-stdin[\s\S]*S3LO_DST_PASSWORD/],
    [["--dst-password-stdin", local, far], /--dst-password-stdin needs --dst-username/, "one"],
    [
      ["--src-username=a", "--src-password-stdin", "--dst-username=b", "--dst-password-stdin", far, far],
      /Expected 2 passwords on stdin, one a line, and not 1/,
      "one\n",
    ],
    [
      ["--src-username=a", "--src-password-stdin", "--dst-username=b", "--dst-password-stdin", far, far],
      /The password on stdin is empty/,
      "\ntwo\n",
    ],
  ];
  for (const [args, message, stdin] of cases) {
    const run = await s3lo(["copy", ...args], { env: ENV, ...(stdin === undefined ? {} : { stdin }) });
    assert.equal(run.code, 2, `${args.join(" ")}: ${run.stderr}`);
    assert.match(run.stderr, message);
  }
  assert.deepEqual(registry.server.requests, []);
});

Deno.test("a password among the arguments is refused with the way to give it, and not repeated", async () => {
  for (const option of ["--src-creds", "--dest-creds", "--creds", "--password", "--src-password"]) {
    const run = await s3lo(["copy", `${option}=ann:s3cret`, "a:v1", "b:v1"], { env: ENV });
    assert.equal(run.code, 2);
    assert.match(run.stderr, /passwords are not taken as arguments/);
    assert.match(run.stderr, option.includes("dest") ? /--dst-password-stdin/ : /password-stdin/);
    assert.doesNotMatch(run.stderr, /s3cret/);
  }
});

Deno.test("what the environment says of a side hinders no copy between other places, and what is typed goes before it", async () => {
  await using folder = await tempFolder();
  await writeStore(folder.path, "app", "v1", image);
  const local = (tag: string) => `local://${folder.path}//app:${tag}`;
  const env = {
    ...ENV,
    S3LO_USERNAME: "zoe",
    S3LO_PASSWORD: "three",
    S3LO_SRC_USERNAME: "ann",
    S3LO_SRC_PASSWORD: "one",
    S3LO_DST_USERNAME: "bob",
    S3LO_DST_PASSWORD: "two",
    S3LO_SRC_ENDPOINT: "http://127.0.0.1:1",
    S3LO_DST_REGION: "eu-west-1",
    S3LO_DST_PROFILE: "none",
  };
  // Without network and programs, which such a copy gives up first.
  await s3loOk(["copy", local("v1"), local("v2")], { env });
  await using registry = privateRegistry("bob", "two");
  await s3loOk(["copy", local("v1"), `${registry.server.host}/app:v2`], { env });
  assert.deepEqual([...seen(registry.server)], [basic("bob:two")]);
  // A command with one side is not told of either.
  await using plain = privateRegistry("zoe", "three");
  await s3loOk(["inspect", `${plain.server.host}/app:v1`], { env });
  await s3loOk(["bundle", "save", "-f", `${folder.path}/b.tar`, `${plain.server.host}/app:v1`], { env });
  await s3loOk(["bundle", "load", `${folder.path}/b.tar`, `${plain.server.host}/app:v3`], { env });
  assert.deepEqual([...seen(plain.server)], [basic("zoe:three")]);
  await using other = privateRegistry("eve", "four");
  const typed = ["-u", "eve", "--password-stdin"];
  await s3loOk(["copy", ...typed, local("v1"), `${other.server.host}/app:v2`], { env, stdin: "four" });
  assert.deepEqual([...seen(other.server)], [basic("eve:four")]);
});

serviceTest("two S3 servers with two identities are the ends of one copy", ["minio", "versity"], async (at) => {
  using first = await makeBuckets(at.minio);
  using second = await makeBuckets(at.versity);
  await using folder = await tempFolder();
  await writeStore(`${folder.path}/store`, "app", "v1", image);
  const profile = (name: string, address: string) => {
    const { username, password } = new URL(address);
    return `[${name}]\naws_access_key_id = ${username}\naws_secret_access_key = ${password}\n`;
  };
  const credentials = `${folder.path}/credentials`;
  await Deno.writeTextFile(credentials, profile("one", at.minio) + profile("two", at.versity));
  const env = { ...ENV, AWS_SHARED_CREDENTIALS_FILE: credentials, AWS_CONFIG_FILE: "/nonexistent" };
  const source = `s3://${first.first}/app:v1`;
  const target = `s3://${second.first}/app:v1`;
  const local = `local://${folder.path}/store//app:v1`;
  await s3loOk(["copy", "--endpoint", first.endpoint, "--profile", "one", local, source], { env });
  await s3loOk(
    [
      "copy",
      "--src-endpoint",
      first.endpoint,
      "--src-profile",
      "one",
      "--dest-endpoint",
      second.endpoint,
      "--dst-profile",
      "two",
      "--region=us-east-1",
      source,
      target,
    ],
    { env },
  );
  assert.deepEqual(await second.keys(second.first), await first.keys(first.first));
  const index = `s3://${second.second}/app:all`;
  await s3loOk(
    ["index", "create", "--src-endpoint", first.endpoint, "--src-profile", "one", "--endpoint", second.endpoint]
      .concat("--profile", "two", index, source),
    { env },
  );
  assert.ok((await second.keys(second.second)).includes("manifests/app/all/manifest.json"));
});

serviceTest("real registries: an open one and one behind a password, in both directions", [
  "registry",
  "privateRegistry",
], async (at) => {
  await using folder = await tempFolder();
  await writeStore(folder.path, "app", "v1", image);
  const { username, password, host } = new URL(at.privateRegistry);
  const name = `sides-${crypto.randomUUID().slice(0, 8)}/app`;
  const open = `${new URL(at.registry).host}/${name}`;
  const closed = `${host}/${name}`;
  const env = { ...ENV, S3LO_DST_PASSWORD: password };
  await s3loOk(["copy", `local://${folder.path}//app:v1`, `${open}:v1`], { env });
  await s3loOk(["copy", "--dst-username", username, `${open}:v1`, `${closed}:v1`], { env });
  await s3loOk(["copy", "-u", username, "--password-stdin", `${closed}:v1`, `${closed}-2:v1`], {
    env,
    stdin: password,
  });
  const back = ["copy", "--src-username", username, "--src-password-stdin", `${closed}-2:v1`, `${open}:v2`];
  await s3loOk(back, { env, stdin: `${password}\n` });
  assert.equal((await s3loOk(["list", open], { env })).trim(), `${open}:v1\n${open}:v2`);
});

Deno.test("a password that is given is shown nowhere, though a server quotes one that it was never sent", async () => {
  await using registry = serveFakeRegistry({
    guard: () =>
      Response.json({ errors: [{ code: "DENIED", message: "not with Pa55word-of-bob nor Pa55word-of-ann" }] }, {
        status: 403,
      }),
  });
  const args = ["--debug", "--src-username=ann", "--src-password-stdin", "--dst-username=bob", "--dst-password-stdin"];
  const places = [`${registry.server.host}/app:v1`, "127.0.0.1:1/app:v2"];
  const run = await s3lo(["copy", ...args, ...places], { env: ENV, stdin: "Pa55word-of-ann\nPa55word-of-bob" });
  assert.equal(run.code, 1);
  assert.match(run.stderr, /DENIED/);
  assert.doesNotMatch(run.stderr, /Pa55word/);
});
