import assert from "node:assert/strict";
import { pathToFileURL } from "node:url";
import { ROOT } from "../../scripts/source_files.ts";
import type { Settings } from "../../src/cli/command.ts";
import { keptPermissions } from "../../src/cli/give_up.ts";
import { CREDENTIAL_HELPERS, permissionFlags, permissionGrants } from "../../src/cli/permissions.ts";
import { COMMANDS } from "../../src/cli/program.ts";
import { singleImage } from "../support/images.ts";
import { tempFolder, writeStore } from "../cli/places.ts";
import { permissionsTable } from "../../scripts/permissions_table.ts";

/** What `docker-credential-…` and the shell are asked for. */
const PROGRAMS = {
  helpers: () => Promise.resolve(["docker-credential-pass"]),
  shell: () => Promise.resolve(["/bin/sh"]),
};
const NONE = { helpers: () => Promise.resolve([]), shell: () => Promise.resolve([]) };

/** Options of which none was given. */
const NO_SETTINGS: Settings = {
  flag: () => false,
  value: () => undefined,
  values: () => [],
  origin: () => undefined,
  bucket: () => ({ value: () => undefined, origin: "" }),
  registry: () => ({ value: () => undefined, origin: "" }),
};

/** What is kept: `w` write, `n` net, `s` sys, `h` the helper, `$` the shell. */
const KEPT: readonly [command: string, operands: string[], kept: string][] = [
  ["version", [], ""],
  ["completion", ["bash"], ""],
  ["list", ["local://x"], ""],
  ["inspect", ["local://x//a:1"], ""],
  ["digest", ["s3://bkt/a:1"], "ns$"],
  ["help", ["copy"], ""],
  ["list", ["s3://bkt"], "ns$"],
  ["inspect", ["s3://bkt/a:1"], "ns$"],
  ["inspect", ["ghcr.io/o/a:1"], "nh"],
  ["inspect", ["123456789012.dkr.ecr.us-east-1.amazonaws.com/a"], "nsh$"],
  ["inspect", ["123456789012.dkr.ecr-fips.us-east-1.amazonaws.com/a"], "nsh$"],
  ["inspect", ["123456789012.dkr-ecr.eu-west-1.on.aws/a"], "nsh$"],
  ["inspect", ["public.ecr.aws/docker/library/alpine:3"], "nsh$"],
  ["inspect", ["ghcr.io/x.dkr.ecr.y/a"], "nh"],
  ["list", ["localhost:5000"], "nh"],
  ["index remove", ["s3://bkt/a:1", "linux/arm/v7"], "wns$"],
  ["bundle list", ["disk.tar"], "w"],
  ["inspect", ["docker-daemon:a:1"], "wns"],
  ["inspect", ["oci:folder"], ""],
  ["inspect", ["oci-archive:file.tar"], "w"],
  ["inspect", ["docker-archive:file.tar"], "w"],
  ["copy", ["local://x//a:1", "local://y//a:1"], "w"],
  ["copy", ["local://x//a:1", "s3://bkt/a:1"], "ns$"],
  ["copy", ["s3://bkt/a:1", "local://x//a:1"], "wns$"],
  ["copy", ["ghcr.io/o/a:1", "local://x//a:1"], "wnh"],
  ["copy", ["s3://bkt/a:1", "ghcr.io/o/a:1"], "nsh$"],
  ["copy", ["oci:folder", "oci-archive:file.tar"], "w"],
  ["copy", ["oci:folder", "ghcr.io/o/a:1"], "nh"],
  ["copy", ["oci-archive:file.tar", "s3://bkt/a:1"], "wns$"],
  ["copy", ["docker-archive:file.tar", "ghcr.io/o/a:1"], "wnh"],
  ["copy", ["oci-archive:-", "ghcr.io/o/a:1"], "wnh"],
  ["copy", ["docker-daemon:a:1", "s3://bkt/a:1"], "wns$"],
  ["copy", ["docker-daemon:a:1", "ghcr.io/o/a:1"], "wnsh"],
  ["copy", ["local://x//a:1", "docker-daemon:a:1"], "wns"],
  ["bundle load", ["disk.tar", "local://x"], "w"],
  ["bundle load", ["disk.tar", "s3://bkt"], "wns$"],
  ["bundle load", ["disk.tar", "ghcr.io/o"], "wnh"],
];

