/** Credential helpers of tests: Deno grants a program only by a path that is known when the run starts. */

/** The variable that names the folder whose helpers the test run may start. */
export const HELPER_FOLDER_VARIABLE = "S3LO_TEST_HELPERS";

/** What may follow `docker-credential-` there. */
export const HELPER_NAMES = ["echo", "token", "empty", "locked", "garbage", "one", "two", "fake"] as const;

/** One of the helpers. */
export type HelperName = (typeof HELPER_NAMES)[number];

/**
 * What every helper in the folder is: it runs the script of its name that a test has written beside the folder. (What may be
 * run may not be written.)
 */
export const HELPER_PROGRAM = '#!/bin/sh\n. "${0%/*}/../helper-scripts/${0##*-}"\n';

/** Makes the helpers' folder and that of their scripts in a folder. */
export async function makeHelpers(work: string, names: readonly HelperName[] = HELPER_NAMES): Promise<void> {
  await Deno.mkdir(`${work}/helpers`);
  await Deno.mkdir(`${work}/helper-scripts`);
  for (const name of names) {
    await Deno.writeTextFile(`${work}/helpers/docker-credential-${name}`, HELPER_PROGRAM, { mode: 0o755 });
  }
}

/** Runs `body` with a helper first on PATH that is the given shell script. */
export async function withHelper(name: HelperName, script: string, body: () => Promise<void>): Promise<void> {
  const given = Deno.env.get(HELPER_FOLDER_VARIABLE);
  const own = given === undefined ? await Deno.makeTempDir({ prefix: "s3lo-helpers-" }) : undefined;
  if (own) await makeHelpers(own, [name]);
  const folder = given ?? `${own}/helpers`;
  const path = Deno.env.get("PATH") ?? "";
  await Deno.writeTextFile(`${folder}/../helper-scripts/${name}`, `${script}\n`);
  Deno.env.set("PATH", `${folder}:${path}`);
  try {
    await body();
  } finally {
    Deno.env.set("PATH", path);
    if (own) await Deno.remove(own, { recursive: true });
  }
}
