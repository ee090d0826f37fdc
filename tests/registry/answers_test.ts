import assert from "node:assert/strict";
import type { ImageError } from "../../src/errors.ts";
import { HttpClient } from "../../src/http/client.ts";
import type { Credentials } from "../../src/registry/credentials.ts";
import { registryError } from "../../src/registry/registry_error.ts";
import type { RegistrySession } from "../../src/registry/session.ts";
import { listRegistryRepositories, listRegistryTags, openRegistrySource } from "../../src/transports/registry.ts";
import { singleImage } from "../support/images.ts";
import { type Handler, type ScriptedServer, serveScript } from "../support/scripted_server.ts";
import { registryReference, testSession } from "./support.ts";

const permissions: Deno.PermissionOptions = { net: ["127.0.0.1"], env: true, sys: "inherit" };
const image = singleImage({ os: "linux", architecture: "amd64" });
const credentials: Credentials = { kind: "password", username: "user", password: "hush" };

async function withServer(
  handler: Handler,
  body: (host: string, session: RegistrySession, server: ScriptedServer) => Promise<void>,
): Promise<void> {
  await using server = serveScript((request) => request.path === "/v2/" ? new Response("{}") : handler(request));
  using session = testSession({ plainHttp: true, retry: { tries: 2 } });
  await body(server.host, session, server);
}

async function rootError(handler: Handler): Promise<ImageError> {
  let caught: ImageError | undefined;
  await withServer(handler, async (host, session) => {
    const source = openRegistrySource(registryReference(`${host}/team/app:v1`), session);
    await assert.rejects(source.root(), (error: ImageError) => {
      caught = error;
      return true;
    });
  });
  return caught!;
}

const problem = (code: string, message: string) => ({ errors: [{ code, message, detail: { secret: "x" } }] });