for (const [name, operands, expected] of KEPT) {
  Deno.test({
    name: `keptPermissions() of ${[name, ...operands].join(" ")}: ${expected || "nothing"}`,
    permissions: "none",
    fn: async () => {
      const { access, prepare } = COMMANDS.find((command) => command.name === name)!;
      const { places } = await prepare(operands, NO_SETTINGS);
      const shown = async (programs: typeof PROGRAMS | typeof NONE) => {
        const { write, net, sys, run } = await keptPermissions(access, places, programs);
        const programsKept = `${run.includes("docker-credential-pass") ? "h" : ""}${
          run.includes("/bin/sh") ? "$" : ""
        }`;
        return `${write ? "w" : ""}${net ? "n" : ""}${sys ? "s" : ""}${programsKept}`;
      };
      assert.equal(await shown(PROGRAMS), expected);
      assert.equal(await shown(NONE), expected.replaceAll(/[h$]/g, ""));
    },
  });
}

/** Runs `deno` with the given permissions and a clean environment. */
async function deno(flags: readonly string[], args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", "--cached-only", ...flags, ...args],
    clearEnv: true,
    env: {
      DENO_DIR: Deno.env.get("DENO_DIR") ?? `${Deno.env.get("HOME")}/.cache/deno`,
      PATH: Deno.env.get("PATH") ?? "",
      NO_COLOR: "1",
      ...env,
    },
  }).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

Deno.test("s3lo has given up what it does not need once a command runs", async () => {
  await using folder = await tempFolder();
  await writeStore(`${folder.path}/store`, "app", "v1", singleImage({ os: "linux", architecture: "amd64" }));
  const script = `${folder.path}/run.ts`;
  await Deno.writeTextFile(
    script,
    `import { main } from ${JSON.stringify(pathToFileURL(`${ROOT}/src/cli/main.ts`).href)};
    await main(Deno.args);
    const states = [];
    for (const name of ["read", "write", "net", "env", "sys"]) states.push((await Deno.permissions.query({ name })).state);
    states.push((await Deno.permissions.query({ name: "run", command: "/bin/sh" })).state);
    console.log(JSON.stringify(states));`,
  );
  const flags = [...permissionFlags().filter((flag) => !flag.startsWith("--allow-sys")), "--allow-sys"];
  const states = async (...args: string[]) => {
    const { stdout, stderr } = await deno([...flags, "--config", `${ROOT}/deno.json`], [script, ...args], {
      HOME: folder.path,
    });
    assert.ok(stdout, stderr);
    return JSON.parse(stdout.trim().split("\n").at(-1)!).map((state: string) => state === "granted");
  };
  const store = `local://${folder.path}/store`;
  assert.deepEqual(await states("inspect", `${store}//app:v1`), [true, false, false, true, false, false]);
  assert.deepEqual(await states("list", store), [true, false, false, true, false, false]);
  assert.deepEqual(await states("copy", "-q", `${store}//app:v1`, `local://${folder.path}/to//app:v1`), [
    ...[true, true, false, true, false, false],
  ]);
});

