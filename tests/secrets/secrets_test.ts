/**
 * Every kind of command, with --debug, against servers that ask for passwords, hand out tokens and sign addresses, when all
 * goes well and when it does not: none of it may show up in what s3lo says, nor in the arguments of what it starts.
 */
import assert from "node:assert/strict";
import { blobPath, type Digest } from "../../src/oci/digest.ts";
import { readStoredTag, tempFolder, writeStore } from "../cli/places.ts";
import { s3lo } from "../cli/program.ts";
import { oddS3, refuse } from "../objects/odd_s3_server.ts";
import { singleImage, type TestImage } from "../support/images.ts";
import { type ScriptedServer, serveScript } from "../support/scripted_server.ts";

const image = singleImage({ os: "linux", architecture: "amd64" }, { seed: 5, layerBytes: 5000 });
const arm64 = singleImage({ os: "linux", architecture: "arm64" }, { seed: 6, layerBytes: 5000 });

/** Everything that must stay unsaid. */
const SECRETS = {
  password: "Pa55w0rd-of-the-user",
  basic: btoa("user:Pa55w0rd-of-the-user"),
  token: "t0ken-of-the-registry-4711",
  signature: "5igned-query-0815",
  credential: "AKIASTORAGE4711",
  upload: "upl0ad-state-2222",
  awsSecret: "aws-5ecret-key-3333",
  awsSession: "aws-5ession-token-4444",
};

/** A registry behind a token server whose blobs lie on a storage with signed addresses. */
function serveRegistry(images: readonly TestImage[], fails: (path: string) => boolean): ScriptedServer {
  const manifests = new Map(
    images.flatMap((each, index) => [[`v${index + 1}`, each], [each.root.descriptor.digest, each]]),
  );
  const server: ScriptedServer = serveScript(({ method, path, headers }) => {
    const url = new URL(path, "http://registry");
    if (url.pathname === "/token") {
      if (headers.get("authorization") !== `Basic ${SECRETS.basic}`) return new Response("no", { status: 401 });
      return Response.json({ token: SECRETS.token });
    }
    if (url.pathname.startsWith("/storage/")) {
      assert.equal(headers.get("authorization"), null);
      if (fails(path)) return new Response("<Error><Code>AccessDenied</Code></Error>", { status: 403 });
      const bytes = images.map((each) => each.blobs.get(url.pathname.slice(9) as Digest))
        .find((each) => each);
      return bytes ? new Response(bytes) : undefined;
    }
    if (headers.get("authorization") !== `Bearer ${SECRETS.token}`) {
      const challenge = `Bearer realm="${server.origin}/token",service="s",scope="repository:app:pull,push"`;
      return new Response("{}", { status: 401, headers: { "www-authenticate": challenge } });
    }
    if (url.pathname === "/v2/") return new Response("{}");
    if (fails(url.pathname)) return Response.json({ errors: [{ code: "DENIED", message: "no" }] }, { status: 403 });
    if (url.pathname.endsWith("/tags/list")) return Response.json({ name: "app", tags: ["v1", "v2"] });
    const found = manifests.get(url.pathname.split("/").at(-1)!);
    if (url.pathname.includes("/manifests/") && method !== "PUT") {
      if (!found) return undefined;
      const { mediaType, digest } = found.root.descriptor;
      const told = { "content-type": mediaType, "docker-content-digest": digest };
      return new Response(method === "HEAD" ? null : found.root.bytes, { headers: told });
    }
    if (method === "POST") {
      const location = `/v2/app/blobs/uploads/1?_state=${SECRETS.upload}`;
      return new Response(null, { status: 202, headers: { location } });
    }
    if (method === "PUT" || method === "PATCH" || method === "DELETE") return new Response(null, { status: 201 });
    if (url.pathname.includes("/blobs/")) {
      if (method === "HEAD") return undefined;
      const query = `X-Amz-Credential=${SECRETS.credential}&X-Amz-Signature=${SECRETS.signature}`;
      const location = `http://localhost:${server.host.split(":")[1]}/storage/${
        url.pathname.split("/").at(-1)
      }?${query}`;
      return new Response(null, { status: 307, headers: { location } });
    }
    return undefined;
  });
  return server;
}

