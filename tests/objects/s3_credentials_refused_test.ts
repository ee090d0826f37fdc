/** A service that is asked for credentials and refuses is not taken for the S3 server, and its words are told as its own. */
import assert from "node:assert/strict";
import { ImageError } from "../../src/errors.ts";
import { serveScript } from "../support/scripted_server.ts";
import { oddS3 } from "./odd_s3_server.ts";
import { withEnvironment } from "./s3_kit.ts";

const refusal = (code: string, words: string) =>
  `<ErrorResponse><Error><Type>Sender</Type><Code>${code}</Code><Message>${words}</Message></Error></ErrorResponse>`;

for (
  const [what, status, body, said] of [
    [
      "denies",
      403,
      refusal("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity."),
      /AccessDenied: Not authorized/,
    ],
    [
      "finds the token too old",
      400,
      refusal("ExpiredTokenException", "Token expired"),
      /ExpiredTokenException: Token expired/,
    ],
    ["is busy", 503, "<html>busy</html>", /status 503/],
  ] as const
) {
  Deno.test({
    name: `a service for credentials that ${what} is told as such, for bytes and small calls`,
    permissions: { net: ["127.0.0.1"], env: true, read: "inherit", write: "inherit", sys: "inherit" },
    fn: async () => {
      await using giver = serveScript(() => new Response(body, { status, headers: { "content-type": "text/xml" } }));
      await using odd = await oddS3();
      const token = await Deno.makeTempFile({ prefix: "s3lo-token-" });
      try {
        await Deno.writeTextFile(token, "web-token");
        using _role = withEnvironment({
          AWS_ACCESS_KEY_ID: undefined,
          AWS_SECRET_ACCESS_KEY: undefined,
          AWS_CONFIG_FILE: "/nonexistent",
          AWS_SHARED_CREDENTIALS_FILE: "/nonexistent",
          AWS_WEB_IDENTITY_TOKEN_FILE: token,
          AWS_ROLE_ARN: "arn:aws:iam::123456789012:role/r",
          AWS_ENDPOINT_URL_STS: giver.origin,
        });
        await using store = await odd.open();
        for (const call of [() => store.read("a", 1), () => Array.fromAsync(store.list(""))]) {
          await assert.rejects(call(), (error) => {
            assert.ok(error instanceof ImageError);
            assert.equal(error.code, "unauthorized", error.message);
            assert.match(error.message, said);
            assert.match(error.message, /no AWS credentials: the service that gives them answered/);
            assert.ok(!`${error.message}${error.hint}`.includes(odd.server.origin));
            assert.ok(!/s3:GetObject|aws-sdk|UnknownError/.test(`${error.message}${error.hint}`));
            return true;
          });
        }
        assert.equal(odd.requests.length, 0);
        assert.ok(giver.requests.length <= 12, `${giver.requests.length} requests`);
      } finally {
        await Deno.remove(token);
      }
    },
  });
}
