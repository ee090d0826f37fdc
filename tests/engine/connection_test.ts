import assert from "node:assert/strict";
import { addressConnection, chosenConnection } from "../../src/engine/connection.ts";
import { defaultSockets } from "../../src/engine/default_sockets.ts";
import { isImageError } from "../../src/errors.ts";
import { fakeHost } from "../support/fake_engine.ts";

const META =
  "/home/me/.docker/contexts/meta/fe9c6bd7a66301f49ca9b6a70b217107cd1284598bfc254700c989b916da791e/meta.json";
const TLS = "/home/me/.docker/contexts/tls/fe9c6bd7a66301f49ca9b6a70b217107cd1284598bfc254700c989b916da791e/docker";

/** The metadata of a context called "desktop-linux", as Docker's client writes it. */
function contextMeta(address: string, more: Record<string, unknown> = {}): string {
  return JSON.stringify({
    Name: "desktop-linux",
    Metadata: { Description: "Docker Desktop" },
    Endpoints: { docker: { Host: address, SkipTLSVerify: false, ...more } },
  });
}

function test(name: string, body: () => Promise<void> | void): void {
  Deno.test({ name, permissions: "none", fn: body });
}

test("chosenConnection() names no daemon when nothing is set", async () => {
  assert.equal(await chosenConnection(fakeHost()), undefined);
  const files = { "/home/me/.docker/config.json": `{"auths":{},"currentContext":"default"}` };
  assert.equal(await chosenConnection(fakeHost({ files })), undefined);
});

test("chosenConnection() takes --docker-host before DOCKER_HOST before contexts", async () => {
  const env = { DOCKER_HOST: "unix:///from/env.sock", DOCKER_CONTEXT: "desktop-linux" };
  const files = { [META]: contextMeta("unix:///from/context.sock") };
  const given = await chosenConnection(fakeHost({ env, files }), { dockerHost: "unix:///given.sock" });
  assert.equal(given?.http.unixSocket, "/given.sock");
  assert.equal(given?.origin, "--docker-host");
  const fromEnv = await chosenConnection(fakeHost({ env, files }));
  assert.equal(fromEnv?.http.unixSocket, "/from/env.sock");
  const fromContext = await chosenConnection(fakeHost({ env: { DOCKER_CONTEXT: "desktop-linux" }, files }));
  assert.equal(fromContext?.http.unixSocket, "/from/context.sock");
  assert.equal(fromContext?.origin, `context "desktop-linux"`);
});

test("chosenConnection() follows currentContext, and DOCKER_CONTEXT=default goes around it", async () => {
  const files = {
    "/home/me/.docker/config.json": `{"currentContext":"desktop-linux"}`,
    [META]: contextMeta("unix:///home/me/.docker/run/docker.sock"),
  };
  const found = await chosenConnection(fakeHost({ files }));
  assert.equal(found?.address, "unix:///home/me/.docker/run/docker.sock");
  assert.equal(await chosenConnection(fakeHost({ files, env: { DOCKER_CONTEXT: "default" } })), undefined);
});

test("chosenConnection() reads contexts below DOCKER_CONFIG", async () => {
  const files = { [META.replace("/home/me/.docker", "/etc/dc")]: contextMeta("unix:///x.sock") };
  const env = { DOCKER_CONFIG: "/etc/dc", DOCKER_CONTEXT: "desktop-linux" };
  assert.equal((await chosenConnection(fakeHost({ env, files })))?.http.unixSocket, "/x.sock");
});

test("chosenConnection() takes a context's certificates", async () => {
  const files = {
    [META]: contextMeta("tcp://build.example.com:2376"),
    [`${TLS}/ca.pem`]: "CA",
    [`${TLS}/cert.pem`]: "CERT",
    [`${TLS}/key.pem`]: "KEY",
  };
  const env = { DOCKER_CONTEXT: "desktop-linux" };
  const found = await chosenConnection(fakeHost({ env, files }));
  assert.equal(found?.baseUrl, "https://build.example.com:2376");
  assert.deepEqual(found?.http, { caCertificates: ["CA"], clientCertificate: { cert: "CERT", key: "KEY" } });
  const skipping = { ...files, [META]: contextMeta("tcp://build.example.com:2376", { SkipTLSVerify: true }) };
  assert.equal((await chosenConnection(fakeHost({ env, files: skipping })))?.http.insecure, true);
});