for (
  const [how, fails] of [["that work", () => false], [
    "that fail",
    (path: string) => /storage|blobs|PUT/.test(path),
  ]] as const
) {
  Deno.test(`commands ${how} say nothing secret, whatever --debug shows`, async () => {
    await using folder = await tempFolder();
    await using odd = await oddS3((request) =>
      fails("blobs") && request.operation === "PutObject" ? refuse(403, "AccessDenied", "no") : undefined
    );
    await using server = serveRegistry([image, arm64], fails);
    await writeStore(`${folder.path}/store`, "app", "v1", image);
    await Deno.mkdir(`${folder.path}/docker`);
    const helper = `${folder.path}/docker-credential-pass`;
    const said = { ServerURL: server.host, Username: "user", Secret: SECRETS.password };
    await Deno.writeTextFile(
      helper,
      `#!/bin/sh\necho "$0 $*" >> ${folder.path}/arguments\ncat > /dev/null\necho '${JSON.stringify(said)}'\n`,
      { mode: 0o755 },
    );
    const configs = {
      entry: { auths: { [server.host]: { auth: SECRETS.basic } } },
      helper: { credHelpers: { [server.host]: "pass" } },
    };
    const env = {
      DOCKER_CONFIG: `${folder.path}/docker`,
      AWS_CONFIG_FILE: "/nonexistent",
      AWS_SHARED_CREDENTIALS_FILE: "/nonexistent",
      PATH: `${folder.path}:${Deno.env.get("PATH")}`,
      AWS_ACCESS_KEY_ID: "AKIAODDSERVERTEST",
      AWS_SECRET_ACCESS_KEY: SECRETS.awsSecret,
      AWS_SESSION_TOKEN: SECRETS.awsSession,
      AWS_EC2_METADATA_DISABLED: "true",
    };
    const source = `${server.host}/app:v1`;
    const local = `local://${folder.path}/store//app:v1`;
    const commands: (readonly string[])[] = [
      ["copy", source, `local://${folder.path}/a//app:v1`],
      ["copy", source, "s3://odd/app:v1"],
      ["copy", local, `${server.host}/app:v3`],
      ["copy", "s3://odd/app:v1", `local://${folder.path}/b//app:v1`],
      ["inspect", source],
      ["inspect", "s3://odd/app:v1"],
      ["list", `${server.host}/app`],
      ["list", "s3://odd"],
      ["pull", "-f", `${folder.path}/image.tar`, source, "app:v1"],
      ["push", "-f", `${folder.path}/image.tar`, "s3://odd/app:pushed"],
      ["index", "add", "s3://odd/app:all", source, `${server.host}/app:v2`],
      ["bundle", "save", "-f", `${folder.path}/bundle.tar`, source],
      ["copy", `${server.host}/app:none`, "s3://odd/app:v2"],
    ];
    let isAuthorized = false;
    for (const [kind, config] of Object.entries(configs)) {
      await Deno.writeTextFile(`${folder.path}/docker/config.json`, JSON.stringify(config));
      for (const command of kind === "helper" ? commands.slice(0, 2) : commands) {
        const run = await s3lo([...command, "--debug", "--endpoint", odd.server.origin, "--region", "us-east-1"], {
          env,
        });
        if (how === "that work") assert.match(run.stderr, /debug: /, `${command.join(" ")}: ${run.stderr}`);
        isAuthorized ||= run.stderr.includes("/token");
        for (const [name, secret] of Object.entries(SECRETS)) {
          const shown = `${run.stdout}\n${run.stderr}`;
          assert.ok(!shown.includes(secret), `${name} in the output of ${command.join(" ")} (${kind}):\n${shown}`);
        }
      }
    }
    const given = await s3lo([
      "copy",
      source,
      `local://${folder.path}/c//app:v1`,
      "--debug",
      "--username",
      "user",
      "--password-stdin",
    ], {
      env: { ...env, DOCKER_CONFIG: "/nonexistent" },
      stdin: `${SECRETS.password}\n`,
    });
    for (const secret of Object.values(SECRETS)) {
      assert.ok(!`${given.stdout}${given.stderr}`.includes(secret), given.stderr);
    }
    assert.ok(isAuthorized, "no command ever logged in");
    if (how === "that work") {
      assert.deepEqual(await readStoredTag(`${folder.path}/a`, "app", "v1"), image.root.bytes);
      assert.ok(odd.objects.has(blobPath([...image.blobs.keys()][0]!)));
    }
    // What is started gets its secrets by its standard input and output, never as arguments that anybody may list.
    const started = await Deno.readTextFile(`${folder.path}/arguments`);
    for (const line of started.trim().split("\n")) assert.match(line, /docker-credential-pass get$/);
  });
}
