import assert from "node:assert/strict";
import { socketPath } from "../support/sockets.ts";
import { bytesReader, readAll } from "../../src/bytes/blob_reader.ts";
import { ImageError } from "../../src/errors.ts";
import { HttpClient } from "../../src/http/client.ts";
import type { HttpResponse, StreamedBody } from "../../src/http/message.ts";
import { certificatesExpected, makeCertificate } from "../support/certificates.ts";
import { serveRaw, serveScript, writeText } from "../support/scripted_server.ts";

const permissions: Deno.PermissionOptions = { net: ["127.0.0.1", "localhost"], env: true, sys: "inherit" };

function streamOf(bytes: Uint8Array): StreamedBody {
  return { sizeBytes: bytes.byteLength, content: bytesReader(bytes) };
}

async function textOf(response: HttpResponse): Promise<string> {
  return new TextDecoder().decode(await response.bytes(1024));
}

Deno.test("HttpClient.send() sends a streamed body with its length, byte for byte", { permissions }, async () => {
  await using server = serveScript(() => new Response("taken", { status: 201 }));
  using client = new HttpClient();
  const bytes = crypto.getRandomValues(new Uint8Array(60_000));
  const body = new Uint8Array(1_500_000);
  for (let at = 0; at < body.byteLength; at += bytes.byteLength) body.set(bytes, at);
  const response = await client.send({ method: "PUT", url: `${server.origin}/up`, body: streamOf(body) });
  assert.equal(response.status, 201);
  assert.equal(await textOf(response), "taken");
  assert.equal(server.requests[0]?.headers.get("content-length"), "1500000");
  assert.equal(server.requests[0]?.headers.get("transfer-encoding"), null);
  assert.deepEqual(server.requests[0]?.body, body);
});

