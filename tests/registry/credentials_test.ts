import assert from "node:assert/strict";
import { withHelper } from "../support/credential_helpers.ts";
import { fileURLToPath } from "node:url";
import type { ImageError } from "../../src/errors.ts";
import { readAuthFile } from "../../src/registry/auth_file.ts";
import { askCredentialHelper } from "../../src/registry/credential_helper.ts";
import type { Credentials } from "../../src/registry/credentials.ts";
import { parseEcrHost } from "../../src/oci/ecr_host.ts";
import { CredentialFinder } from "../../src/registry/find_credentials.ts";
import { serveScript } from "../support/scripted_server.ts";

const password = (username: string, password: string): Credentials => ({ kind: "password", username, password });
const auth = (username: string, password: string) => ({ auth: btoa(`${username}:${password}`) });

async function withFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "s3lo-auth-" });
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const ENTRIES: readonly (readonly [string, unknown, string, string, Credentials | undefined])[] = [
  ["base64 auth", { "reg.test": auth("u", "p:w") }, "reg.test", "a", password("u", "p:w")],
  ["username and password", { "reg.test": { username: "u", password: "p" } }, "reg.test", "a", password("u", "p")],
  ["a key with scheme and version", { "https://reg.test/v2/": auth("u", "p") }, "reg.test", "a", password("u", "p")],
  ["a key with another port", { "reg.test:5000": auth("u", "p") }, "reg.test", "a", undefined],
  ["Docker Hub's key", { "https://index.docker.io/v1/": auth("u", "p") }, "docker.io", "a", password("u", "p")],
  ["podman's key of Docker Hub", { "docker.io": auth("u", "p") }, "docker.io", "library/a", password("u", "p")],
  [
    "the longest path that matches",
    { "reg.test": auth("h", "p"), "reg.test/team": auth("t", "p"), "reg.test/team/app": auth("a", "p") },
    "reg.test",
    "team/app/x",
    password("a", "p"),
  ],
  [
    "no path that only starts alike",
    { "reg.test/team": auth("t", "p"), "reg.test": auth("h", "p") },
    "reg.test",
    "teams/app",
    password("h", "p"),
  ],
  ["an identity token", { "reg.test": { ...auth("u", ""), identitytoken: "it" } }, "reg.test", "a", {
    kind: "identity-token",
    token: "it",
  }],
  ["a registry token", { "reg.test": { registrytoken: "rt" } }, "reg.test", "a", {
    kind: "registry-token",
    token: "rt",
  }],
  ["an empty entry", { "reg.test": {} }, "reg.test", "a", undefined],
  ["no entry", {}, "reg.test", "a", undefined],
  ["no entry that is inherited", {}, "constructor", "a", undefined],
];

for (const [what, auths, registry, repository, expected] of ENTRIES) {
  Deno.test(`readAuthFile() finds ${what}`, async () => {
    await withFolder(async (folder) => {
      await Deno.writeTextFile(`${folder}/config.json`, JSON.stringify({ auths }));
      assert.deepEqual(await readAuthFile(`${folder}/config.json`, registry, repository), expected);
    });
  });
}

Deno.test("readAuthFile() names a file that it cannot read, and shows nothing secret of it", async () => {
  await withFolder(async (folder) => {
    assert.equal(await readAuthFile(`${folder}/none.json`, "reg.test", "a"), undefined);
    const bad = ["{", "[]", '{"auths":{"reg.test":{"auth":"!secret!"}}}', '{"auths":{"reg.test":{"auth":"c2VjcmV0"}}}'];
    for (const text of bad) {
      await Deno.writeTextFile(`${folder}/config.json`, text);
      await assert.rejects(readAuthFile(`${folder}/config.json`, "reg.test", "a"), (error: ImageError) => {
        assert.equal(error.code, "invalid-input");
        assert.ok(error.message.includes(`${folder}/config.json`));
        assert.doesNotMatch(error.message, /secret/);
        return true;
      });
    }
  });
});

Deno.test("askCredentialHelper() hands the server over on stdin and reads the answer", async () => {
  const script = `read server; [ "$1" = get ] || exit 9; printf '{"ServerURL":"%s","Username":"u-%s","Secret":"s"}' ` +
    `"$server" "$server"`;
  await withHelper("echo", script, async () => {
    assert.deepEqual(await askCredentialHelper("echo", "reg.test:5000"), password("u-reg.test:5000", "s"));
  });
  await withHelper("token", `echo '{"Username":"<token>","Secret":"refresh"}'`, async () => {
    assert.deepEqual(await askCredentialHelper("token", "r"), { kind: "identity-token", token: "refresh" });
  });
});