test("chosenConnection() says which context is missing", async () => {
  await assert.rejects(
    chosenConnection(fakeHost({ env: { DOCKER_CONTEXT: "gone" } })),
    (error) =>
      isImageError(error, "not-found") && /"gone"/.test(error.message) && /docker context ls/.test(error.hint!),
  );
});

test("chosenConnection() refuses a context without a docker endpoint", async () => {
  const files = { [META]: `{"Name":"desktop-linux","Endpoints":{}}` };
  await assert.rejects(
    chosenConnection(fakeHost({ env: { DOCKER_CONTEXT: "desktop-linux" }, files })),
    (error) => isImageError(error, "invalid-input"),
  );
});

test("chosenConnection() turns tcp into TLS by DOCKER_TLS_VERIFY and DOCKER_CERT_PATH", async () => {
  const env = { DOCKER_HOST: "tcp://10.0.0.1", DOCKER_TLS_VERIFY: "1", DOCKER_CERT_PATH: "/certs" };
  const files = { "/certs/ca.pem": "CA", "/certs/cert.pem": "CERT", "/certs/key.pem": "KEY" };
  const found = await chosenConnection(fakeHost({ env, files }));
  assert.equal(found?.baseUrl, "https://10.0.0.1:2376");
  assert.deepEqual(found?.http, { caCertificates: ["CA"], clientCertificate: { cert: "CERT", key: "KEY" } });
  await assert.rejects(chosenConnection(fakeHost({ env })), (error) => isImageError(error, "not-found"));
  await assert.rejects(
    chosenConnection(fakeHost({ env, files: { "/certs/cert.pem": "CERT" } })),
    (error) => isImageError(error, "invalid-input") && /key\.pem/.test(error.message),
  );
});

test("chosenConnection() leaves a Unix socket without TLS whatever the environment says", async () => {
  const env = { DOCKER_HOST: "unix:///x.sock", DOCKER_TLS_VERIFY: "1" };
  assert.deepEqual((await chosenConnection(fakeHost({ env })))?.http, { unixSocket: "/x.sock" });
});

test("addressConnection() reads tcp, http and https", () => {
  assert.equal(addressConnection("tcp://localhost", "t").baseUrl, "http://localhost:2375");
  assert.equal(addressConnection("tcp://localhost:80", "t").baseUrl, "http://localhost");
  assert.equal(addressConnection("tcp://[::1]:2375", "t").baseUrl, "http://[::1]:2375");
  assert.equal(addressConnection("http://proxy/docker/", "t").baseUrl, "http://proxy/docker");
  assert.equal(addressConnection("https://h:1234", "t").baseUrl, "https://h:1234");
});

test("addressConnection() refuses what it cannot use, with a way out", () => {
  const refused = (address: string, code: "unsupported" | "invalid-reference", hint?: RegExp) =>
    assert.throws(
      () => addressConnection(address, "DOCKER_HOST"),
      (error) =>
        isImageError(error, code) && /DOCKER_HOST/.test(error.message) && (!hint || hint.test(error.hint ?? "")),
      address,
    );
  refused("ssh://me@server", "unsupported", /ssh -nNT -L .*docker load/);
  refused("npipe:////./pipe/docker_engine", "unsupported", /--file/);
  refused("fd://", "invalid-reference");
  refused("/var/run/docker.sock", "invalid-reference");
  refused("unix://relative.sock", "invalid-reference");
  refused("http://", "invalid-reference");
  refused("tcp://user:secret@host", "invalid-reference");
  assert.throws(() => addressConnection("tcp://user:secret@host", "t"), (error) => !/secret/.test(String(error)));
});

test("defaultSockets() lists the usual places in the documented order", () => {
  const linux = fakeHost({ env: { XDG_RUNTIME_DIR: "/run/user/1000" } });
  assert.deepEqual(defaultSockets(linux).map((socket) => socket.path), [
    "/var/run/docker.sock",
    "/run/user/1000/docker.sock",
    "/home/me/.docker/run/docker.sock",
    "/home/me/.docker/desktop/docker.sock",
    "/home/me/.colima/default/docker.sock",
    "/home/me/.config/colima/default/docker.sock",
    "/home/me/.rd/docker.sock",
    "/home/me/.orbstack/run/docker.sock",
    "/run/user/1000/podman/podman.sock",
    "/run/podman/podman.sock",
  ]);
  const mac = defaultSockets(fakeHost({ os: "darwin", env: { TMPDIR: "/var/folders/x/T/" } })).map((s) => s.path);
  assert.ok(mac.includes("/var/folders/x/T/podman/podman-machine-default-api.sock"));
});