/** A registry that wants a password, and an S3 server that gives credentials too, as far as a listing needs them. */
function servers(): AsyncDisposable & { readonly registry: string; readonly s3: string } {
  const options = { port: 0, hostname: "127.0.0.1", onListen: () => {} };
  const registry = Deno.serve(options, (request) => {
    if (request.headers.get("authorization") !== `Basic ${btoa("me:secret")}`) {
      return new Response("{}", { status: 401, headers: { "www-authenticate": 'Basic realm="test"' } });
    }
    return Response.json({ name: "app", tags: ["v1"] });
  });
  const s3 = Deno.serve(options, async (request) => {
    if ((await request.text()).includes("Action=AssumeRoleWithWebIdentity")) {
      return new Response(
        "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>" +
          "<AccessKeyId>KEY</AccessKeyId><SecretAccessKey>secret</SecretAccessKey><SessionToken>token</SessionToken>" +
          "<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleWithWebIdentityResult>" +
          "</AssumeRoleWithWebIdentityResponse>",
        { headers: { "content-type": "text/xml" } },
      );
    }
    if (!request.headers.get("authorization")?.includes("Credential=KEY/")) return new Response("", { status: 403 });
    return new Response(
      '<?xml version="1.0"?><ListBucketResult><Contents><Key>manifests/app/v1/manifest.json</Key><Size>2</Size>' +
        "<ETag>x</ETag><LastModified>2024-01-01T00:00:00.000Z</LastModified></Contents><IsTruncated>false</IsTruncated>" +
        "</ListBucketResult>",
      { headers: { "content-type": "application/xml" } },
    );
  });
  return {
    registry: `127.0.0.1:${registry.addr.port}`,
    s3: `http://127.0.0.1:${s3.addr.port}`,
    async [Symbol.asyncDispose]() {
      await registry.shutdown();
      await s3.shutdown();
    },
  };
}

/** A run that works with all permissions, and fails without the one named. */
interface Need {
  readonly lacking: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** What stderr says instead of the usual. */
  readonly said?: RegExp;
}

/** The flags without a permission (`--allow-net`), or without one value of it (`--allow-run=/bin/sh`). */
function flagsWithout(lacking: string): string[] {
  const [name = "", value] = lacking.split("=");
  return permissionFlags().flatMap((flag) => {
    if (flag.split("=")[0] !== name) return [flag];
    const left = value === undefined ? [] : flag.slice(name.length + 1).split(",").filter((each) => each !== value);
    return left.length === 0 ? [] : [`${name}=${left.join(",")}`];
  });
}