Deno.test("askCredentialHelper() takes 'credentials not found' for anonymous, and other failures for failures", async () => {
  await withHelper("empty", "echo credentials not found in native keychain; exit 1", async () => {
    assert.equal(await askCredentialHelper("empty", "reg.test"), undefined);
  });
  await withHelper("locked", "echo the key ring is locked; exit 1", async () => {
    await assert.rejects(askCredentialHelper("locked", "reg.test"), {
      code: "unauthorized",
      message: 'Cannot get credentials for "reg.test": "docker-credential-locked" failed: the key ring is locked',
    });
  });
  await withHelper("garbage", "echo hello", async () => {
    await assert.rejects(askCredentialHelper("garbage", "reg.test"), { code: "invalid-input" });
  });
});

Deno.test("askCredentialHelper() names a helper that is missing, and runs none with a path for a name", async () => {
  await assert.rejects(askCredentialHelper("nowhere-to-be-found", "reg.test"), {
    code: "unsupported",
    message: 'Cannot run credential helper "docker-credential-nowhere-to-be-found": it is not installed',
  });
  for (const name of ["../evil", "a b", "", "/bin/sh", "-x"]) {
    await assert.rejects(askCredentialHelper(name, "reg.test"), { code: "unsupported" }, name);
  }
});

Deno.test("CredentialFinder: a host's helper goes before the store, the store before entries", async () => {
  const answer = (name: string) => `echo '{"Username":"${name}","Secret":"s"}'`;
  await withHelper("one", answer("one"), async () => {
    await withHelper(
      "two",
      `read server; [ "$server" = https://index.docker.io/v1/ ] && ${answer("two")} || ` +
        "{ echo credentials not found in native keychain; exit 1; }",
      async () => {
        await withFolder(async (folder) => {
          const config = {
            credsStore: "two",
            credHelpers: { "one.test": "one" },
            auths: { "one.test": auth("file", "p"), "three.test": auth("three", "p") },
          };
          await Deno.writeTextFile(`${folder}/config.json`, JSON.stringify(config));
          const env = (name: string) => name === "DOCKER_CONFIG" ? folder : undefined;
          const find = (registry: string) => new CredentialFinder(registry, { env }).find("a");
          assert.deepEqual(await find("one.test"), password("one", "s"));
          assert.deepEqual(await find("docker.io"), password("two", "s"));
          assert.deepEqual(await find("three.test"), password("three", "p"));
          assert.equal(await find("four.test"), undefined);
        });
      },
    );
  });
});

Deno.test("CredentialFinder: what the user gave wins, then REGISTRY_AUTH_FILE, Docker's file, podman's files", async () => {
  await withFolder(async (folder) => {
    const places: Record<string, string> = {
      REGISTRY_AUTH_FILE: `${folder}/given.json`,
      DOCKER_CONFIG: `${folder}/docker`,
      XDG_RUNTIME_DIR: `${folder}/run`,
      HOME: `${folder}/home`,
    };
    const files = [
      ["given.json", "given"],
      ["docker/config.json", "docker"],
      ["run/containers/auth.json", "run"],
      ["home/.config/containers/auth.json", "home"],
    ] as const;
    for (const [path, user] of files) {
      await Deno.mkdir(`${folder}/${path}`.replace(/\/[^/]+$/, ""), { recursive: true });
      await Deno.writeTextFile(`${folder}/${path}`, JSON.stringify({ auths: { "reg.test": auth(user, "p") } }));
    }
    const explicit = password("typed", "p");
    const env = (name: string) => places[name];
    assert.deepEqual(await new CredentialFinder("reg.test", { explicit, env }).find("a"), explicit);
    for (const [path, user] of files) {
      assert.deepEqual(await new CredentialFinder("reg.test", { env }).find("a"), password(user, "p"));
      await Deno.remove(`${folder}/${path}`);
    }
    assert.equal(await new CredentialFinder("reg.test", { env }).find("a"), undefined);
  });
});

