/** Run as a process of its own by trust_test.ts, with the permissions of the program: sends in all three ways. */
import { bytesReader } from "../../src/bytes/blob_reader.ts";
import type { ImageError } from "../../src/errors.ts";
import { HttpClient } from "../../src/http/client.ts";
import { trustFinder } from "../../src/http/find_trust.ts";
import type { HttpRequest } from "../../src/http/message.ts";

const { url, files = [], insecure = false, registry = false } = JSON.parse(Deno.args[0] ?? "{}");
const trust = trustFinder({
  files: files.map((path: string) => ({ path, from: "--ca-cert" })),
  variables: registry ? [] : ["AWS_CA_BUNDLE"],
  hostCertificates: registry,
});
using client = new HttpClient({ trust, insecure });
const requests: HttpRequest[] = [
  { method: "GET", url },
  { method: "PUT", url, body: new Uint8Array(200_000) },
  { method: "PUT", url, body: { sizeBytes: 300_000, content: bytesReader(new Uint8Array(300_000)) } },
];
const outcomes: string[] = [];
for (const request of requests) {
  try {
    const answer = await client.send(request);
    outcomes.push(`${answer.status} ${new TextDecoder().decode(await answer.bytes(1000))}`);
  } catch (error) {
    const { code = "?", message, hint } = error as ImageError;
    outcomes.push(`${code} ${message}${hint ? ` | ${hint}` : ""}`);
  }
}
await Deno.stdout.write(new TextEncoder().encode(JSON.stringify(outcomes)));
