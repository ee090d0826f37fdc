/**
 * Run as a process of its own by credentials_test.ts, since the AWS SDK reads the environment: logs in twice at once,
 * then again.
 */
import { isImageError } from "../../src/errors.ts";
import { CredentialFinder } from "../../src/registry/find_credentials.ts";

const finder = new CredentialFinder(Deno.args[0] ?? "", { env: () => undefined });
let outcome: unknown;
try {
  outcome = [...await Promise.all([finder.find("a"), finder.find("b")]), await finder.find("a")];
} catch (error) {
  if (!isImageError(error)) throw error;
  outcome = { code: error.code, message: error.message, hint: error.hint };
}
await Deno.stdout.write(new TextEncoder().encode(JSON.stringify(outcome)));
