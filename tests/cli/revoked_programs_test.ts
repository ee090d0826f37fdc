/**
 * Which programs a run gives up. On Windows `docker-credential-wincred` and `docker-credential-wincred.exe` are one: the
 * second was revoked as something that nobody had configured, and took the first along, on every machine with Docker
 * Desktop.
 */
import assert from "node:assert/strict";
import { revokedPrograms } from "../../src/cli/give_up.ts";
import { permissionGrants } from "../../src/cli/permissions.ts";

const grantedOn = (os: string) => permissionGrants(os).find(({ name }) => name === "run")?.only ?? [];

for (const os of ["linux", "darwin", "windows"]) {
  Deno.test({
    name: `revokedPrograms() keeps each configured helper on ${os}, and nothing else`,
    permissions: "none",
    fn: () => {
      for (const program of grantedOn(os).filter((each) => each.startsWith("docker-credential-"))) {
        const revoked = revokedPrograms(grantedOn(os), [program], os);
        const bare = program.replace(/\.exe$/, "");
        assert.ok(!revoked.includes(program), program);
        if (os === "windows") assert.ok(!revoked.includes(bare) && !revoked.includes(`${bare}.exe`), program);
        const twins = grantedOn(os).filter((each) => each.replace(/\.exe$/, "") === bare).length;
        assert.ok(revoked.length >= grantedOn(os).length - twins, program);
      }
      assert.deepEqual(revokedPrograms(grantedOn(os), [], os), grantedOn(os));
    },
  });
}
