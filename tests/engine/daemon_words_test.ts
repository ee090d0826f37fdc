import assert from "node:assert/strict";
import type { BlobReader } from "../../src/bytes/blob_reader.ts";
import { addressConnection, chosenConnection } from "../../src/engine/connection.ts";
import { EngineClient } from "../../src/engine/engine_client.ts";
import type { EngineHost, SocketState } from "../../src/engine/engine_host.ts";
import { findEngine } from "../../src/engine/find_engine.ts";
import { type ImageError, isImageError } from "../../src/errors.ts";
import { fakeEngine, fakeHost } from "../support/fake_engine.ts";
import { socketPath } from "../support/sockets.ts";

/** What is said of daemons: which one, why not, and what to do. */

Deno.test("addressConnection() reads every form that docker takes", { permissions: "none" }, () => {
  const baseUrl = (address: string) => addressConnection(address, "t").baseUrl;
  assert.equal(baseUrl("127.0.0.1:2375"), "http://127.0.0.1:2375");
  assert.equal(baseUrl("build-host"), "http://build-host:2375");
  assert.equal(baseUrl(":2375"), "http://localhost:2375");
  assert.equal(baseUrl("tcp://:4321"), "http://localhost:4321");
  assert.equal(baseUrl("tcp://"), "http://localhost:2375");
  assert.equal(baseUrl("[::1]:2375"), "http://[::1]:2375");
  assert.equal(baseUrl("  tcp://10.0.0.1:2375 \n"), "http://10.0.0.1:2375");
  assert.equal(addressConnection("unix://", "t").http.unixSocket, "/var/run/docker.sock");
  assert.equal(addressConnection("unix://", "t").address, "unix:///var/run/docker.sock");
  assert.equal(addressConnection(" unix:///x.sock", "t").http.unixSocket, "/x.sock");
  assert.equal(addressConnection("127.0.0.1:2375", "t").address, "tcp://127.0.0.1:2375");
});

Deno.test("chosenConnection() takes a DOCKER_HOST of blanks for none", { permissions: "none" }, async () => {
  assert.equal(await chosenConnection(fakeHost({ env: { DOCKER_HOST: "  " } })), undefined);
  const found = await chosenConnection(fakeHost({ env: { DOCKER_HOST: " unix:///x.sock" } }));
  assert.equal(found?.http.unixSocket, "/x.sock");
});

/** The error of an address that is refused. */
function refused(address: string): ImageError {
  try {
    addressConnection(address, "DOCKER_HOST");
  } catch (error) {
    if (isImageError(error)) return error;
  }
  throw new Error(`${address} was taken`);
}

Deno.test("addressConnection() shows the user of an ssh address, and no password", { permissions: "none" }, () => {
  const plain = refused("ssh://me@build-host");
  assert.match(plain.message, /"ssh:\/\/me@build-host"/);
  assert.match(plain.hint ?? "", /docker\.sock me@build-host and use/);
  const full = refused("ssh://me:secret@build-host:2222/run/docker.sock");
  assert.match(full.message, /"ssh:\/\/me@build-host:2222\/run\/docker.sock"/);
  assert.match(full.hint ?? "", /docker\.sock -p 2222 me@build-host and use/);
  assert.doesNotMatch(`${full.message}${full.hint}`, /secret/);
  // Elsewhere a user may be a token.
  assert.match(refused("tcp://token@host").message, /"tcp:\/\/host"/);
  assert.match(refused("/var/run/docker.sock").hint ?? "", /^Write it as unix:\/\/\/var\/run\/docker\.sock$/);
});

/** The error of a search for a daemon. */
async function notFound(host: EngineHost, lines: string[] = []): Promise<ImageError> {
  try {
    await findEngine({ host, log: (line) => lines.push(line) });
  } catch (error) {
    if (isImageError(error)) return error;
    throw error;
  }
  throw new Error("a daemon was found");
}

Deno.test("findEngine() says in one short line that there is no daemon, and keeps the list for --debug", async () => {
  const lines: string[] = [];
  const error = await notFound(fakeHost(), lines);
  assert.equal(error.code, "unavailable");
  assert.equal(error.message, "Cannot find a container daemon: none is named and no usual socket is there");
  assert.match(error.hint ?? "", /^Start Docker or podman, .*--file image\.tar .*doctor --self/);
  assert.ok(lines.includes("daemon /var/run/docker.sock (Docker): not there"), lines.join("\n"));
  assert.ok(lines.length >= 10);
});

Deno.test("findEngine() names the sockets that are there and silent", async () => {
  const error = await notFound(fakeHost({ sockets: { "/home/me/.rd/docker.sock": "connection refused" } }));
  assert.match(
    error.message,
    /no usual socket answers; \/home\/me\/\.rd\/docker\.sock \(Rancher Desktop\): connection refused$/,
  );
});

