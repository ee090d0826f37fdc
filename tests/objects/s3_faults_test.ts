import assert from "node:assert/strict";
import { type BlobReader, bytesReader } from "../../src/bytes/blob_reader.ts";
import { type ErrorCode, ImageError, isImageError } from "../../src/errors.ts";
import { HttpClient } from "../../src/http/client.ts";
import { answerOf } from "../../src/objects/s3_answer.ts";
import { openS3Store } from "../../src/objects/open_s3_store.ts";
import { contentOf, pattern, readObject } from "./object_store_contract.ts";
import { type OddRequest, oddS3, type Quirk, refuse } from "./odd_s3_server.ts";
import { serveRaw, serveScript, writeText } from "../support/scripted_server.ts";
import { withEnvironment } from "./s3_kit.ts";

/** What the SDK reads; the network is this machine's own. */
const PERMISSIONS: Deno.PermissionOptions = {
  net: ["127.0.0.1"],
  env: true,
  read: "inherit",
  write: "inherit",
  sys: "inherit",
};

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, permissions: PERMISSIONS, fn });
}

/** An expected error: its code, and what its message and hint must say. */
function saying(code: ErrorCode, message: RegExp, hint = /./): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof ImageError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    assert.match(error.hint ?? "", hint);
    assert.ok(!`${error.message}${error.hint}`.includes("very-secret-text"));
    assert.ok(!error.message.includes("\n") && !error.message.endsWith("."));
    return true;
  };
}

/** Fails the first requests of one operation. */
function failing(operation: string, times: number, answer: () => Response): Quirk {
  return (request) => request.operation === operation && request.earlier < times ? answer() : undefined;
}

for (
  const [name, answer, code, message, hint] of [
    ["a missing bucket", () => refuse(404, "NoSuchBucket"), "not-found", /no bucket "odd"/, /create the bucket/],
    ["a denial", () => refuse(403, "AccessDenied", "Access Denied."), "denied", /AKIAOD….*env vars/, /s3:GetObject/],
    [
      "wrong keys",
      () => refuse(403, "InvalidAccessKeyId", "x"),
      "unauthorized",
      /AKIAOD….*InvalidAccessKeyId/,
      /AWS_ACC/,
    ],
    [
      "a wrong secret",
      () => refuse(403, "SignatureDoesNotMatch", "x"),
      "unauthorized",
      /SignatureDoesNotMatch/,
      /profile/,
    ],
    ["an expired token", () => refuse(400, "ExpiredToken", "x"), "unauthorized", /expired/, /Sign in again/],
    [
      "a KMS denial",
      () => refuse(403, "AccessDenied", "not authorized to perform: kms:Decrypt on"),
      "denied",
      /key/,
      /kms:Decrypt/,
    ],
    [
      "a wrong region",
      () => refuse(301, "PermanentRedirect", "x", { "x-amz-bucket-region": "us-east-1" }),
      "not-found",
      /region "us-east-1"/,
      /AWS_REGION=us-east-1/,
    ],
  ] satisfies [string, () => Response, ErrorCode, RegExp, RegExp][]
) {
  test(`S3 errors: ${name} is one clear line with a next step, for bytes and small calls`, async () => {
    await using odd = await oddS3(() => answer());
    await assert.rejects(odd.store.read("a", 10), saying(code, message, hint));
    await assert.rejects(odd.store.write("a", pattern(1)), saying(code, message, hint));
    await assert.rejects(odd.store.writeStream("a", contentOf(pattern(2000))), saying(code, message, hint));
    await assert.rejects(Array.fromAsync(odd.store.list("")), saying(code, message, hint));
    await assert.rejects(odd.store.remove(["a", "b"]), saying(code, message, hint));
  });
}