Deno.test("parseEcrHost() reads the hosts of private ECR registries", { permissions: "none" }, () => {
  const account = "123456789012";
  const cases: readonly (readonly [string, ReturnType<typeof parseEcrHost>])[] = [
    [`${account}.dkr.ecr.eu-west-1.amazonaws.com`, { region: "eu-west-1", isFips: false }],
    [`${account}.dkr.ecr-fips.us-gov-west-1.amazonaws.com`, { region: "us-gov-west-1", isFips: true }],
    [`${account}.dkr.ecr.cn-north-1.amazonaws.com.cn`, { region: "cn-north-1", isFips: false }],
    [`${account}.dkr-ecr.us-east-2.on.aws`, { region: "us-east-2", isFips: false }],
    ["public.ecr.aws", undefined],
    [`${account}.dkr.ecr.eu-west-1.amazonaws.com.evil.test`, undefined],
    [`${account}.dkr.ecr.eu-west-1.amazonaws.com:443`, undefined],
    ["1234.dkr.ecr.eu-west-1.amazonaws.com", undefined],
  ];
  for (const [host, expected] of cases) assert.deepEqual(parseEcrHost(host), expected, host);
});

const ECR_REGISTRY = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";

/** Asks for ECR credentials in a process with this AWS environment and no other. */
async function ecrOutcome(aws: Record<string, string>): Promise<unknown> {
  const script = fileURLToPath(import.meta.resolve("./ecr_client.ts"));
  const inherited = Object.entries(Deno.env.toObject()).filter(([name]) => !name.startsWith("AWS_"));
  const env = {
    ...Object.fromEntries(inherited),
    AWS_EC2_METADATA_DISABLED: "true",
    AWS_CONFIG_FILE: "/nonexistent",
    AWS_SHARED_CREDENTIALS_FILE: "/nonexistent",
    AWS_MAX_ATTEMPTS: "1",
    ...aws,
  };
  const args = ["run", "--no-prompt", "-A", script, ECR_REGISTRY];
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args, env, clearEnv: true }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
  return JSON.parse(new TextDecoder().decode(stdout));
}

Deno.test("CredentialFinder logs in to ECR with AWS credentials, once for all repositories", async () => {
  const expiresAt = Math.floor(Date.now() / 1000) + 12 * 3600;
  await using server = serveScript(({ headers }) => {
    if (headers.get("x-amz-target") !== "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken") return undefined;
    if (!headers.get("authorization")?.includes("/eu-west-1/ecr/aws4_request")) {
      return new Response("{}", { status: 400 });
    }
    const authorizationToken = btoa("AWS:token");
    return Response.json({ authorizationData: [{ authorizationToken, expiresAt }] }, {
      headers: { "content-type": "application/x-amz-json-1.1" },
    });
  });
  const aws = { AWS_ACCESS_KEY_ID: "AKIA", AWS_SECRET_ACCESS_KEY: "s", AWS_ENDPOINT_URL_ECR: server.origin };
  const expected = { ...password("AWS", "token"), expiresAt: expiresAt * 1000 };
  assert.deepEqual(await ecrOutcome(aws), [expected, expected, expected]);
  assert.equal(server.requests.length, 1);
});

Deno.test("readEcrCredentials() tells missing credentials, missing rights and a dead service apart", async () => {
  const shown = async (aws: Record<string, string>) => {
    const { code, message, hint } = await ecrOutcome(aws) as { code: string; message: string; hint?: string };
    assert.ok(message.startsWith(`Cannot log in to "${ECR_REGISTRY}": `), message);
    assert.doesNotMatch(message, /hush/);
    return `${code}: ${hint ?? ""}`;
  };
  assert.match(await shown({}), /^unauthorized: Set AWS_PROFILE/);
  await using server = serveScript(() =>
    Response.json({ __type: "AccessDeniedException", message: "not you" }, { status: 400 })
  );
  const keys = { AWS_ACCESS_KEY_ID: "AKIA", AWS_SECRET_ACCESS_KEY: "hush" };
  assert.match(
    await shown({ ...keys, AWS_ENDPOINT_URL_ECR: server.origin }),
    /^denied: Allow ecr:GetAuthorizationToken/,
  );
  assert.match(await shown({ ...keys, AWS_ENDPOINT_URL_ECR: "http://127.0.0.1:1" }), /^unavailable: /);
});