for (
  const [path, group, hint] of [
    ["/var/run/docker.sock", "docker", /^Join the group "docker", which may use it \(sudo usermod -aG docker \$USER/],
    ["/var/run/docker.sock", "root", /^Run s3lo as the user who owns it, or set up rootless Docker/],
    ["/var/run/docker.sock", undefined, /^Run s3lo as the user who owns it, or set up rootless Docker/],
    [
      "/run/podman/podman.sock",
      "root",
      /^Start a podman service of your own \(systemctl --user start podman\.socket\)/,
    ],
  ] as const
) {
  Deno.test(`findEngine() says how to get at ${path} of group ${group}`, async () => {
    const sockets: Record<string, SocketState> = { [path]: "permission denied" };
    for (const env of [{}, { DOCKER_HOST: `unix://${path}` }]) {
      const host = { ...fakeHost({ sockets, env }), groupOf: () => Promise.resolve(group) };
      const error = await notFound(host);
      assert.equal(error.code, "denied");
      assert.match(
        error.message,
        new RegExp(`^Cannot use the daemon at "unix://${path}" \\(from .*\\): permission denied$`),
      );
      assert.match(error.hint ?? "", hint);
      assert.doesNotMatch(error.hint ?? "", /Start the daemon/);
    }
  });
}

/** A daemon on a bare socket: it introduces itself and hands every other request, as far as it came, to `answer`. */
async function withBareDaemon(
  answer: (connection: Deno.Conn, request: string) => Promise<void>,
  body: (client: EngineClient, address: string) => Promise<void>,
): Promise<void> {
  const path = await socketPath();
  using listener = Deno.listen({ transport: "unix", path });
  const send = (connection: Deno.Conn, text: string, headers = "") =>
    connection.write(
      new TextEncoder().encode(`HTTP/1.1 200 OK\r\n${headers}Content-Length: ${text.length}\r\n\r\n${text}`),
    );
  const serve = async (connection: Deno.Conn) => {
    const buffer = new Uint8Array(64 * 1024);
    for (let count; (count = await connection.read(buffer).catch(() => null)) !== null;) {
      const text = new TextDecoder().decode(buffer.subarray(0, count));
      if (text.includes("/_ping HTTP")) await send(connection, "OK", "Api-Version: 1.41\r\n");
      else if (text.includes("/version HTTP")) await send(connection, `{"Os":"linux","Arch":"amd64"}`);
      else if (text.includes("/info HTTP")) await send(connection, `{"DriverStatus":[]}`);
      else {
        await answer(connection, text);
        break;
      }
    }
    connection.close();
  };
  const serving = (async () => {
    const open: Promise<void>[] = [];
    for await (const connection of listener) open.push(serve(connection));
    await Promise.all(open);
  })();
  {
    using client = await EngineClient.connect(addressConnection(`unix://${path}`, "test"));
    await body(client, `unix://${path}`);
  }
  listener.close();
  await serving.catch(() => {});
}

/** A tar that does not end before the daemon does. */
const endless: BlobReader = {
  read: (into) => Promise.resolve(into),
  [Symbol.asyncDispose]: () => Promise.resolve(),
};

Deno.test("the words of a daemon that hangs up while it is sent an image are heard", async () => {
  const message = `{"message":"write /layer.tar: no space left on device"}`;
  const refusal = async (connection: Deno.Conn) => {
    const head = `HTTP/1.1 500 Internal Server Error\r\nContent-Length: ${message.length}\r\n\r\n`;
    await connection.write(new TextEncoder().encode(head + message));
  };
  await withBareDaemon(refusal, async (client) => {
    await assert.rejects(
      client.loadImage(endless),
      (error) => isImageError(error, "unavailable") && /no space left on device$/.test(error.message),
    );
  });
});

Deno.test("a daemon that hangs up without a word is named by its socket", async () => {
  await withBareDaemon(() => Promise.resolve(), async (client, address) => {
    await assert.rejects(
      client.loadImage(endless),
      (error) =>
        isImageError(error, "unavailable") && error.message.includes(`no answer from the daemon at "${address}"`),
    );
  });
});

Deno.test("a daemon that dies while it exports is named by its socket and by no made-up host", async () => {
  const half = async (connection: Deno.Conn) => {
    await connection.write(new TextEncoder().encode(`HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nthe beginning`));
  };
  await withBareDaemon(half, async (client, address) => {
    await using tar = await client.saveImage(["app:v1"]);
    const readAll = async () => {
      while ((await tar.read(new Uint8Array(1000))).byteLength > 0);
    };
    await assert.rejects(readAll(), (error) => {
      assert.ok(isImageError(error, "unavailable"), String(error));
      assert.ok(error.message.startsWith(`Cannot export "app:v1" from the daemon: the connection broke to the daemon`));
      assert.ok(error.message.includes(address));
      assert.doesNotMatch(error.message, /localhost/);
      return true;
    });
  });
});

Deno.test("loadImage() takes it for a failure that the image could not be unpacked", async () => {
  const reply = [
    `{"stream":"Loaded image: app:v1\\n"}`,
    `{"stream":"Error unpacking image app:v1: apply layer error for \\"app:v1\\": no space left on device\\n"}`,
  ];
  await using engine = await fakeEngine({
    containerd: true,
    handle: async (request) => {
      await request.bytes();
      return new Response(`${reply.join("\r\n")}\r\n`);
    },
  });
  using client = await EngineClient.connect(addressConnection(engine.address, "test"));
  let left = 3;
  const tar: BlobReader = { ...endless, read: (into) => Promise.resolve(left-- > 0 ? into : into.subarray(0, 0)) };
  await assert.rejects(
    client.loadImage(tar),
    (error) =>
      isImageError(error, "invalid-input") &&
      /it cannot unpack the image: .*no space left on device$/.test(error.message),
  );
});