test("S3 errors: no credentials says where they were looked for", async () => {
  await using odd = await oddS3();
  using _none = withEnvironment({
    AWS_ACCESS_KEY_ID: undefined,
    AWS_SECRET_ACCESS_KEY: undefined,
    AWS_CONFIG_FILE: "/nonexistent/config",
    AWS_SHARED_CREDENTIALS_FILE: "/nonexistent/credentials",
  });
  const store = await odd.open();
  await assert.rejects(
    store.read("a", 1),
    saying("unauthorized", /no AWS credentials in the environment/, /AWS_PROFILE/),
  );
  await assert.rejects(store.head("a"), saying("unauthorized", /no AWS credentials/));
  using _profile = withEnvironment({ AWS_PROFILE: "elsewhere" });
  await assert.rejects(odd.open(), saying("unauthorized", /profile "elsewhere"/, /AWS_PROFILE/));
  assert.equal(odd.requests.length, 0);
});

test("S3 errors: an endpoint where nothing listens names it, and one without TLS says so", async () => {
  await using odd = await oddS3();
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const endpoint = `http://127.0.0.1:${(listener.addr as Deno.NetAddr).port}`;
  listener.close();
  const silent = await odd.open({ endpoint });
  await assert.rejects(silent.read("a", 1), saying("unavailable", /cannot reach "127/, new RegExp(endpoint)));
  await assert.rejects(silent.head("a"), saying("unavailable", /cannot reach "127/));
  const tls = await odd.open({ endpoint: odd.server.origin.replace("http:", "https:") });
  await assert.rejects(tls.read("a", 1), saying("unavailable", /cannot reach/, /http:\/\//));
  await assert.rejects(odd.open({ endpoint: "localhost:9000" }), saying("invalid-reference", /localhost:9000/));
});

test("the bucket's own region is used once a server names it", async () => {
  await using odd = await oddS3((request) =>
    /\/eu-central-1\/s3\//.test(request.headers.get("authorization") ?? "")
      ? undefined
      : refuse(400, "AuthorizationHeaderMalformed", "expecting", { "x-amz-bucket-region": "eu-central-1" })
  );
  await odd.store.write("a", pattern(1));
  await odd.store.head("a");
  assert.deepEqual(odd.operations(), ["PutObject", "PutObject", "HeadObject"]);
  const fresh = await odd.open();
  assert.equal((await fresh.head("a"))?.sizeBytes, 1);
});

test("expired credentials are refreshed once in the middle of the work", async () => {
  await using odd = await oddS3(failing("UploadPart", 1, () => refuse(400, "ExpiredToken", "x")));
  await odd.store.writeStream("a", contentOf(pattern(2500)));
  assert.deepEqual(odd.objects.get("a")?.bytes, pattern(2500));
});

test("a clock that is off is corrected by the server's", async () => {
  const ahead = new Date(Date.now() + 3_600_000);
  await using odd = await oddS3(({ headers }) => {
    const stamp = headers.get("x-amz-date") ?? "";
    return stamp.slice(0, 11) === ahead.toISOString().replaceAll(/[-:]/g, "").slice(0, 11)
      ? undefined
      : refuse(403, "RequestTimeTooSkewed", "x", { date: ahead.toUTCString() });
  });
  await odd.store.write("a", pattern(1));
  assert.equal(odd.objects.size, 1);
});

for (
  const [name, answer] of [
    ["503 SlowDown", () => refuse(503, "SlowDown", "Reduce your request rate", { "retry-after": "0" })],
    ["500", () => refuse(500, "InternalError")],
    ["429", () => new Response(null, { status: 429 })],
    ["400 RequestTimeout", () => refuse(400, "RequestTimeout", "Your socket connection was not read from")],
  ] satisfies [string, () => Response][]
) {
  test(`${name} in passing: parts are sent again from memory, the source is read once`, async () => {
    const operations = [
      "CreateMultipartUpload",
      "UploadPart",
      "CompleteMultipartUpload",
      "PutObject",
      "GetObject",
      "HeadObject",
    ];
    await using odd = await oddS3((request) =>
      operations.includes(request.operation) && request.earlier < 2 ? answer() : undefined
    );
    let opened = 0;
    const content = {
      ...contentOf(pattern(3500)),
      open: () => (opened++, Promise.resolve(bytesReader(pattern(3500)))),
    };
    await odd.store.writeStream("a", content);
    await odd.store.write("b", pattern(3));
    assert.equal(opened, 1);
    assert.deepEqual(new Uint8Array(await readObject(odd.store, "a")), pattern(3500));
    assert.equal((await odd.store.head("b"))?.sizeBytes, 3);
    assert.ok(odd.lines.some((line) => line.includes("trying again in")));
  });
}

test("trouble that stays ends after five tries, and the upload is given up", async () => {
  await using odd = await oddS3((request) =>
    request.query.get("partNumber") === "2" ? refuse(500, "InternalError", "x") : undefined
  );
  await assert.rejects(
    odd.store.writeStream("a", contentOf(pattern(5500))),
    saying("unavailable", /write "a".*InternalError/),
  );
  assert.equal(odd.requests.filter((request) => request.query.get("partNumber") === "2").length, 5);
  assert.equal(odd.operations().at(-1), "AbortMultipartUpload");
  assert.equal(odd.uploads.size, 0);
});

for (const operation of ["CompleteMultipartUpload", "CopyObject"]) {
  test(`${operation} answered 200 with an error inside is no success`, async () => {
    const inside = (code: string) => new Response(`<?xml version="1.0"?><Error><Code>${code}</Code></Error>`);
    await using odd = await oddS3(failing(operation, 1, () => inside("InternalError")));
    await odd.store.write("s", pattern(10));
    const run = () =>
      operation === "CopyObject"
        ? odd.store.copyFrom(odd.store, "s", "a", 10)
        : odd.store.writeStream("a", contentOf(pattern(2500)));
    await run();
    assert.equal(odd.objects.has("a"), true);
    assert.equal(odd.operations().filter((name) => name === operation).length, 2);
  });
}

test("a write whose answer got lost is not taken for somebody else's", async () => {
  const lost: Quirk = (request) => {
    if (!["PutObject", "CompleteMultipartUpload"].includes(request.operation) || request.earlier > 0) return undefined;
    request.proceed();
    return refuse(500, "InternalError");
  };
  await using odd = await oddS3(lost);
  await odd.store.write("lock", pattern(10), { condition: { absent: true } });
  await odd.store.writeStream("large", contentOf(pattern(2500)));
  assert.deepEqual(odd.objects.get("large")?.bytes, pattern(2500));
  await assert.rejects(
    odd.store.write("lock", pattern(9), { condition: { absent: true } }),
    saying("conflict", /lock/, /^/),
  );
});

test("an upload that somebody else ended is begun anew", async () => {
  await using odd = await oddS3(({ operation, query }) =>
    operation === "UploadPart" && query.get("uploadId") === "upload-0" ? refuse(404, "NoSuchUpload") : undefined
  );
  await odd.store.writeStream("blobs/a", contentOf(pattern(2500)), { isBlob: true });
  assert.deepEqual(odd.objects.get("blobs/a")?.bytes, pattern(2500));
  assert.equal(odd.operations().filter((name) => name === "CreateMultipartUpload").length, 2);
  assert.ok(odd.operations().includes("HeadObject"));
});

test("an upload that vanished while it was completed, and left no object, is what the error tells of", async () => {
  await using odd = await oddS3(({ operation, earlier }) =>
    operation === "CompleteMultipartUpload"
      ? earlier === 0 ? refuse(500, "InternalError") : refuse(404, "NoSuchUpload")
      : undefined
  );
  await assert.rejects(odd.store.writeStream("a", contentOf(pattern(2500))), (error) => {
    assert.equal(answerOf(error)?.code, "NoSuchUpload");
    return true;
  });
});

test("content type, storage class and key are sent with every kind of write", async () => {
  await using odd = await oddS3(undefined, {
    storageClass: "GLACIER_IR",
    sseKmsKeyId: "alias/k",
    copyLimitBytes: 2000,
  });
  const { store } = odd;
  const blob = { isBlob: true };
  await store.write("m/manifest.json", pattern(1));
  await store.writeStream("one", contentOf(pattern(10)), blob);
  await store.writeStream("parts", contentOf(pattern(2500)), blob);
  await store.copyFrom(store, "one", "copy", 10, blob);
  await store.copyFrom(store, "parts", "copy of parts", 2500, blob);
  await store.copyFrom(store, "one", "copied.json", 10);
  const key = { "x-amz-server-side-encryption-aws-kms-key-id": "alias/k" };
  const asBlob = { "content-type": "application/octet-stream", "x-amz-storage-class": "GLACIER_IR", ...key };
  for (const name of ["one", "parts", "copy", "copy of parts"]) {
    assert.deepEqual(odd.objects.get(name)?.headers, asBlob);
  }
  for (const name of ["m/manifest.json", "copied.json"]) {
    assert.deepEqual(odd.objects.get(name)?.headers, { "content-type": "application/json", ...key });
  }
  const copy = odd.requests.find(({ operation }) => operation === "CopyObject");
  assert.equal(copy?.headers.get("x-amz-metadata-directive"), "REPLACE");
});

test("copyFrom() says no when the copy is denied, for other credentials, and for other servers", async () => {
  await using odd = await oddS3(failing("CopyObject", 1, () => refuse(403, "AccessDenied")));
  await odd.store.write("s", pattern(10));
  assert.equal(await odd.store.copyFrom(odd.store, "s", "a", 10), false);
  assert.equal(await odd.store.copyFrom(odd.store, "s", "a", 10), true);
  await using elsewhere = await oddS3();
  assert.equal(await elsewhere.store.copyFrom(odd.store, "s", "b", 10), false);
  await odd.store.head("s");
  using _other = withEnvironment({ AWS_ACCESS_KEY_ID: "AKIASOMEBODYELSE" });
  const stranger = await odd.open({ bucket: "other" });
  assert.equal(await stranger.copyFrom(odd.store, "s", "b", 10), false);
});

test("a HEAD that is denied is asked again by GET, and what may not be read counts as absent", async () => {
  await using odd = await oddS3(({ operation, key }) =>
    operation === "HeadObject"
      ? new Response(null, { status: 403 })
      : operation === "GetObject" && key === "hidden"
      ? refuse(403, "AccessDenied")
      : undefined
  );
  await odd.store.write("a", pattern(77));
  await odd.store.write("empty", pattern(0));
  assert.equal((await odd.store.head("a"))?.sizeBytes, 77);
  assert.equal((await odd.store.head("empty"))?.sizeBytes, 0);
  assert.equal(await odd.store.head("none"), undefined);
  assert.equal(await odd.store.head("hidden"), undefined);
  await assert.rejects(odd.store.read("hidden", 10), saying("denied", /hidden/, /s3:ListBucket/));
});

test("a server that ignores ranges is refused, not believed", async () => {
  await using odd = await oddS3(({ operation, headers }) =>
    operation === "GetObject" && headers.has("range")
      ? new Response(pattern(100), { headers: { etag: '"x"' } })
      : undefined
  );
  await odd.store.write("a", pattern(100));
  await assert.rejects(odd.store.open("a", { start: 10 }), saying("unsupported", /ranges/, /^/));
});

test("a listing that does not go on is an error, not an endless loop", async () => {
  await using odd = await oddS3(({ operation }) =>
    operation === "ListObjectsV2"
      ? new Response(
        "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>" +
          "<Contents><Key>a</Key></Contents></ListBucketResult>",
      )
      : undefined
  );
  await assert.rejects(Array.fromAsync(odd.store.list("")), saying("invalid-input", /does not go on/, /^/));
  assert.equal(odd.requests.length, 2);
});

test("objects that could not be removed are named with the reason", async () => {
  await using odd = await oddS3(({ operation }) =>
    operation === "DeleteObjects"
      ? new Response("<DeleteResult><Error><Key>b</Key><Code>AccessDenied</Code></Error></DeleteResult>")
      : operation === "DeleteObject"
      ? refuse(403, "AccessDenied")
      : undefined
  );
  await assert.rejects(odd.store.remove(["a", "b"]), saying("denied", /remove "b"/));
});

test("a download that breaks off fails with unavailable, and goes on by range", async () => {
  const bytes = pattern(1000);
  await using server = serveRaw(async (head, connection) => {
    const start = Number(/range: bytes=(\d+)-/i.exec(head)?.[1] ?? 0);
    const status = start > 0 ? `206 Partial Content\r\nContent-Range: bytes ${start}-999/1000` : "200 OK";
    await writeText(connection, `HTTP/1.1 ${status}\r\nETag: "x"\r\nContent-Length: ${1000 - start}\r\n\r\n`);
    await connection.write(bytes.subarray(start, start === 0 ? 400 : 1000));
  });
  await using odd = await oddS3();
  const store = await odd.open({ endpoint: `http://${server.host}` });
  await using reader = await store.open("a");
  const got: number[] = [];
  await assert.rejects(async () => {
    while (true) got.push(...await reader.read(new Uint8Array(64)));
  }, saying("unavailable", /./, /^/));
  assert.ok(got.length > 0 && got.length <= 400);
  await using rest = await store.open("a", { start: got.length });
  for (let piece = await rest.read(new Uint8Array(999)); piece.byteLength > 0;) {
    got.push(...piece);
    piece = await rest.read(new Uint8Array(999));
  }
  assert.deepEqual(new Uint8Array(got), bytes);
});

test("a small object whose body breaks off is read again", async () => {
  let times = 0;
  await using server = serveRaw(async (_head, connection) => {
    const body = times++ === 0 ? "half" : "whole text";
    await writeText(connection, `HTTP/1.1 200 OK\r\nETag: "e"\r\nContent-Length: 10\r\n\r\n${body}`);
  });
  await using odd = await oddS3();
  const store = await odd.open({ endpoint: `http://${server.host}` });
  const found = await store.read("a", 10);
  assert.equal(new TextDecoder().decode(found?.bytes), "whole text");
  assert.equal(found?.etag, '"e"');
});

test("credentials of a web identity and of a container agent are found", async () => {
  await using odd = await oddS3();
  const expires = new Date(Date.now() + 3_600_000).toISOString();
  await using giver = serveScript(({ path, headers, body }) => {
    if (path === "/agent") {
      if (headers.get("authorization") !== "agent-token") return new Response(null, { status: 401 });
      return Response.json({ AccessKeyId: "ASIAAGENT", SecretAccessKey: "s", Token: "t", Expiration: expires });
    }
    assert.match(new TextDecoder().decode(body), /Action=AssumeRoleWithWebIdentity.*WebIdentityToken=web-token/);
    return new Response(
      `<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>` +
        `<AccessKeyId>ASIAWEBID</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>` +
        `<Expiration>${expires}</Expiration></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`,
      { headers: { "content-type": "text/xml" } },
    );
  });
  const nothing = { AWS_ACCESS_KEY_ID: undefined, AWS_SECRET_ACCESS_KEY: undefined, AWS_CONFIG_FILE: "/nonexistent" };
  const folder = await Deno.makeTempDir({ prefix: "s3lo-objects-" });
  try {
    await Deno.writeTextFile(`${folder}/token`, "web-token");
    {
      using _web = withEnvironment({
        ...nothing,
        AWS_WEB_IDENTITY_TOKEN_FILE: `${folder}/token`,
        AWS_ROLE_ARN: "arn:aws:iam::123456789012:role/r",
        AWS_ENDPOINT_URL_STS: giver.origin,
      });
      await (await odd.open()).write("a", pattern(1));
    }
    using _agent = withEnvironment({
      ...nothing,
      AWS_CONTAINER_CREDENTIALS_FULL_URI: `${giver.origin}/agent`,
      AWS_CONTAINER_AUTHORIZATION_TOKEN: "agent-token",
    });
    await (await odd.open()).write("b", pattern(1));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  const keys = odd.requests.map(({ headers }) => /Credential=([^/]*)/.exec(headers.get("authorization") ?? "")?.[1]);
  assert.deepEqual(keys, ["ASIAWEBID", "ASIAAGENT"]);
});

test("a connection lost while bytes are sent is made again, and once the server is asked whether it refuses them", async () => {
  let lost = 0;
  await using front = serveRaw(async (head, connection) => {
    if (/^PUT/.test(head) && lost++ < 2) return;
    await writeText(connection, 'HTTP/1.1 200 OK\r\nETag: "x"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
  });
  await using odd = await oddS3();
  const store = await odd.open({ endpoint: `http://${front.host}` });
  await store.write("a", pattern(10));
  assert.deepEqual(front.heads.map((head) => head.split(" ")[0]), ["PUT", "GET", "PUT", "PUT"]);
});

test("a refusal is told though its connection breaks before its answer is read", async () => {
  await using front = serveRaw(async (head, connection) => {
    if (/^PUT/.test(head)) return;
    const body = "<Error><Code>NoSuchBucket</Code><Message>The specified bucket does not exist</Message></Error>";
    await writeText(
      connection,
      `HTTP/1.1 404 Not Found\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`,
    );
  });
  await using odd = await oddS3();
  const store = await odd.open({ endpoint: `http://${front.host}` });
  await assert.rejects(store.write("a", pattern(10)), (error) => isImageError(error, "not-found"));
  assert.equal(front.heads.length, 2);
});

test("the signal stops an upload, and its parts are freed all the same", async () => {
  const stop = new AbortController();
  await using odd = await oddS3((request: OddRequest) => {
    if (request.query.get("partNumber") === "2") stop.abort();
    return undefined;
  }, { signal: stop.signal });
  await assert.rejects(
    odd.store.writeStream("a", contentOf(pattern(9500))),
    (error) => error instanceof ImageError && error.code === "aborted",
  );
  assert.equal(odd.uploads.size, 0);
  assert.equal(odd.objects.size, 0);
  await assert.rejects(odd.store.read("a", 1), (error) => error instanceof ImageError && error.code === "aborted");
});

test("buffers come back after every kind of failure", async () => {
  await using odd = await oddS3(failing("UploadPart", 3, () => refuse(403, "AccessDenied")));
  const broken: BlobReader = {
    read: () => Promise.reject(new ImageError("unavailable", "Broken")),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  for (const sizeBytes of [10, 2500]) {
    for (let round = 0; round < 5; round++) {
      await assert.rejects(odd.store.writeStream("a", { sizeBytes, open: () => Promise.resolve(broken) }), /Broken/);
    }
  }
  let failed = 0;
  for (let round = 0; round < 3; round++) {
    await odd.store.writeStream("a", contentOf(pattern(2500))).catch(() => failed++);
  }
  assert.ok(failed > 0, "refusals were met");
  await odd.store.writeStream("a", contentOf(pattern(9500)));
  assert.equal(odd.objects.get("a")?.bytes.byteLength, 9500);
  assert.equal(odd.uploads.size, 0);
});

Deno.test({
  name: "openS3Store() takes endpoint and region from the environment and the profile",
  permissions: PERMISSIONS,
  fn: async () => {
    await using odd = await oddS3();
    const folder = await Deno.makeTempDir({ prefix: "s3lo-objects-" });
    using http = new HttpClient();
    try {
      const config = `[profile p]\nregion = eu-north-1\nservices = s\naws_access_key_id = AKIAPROFILE\n` +
        `aws_secret_access_key = very-secret-text\n[services s]\ns3 =\n  endpoint_url = ${odd.server.origin}\n`;
      await Deno.writeTextFile(`${folder}/config`, config);
      using _profile = withEnvironment({
        AWS_ACCESS_KEY_ID: undefined,
        AWS_SECRET_ACCESS_KEY: undefined,
        AWS_PROFILE: "p",
        AWS_CONFIG_FILE: `${folder}/config`,
        AWS_SHARED_CREDENTIALS_FILE: `${folder}/none`,
      });
      await using byProfile = await openS3Store({ bucket: "odd", http });
      await byProfile.write("a", pattern(1));
      using _variables = withEnvironment({ AWS_ENDPOINT_URL_S3: odd.server.origin, AWS_DEFAULT_REGION: "ap-south-1" });
      await using byVariables = await openS3Store({ bucket: "odd", http });
      await byVariables.head("a");
      const scopes = odd.requests.map(({ headers }) =>
        /Credential=([^/]*)\/\d+\/([^/]*)/.exec(headers.get("authorization") ?? "")
      );
      assert.deepEqual(scopes.map((scope) => scope?.slice(1)), [
        ["AKIAPROFILE", "eu-north-1"],
        ["AKIAPROFILE", "ap-south-1"],
      ]);
      assert.deepEqual(odd.requests.map(({ bucket, key }) => [bucket, key]), [["odd", "a"], ["odd", "a"]]);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