const ANSWERS: readonly (readonly [string, () => Response, string, RegExp])[] = [
  ["401 without credentials", () => new Response(null, { status: 401 }), "unauthorized", /asks for credentials$/],
  [
    "403",
    () => Response.json(problem("DENIED", "not yours"), { status: 403 }),
    "denied",
    /denied access \(DENIED: not yours\)$/,
  ],
  [
    "404",
    () => Response.json(problem("NAME_UNKNOWN", "x"), { status: 404 }),
    "not-found",
    /no such repository$/,
  ],
  [
    "404 for a tag",
    () => Response.json(problem("MANIFEST_UNKNOWN", "x"), { status: 404 }),
    "not-found",
    /no such tag$/,
  ],
  ["500", () => new Response("<html>oops", { status: 500 }), "unavailable", /answered 500$/],
  [
    "429",
    () => Response.json(problem("TOOMANYREQUESTS", "slow down"), { status: 429 }),
    "unavailable",
    /too many requests \(/,
  ],
  [
    "429 with a quota",
    () =>
      new Response(null, {
        status: 429,
        headers: { "ratelimit-limit": "100;w=21600", "ratelimit-remaining": "0;w=21600" },
      }),
    "unavailable",
    /too many requests, 0 of 100 pulls are left$/,
  ],
  [
    "an endless error body",
    () => new Response("x".repeat(1_000_000), { status: 400 }),
    "invalid-input",
    /answered 400$/,
  ],
  [
    "control characters and a long text",
    () => Response.json(problem("BAD\u001b[31m", `a\nb\u001b[0m${"c".repeat(500)}`), { status: 400 }),
    "invalid-input",
    /\(BAD31m: a b \[0mc+\.\.\.\)$/,
  ],
];

for (const [what, answer, code, message] of ANSWERS) {
  Deno.test(`an answer of ${what} becomes one clear line`, { permissions }, async () => {
    const error = await rootError(answer);
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    assert.match(
      error.message,
      /^Cannot (?:read manifest "v1" of|find tag "v1" in|find repository) "127\.0\.0\.1:\d+\/team\/app": /,
    );
    assert.doesNotMatch(error.message, /\n|secret/);
    assert.ok(error.message.length < 500);
  });
}

Deno.test("Docker Hub's quota is called by its name, with what to do about it", { permissions }, async () => {
  const headers = { "ratelimit-limit": "100;w=21600", "ratelimit-remaining": "0;w=21600", "retry-after": "7" };
  await using server = serveScript(() => new Response(null, { status: 429, headers }));
  using client = new HttpClient();
  for (const hasCredentials of [false, true]) {
    const response = await client.send({ method: "GET", url: `${server.origin}/` });
    const context = { registry: "docker.io", action: 'Cannot read "alpine"', hasCredentials };
    const error = await registryError(response, context);
    assert.equal(error.code, "unavailable");
    assert.equal(error.message, 'Cannot read "alpine": Docker Hub\'s pull quota is used up, 0 of 100 pulls are left');
    assert.match(error.hint ?? "", hasCredentials ? /^Try again later/ : /^Log in with docker login/);
  }
});

Deno.test("Retry-After is obeyed between the tries", { permissions }, async () => {
  let asked = 0;
  const answer = () => {
    if (++asked === 1) return new Response(null, { status: 429, headers: { "retry-after": "1" } });
    return new Response(image.root.bytes, { headers: { "content-type": image.root.descriptor.mediaType } });
  };
  await using server = serveScript(({ path }) => path === "/v2/" ? new Response("{}") : answer());
  using session = testSession({ plainHttp: true, retry: { maxDelayMs: 5000 } });
  const started = performance.now();
  await openRegistrySource(registryReference(`${server.host}/app`), session).root();
  assert.ok(performance.now() - started >= 1000);
  assert.equal(asked, 2);
});

/** A token server and a registry in one; `realm` may be replaced. */
function tokenHandler(options: { realm?: string; lifetimeS?: unknown } = {}): Handler {
  let given = 0;
  return ({ path, headers }) => {
    const host = headers.get("host");
    if (path.startsWith("/token")) {
      return Response.json({ access_token: `t${++given}`, expires_in: options.lifetimeS ?? 300 });
    }
    if (headers.get("authorization") === `Bearer t${given}` && given > 0) {
      return new Response(image.root.bytes, { headers: { "content-type": image.root.descriptor.mediaType } });
    }
    const realm = options.realm ?? `http://${host}/token`;
    const challenge = `Negotiate, Bearer realm="${realm}",service="a, \\"b\\"",scope="repository:team/app:pull"`;
    return new Response(null, { status: 401, headers: { "www-authenticate": challenge } });
  };
}

Deno.test("a token is asked for once, for its service and scope, and used until it ends", { permissions }, async () => {
  await withServer(tokenHandler(), async (host, session, server) => {
    const source = openRegistrySource(registryReference(`${host}/team/app`), session, { credentials });
    await Promise.all([source.root(), source.root(), source.root()]);
    await source.root();
    const asked = server.requests.filter(({ path }) => path.startsWith("/token"));
    assert.equal(asked.length, 1);
    const query = new URL(asked[0]!.path, "http://x").searchParams;
    assert.equal(query.get("service"), 'a, "b"');
    assert.deepEqual(query.getAll("scope"), ["repository:team/app:pull"]);
    assert.equal(asked[0]!.headers.get("authorization"), `Basic ${btoa("user:hush")}`);
  });
});

Deno.test("a token that has run out by its own words is renewed before it is refused", { permissions }, async () => {
  await withServer(tokenHandler({ lifetimeS: 1 }), async (host, session, server) => {
    const source = openRegistrySource(registryReference(`${host}/team/app`), session);
    await source.root();
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const before = server.requests.length;
    await source.root();
    const lines = server.lines().slice(before);
    assert.deepEqual(lines, ["GET /token", "GET /v2/team/app/manifests/latest"]);
  });
});

Deno.test("credentials are not sent to a token server without TLS on another machine", { permissions }, async () => {
  const realm = "http://192.0.2.1/token";
  await using server = serveScript(tokenHandler({ realm }));
  const log: string[] = [];
  using session = testSession({ http: { log: (line) => log.push(line) } });
  const source = openRegistrySource(registryReference(`${server.host}/team/app`), session, { credentials });
  await assert.rejects(source.root(), {
    code: "denied",
    message: /token server "192\.0\.2\.1" is not reached over https/,
  });
  assert.deepEqual(log.filter((line) => line.includes("192.0.2.1")), []);
});

Deno.test("a token server that refuses is a wrong password; its answer is shown, the password is not", {
  permissions,
}, async () => {
  await withServer(
    (request) => request.path.startsWith("/token") ? new Response(null, { status: 401 }) : tokenHandler()(request),
    async (host, session) => {
      const source = openRegistrySource(registryReference(`${host}/team/app`), session, { credentials });
      await assert.rejects(source.root(), (error: ImageError) => {
        assert.equal(error.code, "unauthorized");
        assert.equal(error.message, `Cannot log in to "${host}": "${host}" refused the credentials`);
        assert.match(error.hint ?? "", /^Run docker login 127/);
        return true;
      });
    },
  );
});

Deno.test("a challenge of no known kind leaves the refusal as it is", { permissions }, async () => {
  const headers = { "www-authenticate": "Negotiate" };
  const error = await rootError(() => new Response(null, { status: 401, headers }));
  assert.equal(error.code, "unauthorized");
});

Deno.test("tags are listed page by page, on the registry alone", { permissions }, async () => {
  const pages: Handler = ({ path }) => {
    if (path === "/v2/team/app/tags/list?n=1000") {
      return Response.json({ name: "x", tags: ["a", "b"] }, {
        headers: { link: '</v2/team/app/tags/list?n=2&last=b>; rel="next"' },
      });
    }
    if (path.endsWith("last=b")) {
      return Response.json({ tags: ["c"] }, { headers: { link: '<?n=2&last=c>; rel="next"' } });
    }
    return path.endsWith("last=c") ? Response.json({ tags: null }) : undefined;
  };
  await withServer(pages, async (host, session) => {
    const tags = await Array.fromAsync(listRegistryTags(registryReference(`${host}/team/app`), session));
    assert.deepEqual(tags, [["a", "b"], ["c"], []]);
  });
  const elsewhere = { headers: { link: '<http://192.0.2.1/v2/>; rel="next"' } };
  await withServer(() => Response.json({ tags: ["a"] }, elsewhere), async (host, session) => {
    const listing = Array.fromAsync(listRegistryTags(registryReference(`${host}/team/app`), session));
    await assert.rejects(listing, { code: "invalid-input" });
  });
});

Deno.test("a listing whose next page is itself comes to an end", { permissions }, async () => {
  const link = '</v2/team/app/tags/list?n=1000>; rel="next"';
  await withServer(() => Response.json({ tags: ["a"] }, { headers: { link } }), async (host, session) => {
    const tags = await Array.fromAsync(listRegistryTags(registryReference(`${host}/team/app`), session));
    assert.deepEqual(tags, [["a"]]);
  });
});

Deno.test("a registry without a catalog says so, with what to do", { permissions }, async () => {
  await withServer(() => undefined, async (host, session) => {
    await assert.rejects(Array.fromAsync(listRegistryRepositories(host, session)), (error: ImageError) => {
      assert.equal(error.code, "unsupported");
      assert.match(error.hint ?? "", /^Name one repository/);
      return true;
    });
    await assert.rejects(Array.fromAsync(listRegistryTags(registryReference(`${host}/none`), session)), {
      code: "not-found",
    });
  });
});