Deno.test("HttpClient.send() never lets the server see the whole of a body that fails", { permissions }, async () => {
  let received = 0;
  await using server = serveRaw(async (_, connection) => {
    const buffer = new Uint8Array(64 * 1024);
    for (let count = await connection.read(buffer); count !== null; count = await connection.read(buffer)) {
      received += count;
    }
  });
  using client = new HttpClient();
  const whole = bytesReader(new Uint8Array(600_000));
  const failure = new ImageError("digest-mismatch", "Cannot read it: it is wrong");
  let handedOut = 0;
  const content = {
    async read(into: Uint8Array<ArrayBuffer>) {
      if (handedOut >= 500_000) throw failure;
      const piece = await whole.read(into);
      handedOut += piece.byteLength;
      return piece;
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  const request = { method: "PUT", url: `http://${server.host}/up`, body: { sizeBytes: 600_000, content } };
  await assert.rejects(client.send(request), (error) => error === failure);
  await server[Symbol.asyncDispose]();
  assert.ok(received < 600_000, `${received} bytes arrived`);
});

Deno.test("HttpClient.send() fails when a streamed body ends short of its length", { permissions }, async () => {
  await using server = serveRaw(async (_, connection) => {
    const buffer = new Uint8Array(64 * 1024);
    while (await connection.read(buffer) !== null) { /* waits for what never comes */ }
  });
  using client = new HttpClient();
  const body = { sizeBytes: 100, content: bytesReader(new Uint8Array(60)) };
  await assert.rejects(client.send({ method: "PUT", url: `http://${server.host}/up`, body }), { code: "unavailable" });
});

Deno.test(
  "HttpClient.send() stops a body that is answered early and reads no more of it",
  { permissions },
  async () => {
    const done = Promise.withResolvers<void>();
    await using server = serveRaw(async (_, connection) => {
      await writeText(connection, "HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\nconnection: close\r\n\r\nbig");
      await done.promise;
    });
    using _done = { [Symbol.dispose]: () => done.resolve() };
    using client = new HttpClient();
    let reads = 0;
    const content = {
      read(into: Uint8Array<ArrayBuffer>) {
        reads++;
        return Promise.resolve(into);
      },
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
    const body = { sizeBytes: 1e12, content };
    const response = await client.send({ method: "PUT", url: `http://${server.host}/up`, body });
    assert.equal(response.status, 413);
    assert.equal(await textOf(response), "big");
    const readsThen = reads;
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(reads, readsThen);
  },
);

for (const insecure of [false, true]) {
  const way = insecure ? "node's client" : "fetch";
  Deno.test(`a body that ends short of Content-Length fails as unavailable (${way})`, { permissions }, async () => {
    await using server = serveRaw((_, connection) =>
      writeText(connection, "HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nonly this")
    );
    using client = new HttpClient({ insecure });
    const response = await client.send({ method: "GET", url: `http://${server.host}/` });
    await using reader = response.reader();
    await assert.rejects(readAll(reader, 100, "the body"), { code: "unavailable" });
  });
}

Deno.test("HttpClient.send() says aborted when the signal stops it", { permissions }, async () => {
  const done = Promise.withResolvers<void>();
  await using server = serveRaw(() => done.promise);
  using _done = { [Symbol.dispose]: () => done.resolve() };
  using client = new HttpClient();
  for (const body of [undefined, streamOf(new Uint8Array(10))]) {
    const signal = AbortSignal.timeout(50);
    const sent = client.send({ method: "PUT", url: `http://${server.host}/`, signal, body });
    await assert.rejects(sent, { code: "aborted" });
  }
});

for (const insecure of [false, true]) {
  const way = insecure ? "node's client" : "fetch";
  Deno.test(
    `a server that falls silent is given up, before its answer and in it (${way})`,
    { permissions },
    async () => {
      const given = Promise.withResolvers<void>();
      await using server = serveRaw(async (head, connection) => {
        if (head.includes("/body")) await writeText(connection, "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nab");
        await given.promise;
      });
      using _given = { [Symbol.dispose]: () => given.resolve() };
      using client = new HttpClient({ insecure, stallTimeoutMs: 100 });
      const expected = {
        code: "unavailable",
        message: /^Cannot reach "127\.0\.0\.1:\d+": it was silent for 0 seconds$/,
      };
      await assert.rejects(client.send({ method: "GET", url: `http://${server.host}/` }), expected);
      const response = await client.send({ method: "GET", url: `http://${server.host}/body` });
      await assert.rejects(response.bytes(100), expected);
    },
  );
}

Deno.test("a body that is read slowly, or sent slowly, is no silence of the server", { permissions }, async () => {
  await using server = serveScript(({ body }) => new Response(`${body.byteLength}`));
  // Longer than a busy machine needs for an answer of its own.
  using client = new HttpClient({ stallTimeoutMs: 2000 });
  const slow = bytesReader(new Uint8Array(3));
  const content = {
    async read(into: Uint8Array<ArrayBuffer>) {
      await new Promise((resolve) => setTimeout(resolve, 2500));
      return await slow.read(into);
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  const response = await client.send({ method: "PUT", url: `${server.origin}/`, body: { sizeBytes: 3, content } });
  await new Promise((resolve) => setTimeout(resolve, 2500));
  assert.equal(await textOf(response), "3");
});

Deno.test(
  "HttpClient.send() names the host when nothing listens, and logs no query secrets",
  { permissions },
  async () => {
    const lines: string[] = [];
    using client = new HttpClient({ log: (line) => lines.push(line) });
    const url = "http://127.0.0.1:1/x?X-Amz-Signature=secret&digest=sha256:ab";
    await assert.rejects(client.send({ method: "GET", url }), (error: ImageError) => {
      assert.equal(error.code, "unavailable");
      assert.match(error.message, /^Cannot reach "127\.0\.0\.1:1": /);
      assert.doesNotMatch(error.message, /secret/);
      return true;
    });
    assert.equal(lines.length, 1);
    assert.doesNotMatch(lines.join(), /secret/);
  },
);

Deno.test({
  name: "HttpClient trusts an own CA, on both of its ways, and nobody else",
  ignore: !certificatesExpected,
  fn: async () => {
    const certificate = await makeCertificate();
    await using server = serveScript(({ body }) => new Response(`${body.byteLength}`), { tls: certificate });
    const url = `${server.origin}/`;
    using trusting = new HttpClient({ caCertificates: [certificate.ca] });
    using careless = new HttpClient({ insecure: true });
    for (const client of [trusting, careless]) {
      assert.equal(await textOf(await client.send({ method: "GET", url })), "0");
      assert.equal(await textOf(await client.send({ method: "PUT", url, body: streamOf(new Uint8Array(9)) })), "9");
    }
    using strict = new HttpClient();
    for (const body of [undefined, streamOf(new Uint8Array(9))]) {
      await assert.rejects(strict.send({ method: "PUT", url, body }), (error: ImageError) => {
        assert.equal(error.code, "unavailable");
        assert.match(error.hint ?? "", /--ca-cert/);
        return true;
      });
    }
  },
});

Deno.test("HttpClient hints at --plain-http when the server does not speak TLS", { permissions }, async () => {
  await using server = serveScript(() => new Response("plain"));
  for (const insecure of [false, true]) {
    using client = new HttpClient({ insecure });
    await assert.rejects(client.send({ method: "GET", url: `https://${server.host}/` }), (error: ImageError) => {
      assert.match(error.hint ?? "", /--plain-http/, error.message);
      return true;
    });
  }
});

Deno.test("HttpClient sends everything to a Unix socket", async () => {
  const path = await socketPath();
  const server = Deno.serve({ path, onListen: () => {} }, async (request) => {
    return new Response(`${new URL(request.url).pathname} ${(await request.arrayBuffer()).byteLength}`);
  });
  try {
    using client = new HttpClient({ unixSocket: path });
    assert.equal(await textOf(await client.send({ method: "GET", url: "http://localhost/a" })), "/a 0");
    const body = streamOf(new Uint8Array(7));
    assert.equal(await textOf(await client.send({ method: "PUT", url: "http://localhost/b", body })), "/b 7");
  } finally {
    await server.shutdown();
  }
});

Deno.test("HttpClient asks first: a refusal is read before any of the body goes out, and else all of it does", {
  permissions,
}, async () => {
  for (const [status, wanted] of [[403, 0], [200, 100_000]] as const) {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const serving = (async () => {
      using connection = await listener.accept();
      const buffer = new Uint8Array(200_000);
      const read = async () => new TextDecoder().decode(buffer.subarray(0, await connection.read(buffer) ?? 0));
      let head = "";
      while (!head.includes("\r\n\r\n")) head += await read();
      assert.match(head, /^expect: 100-continue\r$/im);
      let body = head.slice(head.indexOf("\r\n\r\n") + 4);
      if (wanted > 0) await connection.write(new TextEncoder().encode("HTTP/1.1 100 Continue\r\n\r\n"));
      while (body.length < wanted) body += await read();
      await connection.write(new TextEncoder().encode(`HTTP/1.1 ${status} x\r\nContent-Length: 0\r\n\r\n`));
      return body.length;
    })();
    using client = new HttpClient();
    const content = bytesReader(new Uint8Array(100_000).fill(65));
    const response = await client.send({
      method: "PUT",
      url: `http://127.0.0.1:${listener.addr.port}/`,
      body: { sizeBytes: 100_000, content },
      asksFirst: true,
    });
    assert.equal(response.status, status);
    await response.discard();
    assert.equal(await serving, wanted);
  }
});
