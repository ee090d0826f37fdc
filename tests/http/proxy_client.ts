/** Run as a process of its own by proxy_test.ts, since proxies come from the environment: sends what it is told to. */
import { bytesReader } from "../../src/bytes/blob_reader.ts";
import { HttpClient } from "../../src/http/client.ts";

const { url, ca, insecure, streamed } = JSON.parse(Deno.args[0] ?? "{}");
using client = new HttpClient({ insecure, caCertificates: ca ? [ca] : [] });
const body = streamed ? { sizeBytes: 5000, content: bytesReader(new Uint8Array(5000)) } : undefined;
let outcome: string;
try {
  const response = await client.send({ method: body ? "PUT" : "GET", url, body });
  outcome = `${response.status} ${new TextDecoder().decode(await response.bytes(1000))}`;
} catch (error) {
  outcome = (error as Error).message;
}
await Deno.stdout.write(new TextEncoder().encode(outcome));
