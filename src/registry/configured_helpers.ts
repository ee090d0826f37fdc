import { isObject } from "../oci/json.ts";
import { type Environment, processEnvironment } from "./credentials.ts";
import { authFiles } from "./find_credentials.ts";

/**
 * The programs that the credential files of this machine name as helpers, for any registry: `docker-credential-pass`.
 * Files that are missing or cannot be read name none; who needs them finds out why.
 */
export async function configuredHelpers(env: Environment = processEnvironment): Promise<readonly string[]> {
  const names = new Set<unknown>();
  for (const path of authFiles(env)) {
    try {
      const document: unknown = JSON.parse(await Deno.readTextFile(path));
      if (!isObject(document)) continue;
      names.add(document["credsStore"]);
      const helpers = document["credHelpers"];
      if (isObject(helpers)) { for (const name of Object.values(helpers)) names.add(name); }
    } catch { /* missing or unreadable */ }
  }
  return [...names].filter((name) => typeof name === "string" && name !== "").map((name) =>
    `docker-credential-${name}`
  );
}
