/** Keys that stand in the environment or in a profile are taken without the SDK; every other identity is left to it. */
import assert from "node:assert/strict";
import { plainKeys, S3Credentials } from "../../src/objects/s3_credentials.ts";
import { readAwsConfig } from "../../src/objects/aws_config.ts";
import { tempFolder } from "../cli/places.ts";

const FILES = {
  config: `
[default]
region = eu-west-1
[profile shared]
aws_access_key_id = AKIACONFIG
aws_secret_access_key = config-secret
[profile role]
role_arn = arn:aws:iam::123456789012:role/r
source_profile = static
aws_access_key_id = AKIAROLE
aws_secret_access_key = role-secret
[profile sso]
sso_session = s
[profile process]
credential_process = /bin/false
[profile web]
role_arn = arn:aws:iam::123456789012:role/r
web_identity_token_file = /token
[profile half]
aws_access_key_id = AKIAHALF
`,
  credentials: `
[default]
aws_access_key_id = AKIADEFAULT
aws_secret_access_key = default-secret
[static]
aws_access_key_id = AKIASTATIC
aws_secret_access_key = static-secret
aws_session_token = static-token
[shared]
aws_access_key_id = AKIASHARED
aws_secret_access_key = shared-secret
`,
};

/** A home with these files, and an environment that names it. */
async function withFiles(
  body: (env: (more?: Record<string, string>) => (name: string) => string | undefined, home: string) => Promise<void>,
): Promise<void> {
  await using folder = await tempFolder();
  await Deno.mkdir(`${folder.path}/.aws`);
  for (const [name, text] of Object.entries(FILES)) await Deno.writeTextFile(`${folder.path}/.aws/${name}`, text);
  await body((more = {}) => (name) => ({ HOME: folder.path, ...more })[name], folder.path);
}

const KEYS = { AWS_ACCESS_KEY_ID: "AKIAENV", AWS_SECRET_ACCESS_KEY: "env-secret" };

Deno.test("plain keys are found in the SDK's order, and no profile with another way is taken for plain", async () => {
  await withFiles(async (env) => {
    const found = async (profile?: string, more?: Record<string, string>) =>
      plainKeys(await readAwsConfig(env(more)), profile, env(more));
    assert.deepEqual(await found(undefined, KEYS), {
      accessKeyId: "AKIAENV",
      secretAccessKey: "env-secret",
      sessionToken: undefined,
      source: "env vars",
    });
    assert.equal((await found(undefined, { ...KEYS, AWS_SESSION_TOKEN: "t" }))?.sessionToken, "t");
    assert.equal((await found())?.accessKeyId, "AKIADEFAULT");
    assert.equal((await found(undefined, { AWS_ACCESS_KEY_ID: "AKIAENV" }))?.accessKeyId, "AKIADEFAULT");
    // A profile that is named goes before the environment.
    assert.deepEqual(await found("static", KEYS), {
      accessKeyId: "AKIASTATIC",
      secretAccessKey: "static-secret",
      sessionToken: "static-token",
      source: "profile",
    });
    assert.equal((await found(undefined, { ...KEYS, AWS_PROFILE: "static" }))?.accessKeyId, "AKIASTATIC");
    // What the file of credentials says goes before what the other says.
    assert.equal((await found("shared"))?.accessKeyId, "AKIASHARED");
    for (const profile of ["role", "sso", "process", "web", "half", "missing"]) {
      assert.equal(await found(profile, KEYS), undefined, profile);
    }
  });
});

Deno.test("keys that were changed in the file are found anew, and the SDK is asked only where there are none", async () => {
  await withFiles(async (env, home) => {
    const asked: unknown[] = [];
    const sdk = {
      keys: (options?: { readonly forceRefresh?: boolean }) => {
        asked.push(options?.forceRefresh ?? false);
        return Promise.resolve({ accessKeyId: "AKIASDK", secretAccessKey: "s", source: "sso" });
      },
    };
    const credentials = new S3Credentials(await readAwsConfig(env()), "static", env(), sdk);
    assert.equal((await credentials.get()).accessKeyId, "AKIASTATIC");
    const path = `${home}/.aws/credentials`;
    await Deno.writeTextFile(path, FILES.credentials.replace("AKIASTATIC", "AKIAROTATED"));
    await credentials.refresh();
    assert.equal((await credentials.get()).accessKeyId, "AKIAROTATED");
    assert.deepEqual(asked, []);
    await Deno.writeTextFile(path, "[static]\ncredential_process = x\n");
    await credentials.refresh();
    assert.equal((await credentials.get()).accessKeyId, "AKIASDK");
    assert.deepEqual(asked, [true, false]);
  });
});
