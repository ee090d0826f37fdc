import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { permissionFlags } from "../../src/cli/permissions.ts";
import { proxyFor, readProxySettings } from "../../src/http/proxy.ts";
import { certificatesExpected, makeCertificate } from "../support/certificates.ts";
import { type RawServer, serveRaw, serveScript, writeText } from "../support/scripted_server.ts";

const SCRIPT = fileURLToPath(import.meta.resolve("./proxy_client.ts"));

/** What the child is to send; see proxy_client.ts. */
interface Wish {
  readonly url: string;
  readonly ca?: string;
  readonly insecure?: boolean;
  readonly streamed?: boolean;
}

async function sendInChild(wish: Wish, env: Record<string, string>): Promise<string> {
  const { stdout, stderr, success } = await new Deno.Command(Deno.execPath(), {
    args: ["run", ...permissionFlags(), SCRIPT, JSON.stringify(wish)],
    env: { ...env, DENO_NO_UPDATE_CHECK: "1", HTTP_PROXY: "", HTTPS_PROXY: "", NO_PROXY: "", ...env },
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

/** A proxy for `CONNECT` that leads everything to one port, and answers plain requests itself. */
function serveProxy(port: number): RawServer {
  return serveRaw(async (head, connection) => {
    if (!head.startsWith("CONNECT ")) {
      return await writeText(connection, "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nproxy");
    }
    using upstream = await Deno.connect({ hostname: "127.0.0.1", port });
    await writeText(connection, "HTTP/1.1 200 Connection established\r\n\r\n");
    const pipe = async (from: Deno.Conn, to: Deno.Conn) => {
      const buffer = new Uint8Array(16 * 1024);
      for (let count = await from.read(buffer); count !== null; count = await from.read(buffer)) {
        for (let done = 0; done < count;) done += await to.write(buffer.subarray(done, count));
      }
    };
    await Promise.race([pipe(connection, upstream), pipe(upstream, connection)]).catch(() => {});
  });
}

for (const streamed of [false, true]) {
  const way = streamed ? "a streamed upload" : "fetch";
  Deno.test(`${way} goes through HTTP_PROXY with its password, and around it where NO_PROXY says so`, async () => {
    await using server = serveScript(() => new Response("direct"));
    await using proxy = serveProxy(0);
    const env = { HTTP_PROXY: `http://user:pass@${proxy.host}` };
    assert.equal(await sendInChild({ url: "http://registry.test/v2/", streamed }, env), "200 proxy");
    const [head = ""] = proxy.heads;
    assert.match(head, streamed ? /^PUT http:\/\/registry\.test\/v2\/ / : /^GET http:\/\/registry\.test\/v2\/ /);
    assert.match(head, /^proxy-authorization: Basic dXNlcjpwYXNz$/im);
    const around = { ...env, NO_PROXY: "other.test,127.0.0.1" };
    assert.equal(await sendInChild({ url: `${server.origin}/`, streamed }, around), "200 direct");
    assert.equal(await sendInChild({ url: `${server.origin}/`, streamed }, env), "200 direct", "this machine itself");
    const missing = await sendInChild({ url: "http://a.registry.invalid/", streamed }, { ...env, NO_PROXY: "invalid" });
    assert.match(missing, /^Cannot reach "a\.registry\.invalid": /);
    assert.equal(proxy.heads.length, 1);
  });

  for (const insecure of [false, true]) {
    Deno.test({
      name: `${way} tunnels through HTTPS_PROXY${insecure ? " with certificates unchecked" : ""}`,
      ignore: !certificatesExpected,
      fn: async () => {
        const certificate = await makeCertificate();
        await using server = serveScript(({ body }) => new Response(`${body.byteLength} bytes`), { tls: certificate });
        await using proxy = serveProxy(Number(new URL(server.origin).port));
        const ca = insecure ? {} : { ca: certificate.ca };
        const wish = { url: "https://registry.test/x", streamed, insecure, ...ca };
        const outcome = await sendInChild(wish, { HTTPS_PROXY: `http://${proxy.host}` });
        assert.equal(outcome, streamed ? "200 5000 bytes" : "200 0 bytes");
        assert.match(proxy.heads[0] ?? "", /^CONNECT registry\.test:443 HTTP\/1\.1/);
      },
    });
  }
}

Deno.test("a streamed upload through HTTPS_PROXY still refuses a certificate that is not trusted", {
  ignore: !certificatesExpected,
}, async () => {
  await using server = serveScript(() => new Response("never"), { tls: await makeCertificate() });
  await using proxy = serveProxy(Number(new URL(server.origin).port));
  const outcome = await sendInChild({ url: "https://registry.test/x", streamed: true }, {
    HTTPS_PROXY: `http://${proxy.host}`,
  });
  assert.match(outcome, /^Cannot reach "registry\.test": /);
  assert.deepEqual(server.requests, []);
});

Deno.test(
  "proxyFor() reads NO_PROXY as curl and Go do, and never names one for this machine",
  { permissions: "none" },
  () => {
    const cases: readonly (readonly [string, string, boolean])[] = [
      ["http://a.example.test/", "example.test", false],
      ["http://a.example.test/", "*.example.test", false],
      ["http://example.test:8081/", ".example.test", false],
      ["http://xexample.test/", "example.test", true],
      ["http://EXAMPLE.test/", "example.TEST", false],
      ["http://10.1.2.3:80/", "10.0.0.0/8", false],
      ["http://11.1.2.3/", "10.0.0.0/8,10.0.0.0/99,x/y", true],
      ["http://10.1.2.3/", "10.1.2.3", false],
      ["http://10.1.2.3/", "10.1.2.4,0.1.2.3", true],
      ["http://[fd00::1]/", "fd00::/8", false],
      ["http://[fd00::1]/", "fd00::1", false],
      ["http://x.test/", "a.test , x.test", false],
      ["http://x.test/", "*", false],
      ["http://x.test/", "x.test:80", false],
      ["http://x.test:8080/", "x.test:80", true],
      ["http://x.test:8080/", "X.TEST:8080", false],
      ["http://a.x.test:8080/", "*.x.test:8080", false],
      ["http://x.test./", "x.test", false],
      ["http://x.test/", "a.test x.test", false],
      ["http://[fd00::1]:5000/", "[fd00::1]:5000", false],
      ["http://[fd00::1]:5000/", "[fd00::1]:5001", true],
      ["http://[fd00::1]/", "FD00:0:0::1", false],
      ["http://10.1.2.3:5000/", "10.1.2.3:5000", false],
      ["http://10.1.2.3:5000/", "10.1.2.3:80", true],
      ["http://x.test/", "", true],
      ["http://localhost:5000/", "", false],
      ["http://127.0.0.1:5000/", "", false],
      ["http://[::1]:5000/", "", false],
    ];
    for (const [url, noProxy, isProxied] of cases) {
      const values: Record<string, string> = { HTTP_PROXY: "proxy.test:3128", no_proxy: noProxy };
      const settings = readProxySettings((name) => values[name]);
      assert.equal(
        proxyFor(new URL(url), settings)?.label,
        isProxied ? "http://proxy.test:3128" : undefined,
        `${url} ${noProxy}`,
      );
      assert.equal(proxyFor(new URL(url.replace("http:", "https:")), settings), undefined);
    }
  },
);
