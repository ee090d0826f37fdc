/**
 * Docker's configuration as people, build servers and other tools really write it. What docker, crane and oras take is taken
 * here, and what is taken is the same; the texts are our own.
 */
import assert from "node:assert/strict";
import type { ImageError } from "../../src/errors.ts";
import { readAuthFile } from "../../src/registry/auth_file.ts";
import { authPlaces, configuredHelpers } from "../../src/registry/auth_places.ts";
import { askCredentialHelper } from "../../src/registry/credential_helper.ts";
import type { Credentials } from "../../src/registry/credentials.ts";
import { CredentialFinder } from "../../src/registry/find_credentials.ts";
import { withHelper } from "../support/credential_helpers.ts";
import { tempFolder } from "../cli/places.ts";

const password = (username: string, password: string): Credentials => ({ kind: "password", username, password });
const auth = (text: string) => `"auth": "${btoa(text)}"`;
const HUB = "https://index.docker.io/v1/";

async function readText(text: string, registry = "reg.test", repository = "team/app") {
  await using folder = await tempFolder();
  await Deno.writeTextFile(`${folder.path}/config.json`, text);
  return await readAuthFile(`${folder.path}/config.json`, registry, repository);
}

const FORMS: readonly (readonly [name: string, text: string, expected: Credentials | undefined, registry?: string])[] =
  [
    ["nothing at all", "", undefined],
    ["a line break", "\n", undefined],
    ["blanks", "  \t\r\n ", undefined],
    ["null", "null\n", undefined],
    ["an empty object", "{}", undefined],
    ["a byte order mark", `\ufeff{"auths": {"reg.test": {${auth("u:p")}}}}`, password("u", "p")],
    ["Windows' line ends", `{\r\n"auths": {\r\n"reg.test": {${auth("u:p")}}}}\r\n`, password("u", "p")],
    ["text behind the object", `{"auths": {"reg.test": {${auth("u:p")}}}}\n}\nold text`, password("u", "p")],
    [
      "a second object",
      `{"auths": {"reg.test": {${auth("u:p")}}}}{"auths": {"reg.test": {${auth("x:y")}}}}`,
      password("u", "p"),
    ],
    ["braces and quotes in a text", `{"x": "}\\"{{", "auths": {"reg.test": {${auth("u:p")}}}} {`, password("u", "p")],
    ["null members", '{"auths": null, "credHelpers": null, "credsStore": null}', undefined],
    ["a null entry", '{"auths": {"reg.test": null, "reg.test/team": null}}', undefined],
    [
      "null beside a right entry",
      `{"auths": {"reg.test": {${auth("u:p")}, "identitytoken": null, "registrytoken": null}}}`,
      password("u", "p"),
    ],
    [
      "a null helper",
      `{"credHelpers": {"reg.test": null}, "auths": {"reg.test": {${auth("u:p")}}}}`,
      password("u", "p"),
    ],
    [
      "an empty auth beside name and password",
      '{"auths": {"reg.test": {"auth": "", "username": "u", "password": "p"}}}',
      password("u", "p"),
    ],
    [
      "other spellings of the members",
      `{"Auths": {"reg.test": {"Username": "u", "PASSWORD": "p"}}}`,
      password("u", "p"),
    ],
    ["a colon in the password", `{"auths": {"reg.test": {${auth("u:p:q:")}}}}`, password("u", "p:q:")],
    ["a password that ends in zeros", `{"auths": {"reg.test": {${auth("u:p\0\0")}}}}`, password("u", "p")],
    [
      "base64 without padding",
      `{"auths": {"reg.test": {"auth": "${btoa("user:p").replaceAll("=", "")}"}}}`,
      password("user", "p"),
    ],
    [
      "members that nobody here knows",
      `{"HttpHeaders": {"User-Agent": "x"}, "auths": {"reg.test": {${auth("u:p")}, "email": "e"}},
    "plugins": {"-x-cli-hints": {"enabled": "true"}}, "currentContext": "default"}`,
      password("u", "p"),
    ],
    [
      "an identity token beside the name",
      `{"auths": {"reg.test": {${auth("00000000-0000:")}, "identitytoken": "it"}}}`,
      { kind: "identity-token", token: "it" },
    ],
    ["a registry token", `{"auths": {"reg.test": {"auth": "", "registrytoken": "rt"}}}`, {
      kind: "registry-token",
      token: "rt",
    }],
    ["a key with http://", `{"auths": {"http://reg.test": {${auth("u:p")}}}}`, password("u", "p")],
    ["a key with https:// and /v1/", `{"auths": {"https://reg.test/v1/": {${auth("u:p")}}}}`, password("u", "p")],
    ["a key with /v2 and no scheme", `{"auths": {"reg.test/v2": {${auth("u:p")}}}}`, password("u", "p")],
    [
      "a key with https:// and a path of its own",
      `{"auths": {"https://reg.test/api/v0/": {${auth("u:p")}}}}`,
      password("u", "p"),
    ],
    ["a key in capitals", `{"auths": {"HTTPS://Reg.Test/V2/": {${auth("u:p")}}}}`, password("u", "p")],
    [
      "the plain key before one with a scheme",
      `{"auths": {"reg.test": {${auth("u:p")}}, "https://reg.test": {${auth("x:y")}}}}`,
      password("u", "p"),
    ],
    [
      "a key with a version before one with a path",
      `{"auths": {"https://reg.test/v2/": {${auth("u:p")}}, "https://reg.test/team/app": {${auth("x:y")}}}}`,
      password("u", "p"),
    ],
    ["a port", `{"auths": {"https://reg.test:5000/v2/": {${auth("u:p")}}}}`, password("u", "p"), "reg.test:5000"],
    [
      "Docker Hub's own key before others",
      `{"auths": {"${HUB}": {${auth("u:p")}}, "docker.io": {${auth("x:y")}}}}`,
      password("u", "p"),
      "docker.io",
    ],
    [
      "Docker Hub beside the tokens of Docker Desktop",
      `{"auths": {"${HUB}": {${auth("u:p")}}, "${HUB}access-token": {${auth("x:y")}}, "${HUB}refresh-token": {${
        auth("x:y")
      }}}}`,
      password("u", "p"),
      "docker.io",
    ],
    [
      "no login by the tokens of Docker Desktop alone",
      `{"auths": {"${HUB}access-token": {${auth("x:y")}}}}`,
      undefined,
      "docker.io",
    ],
    [
      "Docker Hub by its host",
      `{"auths": {"registry-1.docker.io": {${auth("u:p")}}}}`,
      password("u", "p"),
      "docker.io",
    ],
  ];

