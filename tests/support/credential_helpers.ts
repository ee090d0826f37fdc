/** Credential helpers of tests: Deno grants a program only by a path that is known when the run starts. */

/** The variable that names the folder whose helpers the test run may start. */
export const HELPER_FOLDER_VARIABLE = "S3LO_TEST_HELPERS";

/** What may follow `docker-credential-` there. */
export const HELPER_NAMES = ["echo", "token", "empty", "locked", "garbage", "one", "two", "fake"] as const;

/** One of the helpers. */
export type HelperName = (typeof HELPER_NAMES)[number];

/** Runs `body` with a helper first on PATH that is the given shell script. */
export async function withHelper(name: HelperName, script: string, body: () => Promise<void>): Promise<void> {
  const given = Deno.env.get(HELPER_FOLDER_VARIABLE);
  const folder = given ?? await Deno.makeTempDir({ prefix: "s3lo-helpers-" });
  const file = `${folder}/docker-credential-${name}`;
  const path = Deno.env.get("PATH") ?? "";
  await Deno.writeTextFile(file, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  Deno.env.set("PATH", `${folder}:${path}`);
  try {
    await body();
  } finally {
    Deno.env.set("PATH", path);
    await Deno.remove(given === undefined ? folder : file, { recursive: true });
  }
}