Deno.test("with each documented permission taken away, something that works fails and says which is missing", async (t) => {
  await using folder = await tempFolder();
  await using server = servers();
  const { path } = folder;
  await writeStore(`${path}/store`, "app", "v1", singleImage({ os: "linux", architecture: "amd64" }));
  await Deno.mkdir(`${path}/bin`);
  await Deno.mkdir(`${path}/process/.aws`, { recursive: true });
  await Deno.writeTextFile(
    `${path}/process/.aws/config`,
    `[default]\nregion=us-east-1\ncredential_process = echo '{"Version":1,"AccessKeyId":"KEY","SecretAccessKey":"s"}'\n`,
  );
  const store = `local://${path}/store`;
  const keys = { AWS_ACCESS_KEY_ID: "KEY", AWS_SECRET_ACCESS_KEY: "secret", AWS_REGION: "us-east-1" };
  const s3 = ["list", "--endpoint", server.s3, "s3://bucket"];
  const home = { HOME: path };
  await Deno.writeTextFile(`${path}/token`, "web-token");
  const role = {
    AWS_WEB_IDENTITY_TOKEN_FILE: `${path}/token`,
    AWS_ROLE_ARN: "arn:aws:iam::123456789012:role/r",
    AWS_ENDPOINT_URL_STS: server.s3,
    AWS_REGION: "us-east-1",
  };
  const needs: Need[] = [
    { lacking: "--allow-read", args: ["list", store], env: home },
    { lacking: "--allow-write", args: ["copy", `${store}//app:v1`, `local://${path}/new//app:v1`], env: home },
    { lacking: "--allow-net", args: s3, env: { ...home, ...keys } },
    { lacking: "--allow-env", args: s3, env: { ...home, ...keys } },
    { lacking: "--allow-sys=osRelease", args: s3, env: { ...home, ...role } },
    // Without HOME the SDK asks the system who one is and where that one's home is.
    { lacking: "--allow-sys=uid", args: s3, env: role },
    { lacking: "--allow-sys=homedir", args: s3, env: role },
    {
      lacking: "--allow-run=/bin/sh",
      args: s3,
      env: { HOME: `${path}/process`, AWS_EC2_METADATA_DISABLED: "true" },
      said: /no AWS credentials|run access/,
    },
  ];
  for (const helper of CREDENTIAL_HELPERS) {
    const program = `docker-credential-${helper}`;
    await Deno.writeTextFile(`${path}/bin/${program}`, '#!/bin/sh\necho \'{"Username":"me","Secret":"secret"}\'\n', {
      mode: 0o755,
    });
    await Deno.mkdir(`${path}/${helper}`);
    await Deno.writeTextFile(`${path}/${helper}/config.json`, JSON.stringify({ credsStore: helper }));
    needs.push({
      lacking: `--allow-run=${program}`,
      args: ["list", "--plain-http", `${server.registry}/app`],
      env: { ...home, DOCKER_CONFIG: `${path}/${helper}`, PATH: `${path}/bin:${Deno.env.get("PATH")}` },
    });
  }
  for (const { lacking, args, env, said } of needs) {
    await t.step(lacking, async () => {
      const whole = await deno(permissionFlags(), [`${ROOT}/main.ts`, ...args], env);
      assert.equal(whole.code, 0, whole.stderr);
      await Deno.remove(`${path}/new`, { recursive: true }).catch(() => {});
      const less = await deno(flagsWithout(lacking), [`${ROOT}/main.ts`, ...args], env);
      assert.notEqual(less.code, 0, less.stdout);
      const kind = lacking.slice("--allow-".length).split("=")[0];
      assert.match(less.stderr, said ?? new RegExp(`Not permitted: this needs ${kind} access`));
    });
  }
  await t.step("with keys in the environment a bucket needs nothing of the system", async () => {
    const flags = permissionFlags().filter((flag) => !flag.startsWith("--allow-sys"));
    const { code, stdout, stderr } = await deno(flags, [`${ROOT}/main.ts`, ...s3], keys);
    assert.equal(code, 0, stderr);
    assert.equal(stdout, "app:v1\n");
  });
  await t.step("these are all the permissions there are", () => {
    const tried = new Set(needs.map(({ lacking }) => lacking));
    const granted = permissionGrants().flatMap(({ name, only }) =>
      only?.map((each) => `--allow-${name}=${each}`) ?? [`--allow-${name}`]
    );
    assert.deepEqual([...tried].sort(), granted.sort());
  });
});

Deno.test("a credential helper that s3lo may not start is named, with what to do", async () => {
  await using folder = await tempFolder();
  await using server = servers();
  await Deno.mkdir(`${folder.path}/bin`);
  await Deno.writeTextFile(`${folder.path}/bin/docker-credential-mine`, "#!/bin/sh\ntouch started\n", { mode: 0o755 });
  await Deno.writeTextFile(`${folder.path}/config.json`, JSON.stringify({ credsStore: "mine" }));
  const { code, stderr } = await deno(
    permissionFlags(),
    [`${ROOT}/main.ts`, "list", "--plain-http", `${server.registry}/app`],
    {
      DOCKER_CONFIG: folder.path,
      HOME: folder.path,
      PATH: `${folder.path}/bin:${Deno.env.get("PATH")}`,
    },
  );
  assert.equal(code, 1);
  assert.match(stderr, /run access to docker-credential-mine/);
  assert.match(stderr, /--username and --password-stdin/);
});

Deno.test("docs/permissions.md shows the permissions that s3lo is compiled with", async () => {
  // The formatter pads, wraps and escapes.
  const plain = (text: string) => text.replaceAll("\\", "").replaceAll(/[\s-]+/g, " ");
  const page = plain(await Deno.readTextFile(`${ROOT}/docs/permissions.md`));
  assert.ok(page.includes(plain(permissionsTable())), "run: deno task permissions");
});