Deno.test("a key with a path means its whole host to docker, and what is below the path to podman", async () => {
  await using folder = await tempFolder();
  const other = `{"auths": {"reg.test/group/project": {${auth("u:p")}}}}`;
  await Deno.writeTextFile(`${folder.path}/config.json`, other);
  await Deno.writeTextFile(`${folder.path}/auth.json`, other);
  const found = (name: string, repository: string) => readAuthFile(`${folder.path}/${name}`, "reg.test", repository);
  assert.deepEqual(await found("config.json", "team/app"), password("u", "p"));
  assert.equal(await found("auth.json", "team/app"), undefined);
  assert.deepEqual(await found("auth.json", "group/project/app"), password("u", "p"));
  const both = `{"auths": {"reg.test/group": {${auth("x:y")}}, "reg.test": {${auth("u:p")}}, "reg.test.evil/": {${
    auth("e:e")
  }}}}`;
  assert.deepEqual(await readText(both), password("u", "p"));
});

for (const [name, text, expected, registry] of FORMS) {
  Deno.test(`Docker's configuration: ${name}`, async () => {
    assert.deepEqual(await readText(text, registry), expected);
  });
}

Deno.test("Docker's configuration: what is none is refused by name, and nothing of it is shown", async () => {
  const secret = btoa("user:s3cret");
  for (
    const text of [
      `{"auths": {"reg.test": {"auth": "${secret}"}`,
      `["${secret}"]`,
      `"${secret}"`,
      secret,
      "nullx",
      "{,}",
      `{"auths": {"reg.test": {"auth": ["${secret}"]}}}`,
      `{"auths": {"reg.test": "${secret}"}}`,
    ]
  ) {
    await assert.rejects(readText(text), (error: ImageError) => {
      assert.equal(error.code, "invalid-input", text);
      assert.match(error.message, /config\.json"/);
      assert.ok(!error.message.includes(secret));
      return true;
    });
  }
});

/** The finder's answer for `reg.test/team/app` where the environment is just this. */
async function find(variables: Readonly<Record<string, string>>) {
  return await new CredentialFinder("reg.test", { env: (name) => variables[name] || undefined }).find("team/app");
}

Deno.test("DOCKER_AUTH_CONFIG goes before every file; a file goes where it says nothing", async () => {
  await using folder = await tempFolder();
  const file = (name: string, text: string) => Deno.writeTextFile(`${folder.path}/${name}`, text);
  await file("config.json", `{"auths": {"reg.test": {${auth("docker:p")}}}}`);
  await file("auth.json", `{"auths": {"reg.test": {${auth("podman:p")}}}}`);
  const named = { DOCKER_CONFIG: folder.path, REGISTRY_AUTH_FILE: `${folder.path}/auth.json` };
  const mine = `{"auths": {"reg.test": {${auth("variable:p")}}}}`;
  assert.deepEqual(await find({ ...named, DOCKER_AUTH_CONFIG: mine }), password("variable", "p"));
  for (const nothing of ["", "  ", "{}", "null", `{"auths": {"other.test": {${auth("x:y")}}}}`]) {
    assert.deepEqual(await find({ ...named, DOCKER_AUTH_CONFIG: nothing }), password("podman", "p"), nothing);
  }
  assert.deepEqual(await find({ DOCKER_CONFIG: folder.path }), password("docker", "p"));
  // Build servers can hand over the path of a file in place of its content.
  await file("variable", mine);
  assert.deepEqual(await find({ DOCKER_AUTH_CONFIG: `${folder.path}/variable` }), password("variable", "p"));
  await assert.rejects(find({ DOCKER_AUTH_CONFIG: "{s3cret" }), {
    code: "invalid-input",
    message: "Cannot read DOCKER_AUTH_CONFIG: it is not valid JSON",
  });
});

Deno.test("odd places of the configuration hold nothing, or say what they are", async () => {
  await using folder = await tempFolder();
  await Deno.writeTextFile(`${folder.path}/file`, "x");
  assert.equal(
    await find({ DOCKER_CONFIG: `${folder.path}/none`, REGISTRY_AUTH_FILE: `${folder.path}/no.json` }),
    undefined,
  );
  assert.equal(await find({ DOCKER_CONFIG: `${folder.path}/file` }), undefined);
  await Deno.mkdir(`${folder.path}/docker/config.json`, { recursive: true });
  await assert.rejects(find({ DOCKER_CONFIG: `${folder.path}/docker` }), {
    code: "invalid-input",
    message: /^Cannot read credentials ".*\/docker\/config\.json": Is a directory/,
  });
});

Deno.test("helpers are found for a host, for a path of it, and by what the variable says; an empty one switches the store off", async () => {
  const answering = (who: string) => `read server; echo "{\\"Username\\":\\"${who}-$server\\",\\"Secret\\":\\"s\\"}"`;
  await withHelper("one", answering("one"), async () => {
    await withHelper("two", answering("two"), async () => {
      const config = (credHelpers: unknown, more = {}) => JSON.stringify({ credsStore: "two", credHelpers, ...more });
      const cases: readonly (readonly [unknown, Credentials | undefined])[] = [
        [{ "reg.test": "one" }, password("one-reg.test", "s")],
        [{ "https://reg.test/v2/": "one" }, password("one-reg.test", "s")],
        [{ "reg.test": "two", "reg.test/team": "one" }, password("one-reg.test/team", "s")],
        [{ "reg.test/teams": "one" }, password("two-reg.test", "s")],
        [{ "other.test": "one", "reg.test": null }, password("two-reg.test", "s")],
        [{ "reg.test": "" }, undefined],
      ];
      for (const [helpers, expected] of cases) {
        const text = config(helpers);
        assert.deepEqual(await find({ DOCKER_AUTH_CONFIG: text }), expected, text);
      }
      const off = config({ "reg.test": "" }, { auths: { "reg.test": { auth: btoa("u:p") } } });
      assert.deepEqual(await find({ DOCKER_AUTH_CONFIG: off }), password("u", "p"));
    });
  });
  const env = (name: string) =>
    name === "DOCKER_AUTH_CONFIG"
      ? '{"CredsStore": "pass", "credHelpers": {"a": "gcr", "b": null, "c": ""}}'
      : undefined;
  assert.deepEqual(await configuredHelpers(env), ["docker-credential-pass", "docker-credential-gcr"]);
  assert.deepEqual(authPlaces(env).map(({ name }) => name), ["DOCKER_AUTH_CONFIG"]);
});

Deno.test("a store that fails does not hide an entry beside it, and fails where there is none", async () => {
  await withHelper("locked", "echo the key ring is locked; exit 1", async () => {
    const config = { credsStore: "locked", auths: { "reg.test": { auth: btoa("u:p") }, "other.test": {} } };
    assert.deepEqual(await find({ DOCKER_AUTH_CONFIG: JSON.stringify(config) }), password("u", "p"));
    await assert.rejects(find({ DOCKER_AUTH_CONFIG: JSON.stringify({ ...config, auths: { "reg.test": {} } }) }), {
      code: "unauthorized",
    });
  });
});

Deno.test("answers of helpers are read as docker reads them", async () => {
  const answers: readonly (readonly [string, Credentials | undefined])[] = [
    ['{"ServerURL":"reg.test","Username":"u","Secret":"s"}\n', password("u", "s")],
    ['{"username":"u","secret":"s"}', password("u", "s")],
    ['{"USERNAME":"u","SECRET":"s","Extra":{"a":[1]}}', password("u", "s")],
    ['\ufeff{"Username":"u","Secret":"s"}', password("u", "s")],
    ['{"Username":"u","Secret":"s"}\nWarning: this key ends in 3 days\n', password("u", "s")],
    ['{"Username":"u","Secret":"a}b\\"c"} trailing', password("u", 'a}b"c')],
    ['{"Username":"<token>","Secret":"it"}', { kind: "identity-token", token: "it" }],
    ['{"Username":"","Secret":""}', undefined],
    ['{"Username":null,"Secret":null}', undefined],
    ["", undefined],
  ];
  await using folder = await tempFolder();
  for (const [answer, expected] of answers) {
    await Deno.writeTextFile(`${folder.path}/answer`, answer);
    await withHelper("echo", `cat >/dev/null; cat '${folder.path}/answer'`, async () => {
      assert.deepEqual(await askCredentialHelper("echo", "reg.test"), expected, answer);
    });
  }
  await withHelper("empty", "echo '  Credentials not found in native keychain '; exit 1", async () => {
    assert.equal(await askCredentialHelper("empty", "reg.test"), undefined);
  });
});
