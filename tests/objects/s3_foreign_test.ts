/** What answers where an S3 server should be is often none: a web page, a proxy, a sign-in page. It is never believed. */
import assert from "node:assert/strict";
import { type ErrorCode, ImageError } from "../../src/errors.ts";
import type { S3Store } from "../../src/objects/s3_store.ts";
import { contentOf, pattern } from "./object_store_contract.ts";
import { onAws } from "./noting_client.ts";
import { type OddS3, oddS3, refuse } from "./odd_s3_server.ts";

const PERMISSIONS: Deno.PermissionOptions = { net: ["127.0.0.1"], env: true, read: "inherit", sys: "inherit" };

const PAGE = "<!DOCTYPE html><html><head><title>Sign in</title></head><body>Welcome</body></html>";

function page(status: number, headers: Record<string, string> = {}): Response {
  return new Response(PAGE, { status, headers: { "content-type": "text/html; charset=utf-8", ...headers } });
}

function text(body: string, status = 200, type = "text/plain"): Response {
  return new Response(body, { status, headers: { "content-type": type } });
}

/** Every call of a store by name; each must fail when something else answers it. */
const CALLS: Readonly<Record<string, (store: S3Store) => Promise<unknown>>> = {
  list: (store) => Array.fromAsync(store.list("manifests/")),
  head: (store) => store.head("a"),
  read: (store) => store.read("a", 1000),
  open: (store) => store.open("a"),
  write: (store) => store.write("a", pattern(3)),
  "write a stream": (store) => store.writeStream("a", contentOf(pattern(900)), { isBlob: true }),
  "write in parts": (store) => store.writeStream("a", contentOf(pattern(2500)), { isBlob: true }),
  "write in parts under a condition": (store) =>
    store.writeStream("a", contentOf(pattern(2500)), { condition: { absent: true } }),
  copy: (store) => store.copyFrom(store, "a", "b", 10),
  "remove one": (store) => store.remove(["a"]),
  "remove many": (store) => store.remove(["a", "b"]),
};

/** Says no more than that there is, or is not, something: S3 gives no body there either. */
const SILENT: Readonly<Record<string, readonly string[]>> = {
  "a plain 404": ["head", "copy"],
  "a JSON 404": ["head", "copy"],
  "an empty 200": ["remove one", "remove many"],
};

for (
  const [what, answer, seen] of [
    ["a page", () => page(200), /200 with a web page/],
    ["a page with an ETag", () => page(200, { etag: '"x"' }), /200 with a web page/],
    ["a page for what is not there", () => page(404), /404 with a web page/],
    ["a page that forbids", () => page(403), /403 with a web page/],
    ["a page that asks for a password", () => page(401), /401 with a web page/],
    ["a redirect to a sign-in page", () => page(302, { location: "http://127.0.0.1:9/login" }), /302 with a web page/],
    ["a bare redirect", () => new Response(null, { status: 302, headers: { location: "http://x/" } }), /302 with/],
    ["an empty 200", () => new Response(""), /200 with (?:nothing|no ETag)/],
    ["a plain 404", () => text("404 page not found\n", 404), /404 with something else \(text\/plain\)/],
    ["a JSON 404", () => text('{"message":"no Route matched"}', 404, "application/json"), /404 with .*json/],
    ["JSON", () => text('{"status":"ok"}', 200, "application/json"), /200 with (?:something else|no ETag)/],
    ["XML of another kind", () => text("<rss></rss>", 200, "text/xml"), /200 with (?:something else|no ETag)/],
    ["XML that ends early", () => text("<ListBucketResult><Contents>", 200, "text/xml"), /200 with/],
  ] satisfies [string, () => Response, RegExp][]
) {
  Deno.test({
    name: `${what} in place of an S3 server's answer fails every call and names the endpoint`,
    permissions: PERMISSIONS,
    fn: async () => {
      await using odd = await oddS3(() => answer());
      for (const [name, call] of Object.entries(CALLS)) {
        if (SILENT[what]?.includes(name)) continue;
        await assert.rejects(call(odd.store), says(odd, name, "unsupported", seen));
      }
    },
  });
}

function says(odd: OddS3, call: string, code: ErrorCode, words: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof ImageError, String(error));
    assert.equal(error.code, code, `${call}: ${error.message}`);
    assert.match(error.message, words, call);
    assert.ok(error.message.includes(`"${odd.server.origin}"`), `${call}: ${error.message}`);
    assert.match(error.hint ?? "", /^[A-Z]/);
    assert.ok(!/aws-sdk|Deserialization|UnknownError|\$response/.test(error.message), error.message);
    return true;
  };
}

Deno.test({
  name: "one page among S3's answers fails the call that it answers, at every step of an upload",
  permissions: PERMISSIONS,
  fn: async () => {
    for (const operation of ["CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"]) {
      await using odd = await oddS3((request) => request.operation === operation ? page(200) : undefined);
      const writing = odd.store.writeStream("a", contentOf(pattern(2500)), { isBlob: true });
      await assert.rejects(writing, says(odd, operation, "unsupported", /a web page/));
      assert.equal(odd.objects.size, 0);
    }
  },
});

Deno.test({
  name: "a server, or a gateway before it, that is busy in whatever words is asked again, and then named in ours",
  permissions: PERMISSIONS,
  fn: async () => {
    const busy = [
      () => refuse(503, "SlowDown", "Please reduce your request rate."),
      () => new Response(null, { status: 503 }),
      () => page(502),
      () => page(503, { "retry-after": "0" }),
      () => text("upstream timed out", 504),
      () => page(429),
    ];
    for (const answer of busy) {
      await using passing = await oddS3((request) => request.earlier < 2 ? answer() : undefined);
      await passing.store.write("a", pattern(3));
      assert.equal((await passing.store.read("a", 10))?.bytes.byteLength, 3);
      assert.equal((await Array.fromAsync(passing.store.list(""))).flat().length, 1);
      await using staying = await oddS3(() => answer());
      for (const name of ["list", "read", "write"]) {
        await assert.rejects(CALLS[name]!(staying.store), says(staying, name, "unavailable", /answered [\w ]+(?::|$)/));
      }
    }
  },
});

Deno.test({
  name: "an object that is a page is an object where S3 says so",
  permissions: PERMISSIONS,
  fn: async () => {
    await using odd = await oddS3(({ operation, proceed }) => {
      if (operation !== "GetObject") return undefined;
      const { headers, body } = proceed();
      return new Response(body, {
        headers: { etag: headers.get("etag") ?? "", "content-type": "text/html", "x-amz-request-id": "1" },
      });
    });
    await odd.store.write("s3lo.yaml", pattern(5));
    assert.equal((await odd.store.read("s3lo.yaml", 10))?.bytes.byteLength, 5);
  },
});

onAws("a sign-in page on the way to AWS is told as one", () => ({
  body: PAGE,
  headers: { "content-type": "text/html" },
}), async (_http, open) => {
  const store = await open({ region: "eu-west-1" });
  await assert.rejects(Array.fromAsync(store.list("")), (error) => {
    assert.ok(error instanceof ImageError);
    assert.match(error.message, /does not answer as an S3 server does/);
    assert.match(error.hint ?? "", /sign-in page on the way to AWS/);
    return true;
  });
});
