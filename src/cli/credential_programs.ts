import type { CredentialPrograms } from "./give_up.ts";
import { shellOf } from "./permissions.ts";

/** What this machine's configuration may need to be run for credentials. */
export const credentialPrograms: CredentialPrograms = {
  helpers: async () => await (await import("../registry/auth_places.ts")).configuredHelpers(),
  shell: async () => {
    const { hasCredentialProcess } = await import("../objects/credential_process.ts");
    return await hasCredentialProcess() ? [shellOf(Deno.build.os)] : [];
  },
};
