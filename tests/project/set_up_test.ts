import assert from "node:assert/strict";
import { ROOT } from "../../scripts/source_files.ts";
import { programTest } from "../support/services.ts";

/** A file of the repository; undefined when there is none. */
async function repositoryFile(path: string): Promise<string | undefined> {
  return await Deno.readTextFile(`${ROOT}/${path}`).catch(() => undefined);
}

Deno.test("everything names the same version of Deno", async () => {
  const files = [".ci/run", ".github/workflows/ci.yml", "CONTRIBUTING.md", "README.md"];
  const versions = new Set<string>();
  for (const file of files) {
    const named = [...(await repositoryFile(file) ?? "").matchAll(/deno@(\S+?)(?=[\s)`]|$)/g)];
    assert.ok(named.length > 0, file);
    for (const [, version] of named) versions.add(version!);
  }
  assert.equal(versions.size, 1, [...versions].join(", "));
});

Deno.test("no task, script or workflow grants all permissions", async () => {
  const files = ["deno.json", ".ci/run", ".github/workflows/ci.yml", "scripts/run_tests.ts", "scripts/demo.ts"];
  for (const file of files) {
    assert.doesNotMatch(await Deno.readTextFile(`${ROOT}/${file}`), /(?:^|\s|")(?:-A|--allow-all)\b/, file);
  }
});

Deno.test("every task that CONTRIBUTING.md names exists", async () => {
  const { tasks } = JSON.parse(await Deno.readTextFile(`${ROOT}/deno.json`)) as { tasks: Record<string, string> };
  const named = [...(await repositoryFile("CONTRIBUTING.md") ?? "").matchAll(/deno(?:@\S+)? task ([\w:]+)/g)];
  assert.ok(named.length > 0);
  for (const [, task] of named) assert.ok(task! in tasks, task);
});

programTest(".ci/run is clean for shellcheck", ["shellcheck"], async ([shellcheck = ""]) => {
  const { success, stdout } = await new Deno.Command(shellcheck, { args: [".ci/run"], cwd: ROOT }).output();
  assert.ok(success, new TextDecoder().decode(stdout));
});

const SUMMARY_CASES: readonly [name: string, taskOutputs: string, last: string, code: number][] = [
  ["adds up runs", 'echo "ok | 12 passed (3 steps) | 0 failed | 2 ignored (1s)"', "48 passed, 0 failed", 0],
  ["counts failed tests", 'echo "FAILED | 2 passed | 3 failed (1s)"; exit 1', "8 passed, 12 failed", 1],
  ["counts a run without a summary as failed", 'echo "error: Module not found"; exit 1', "0 passed, 1 failed", 1],
  ["does not take a run of no tests for success", 'echo "ok | 0 passed | 0 failed (0s)"', "0 passed, 0 failed", 1],
];

for (const [name, script, last, code] of SUMMARY_CASES) {
  Deno.test(`.ci/run ${name}`, async () => {
    // A stand-in for npx, first on PATH: only what .ci/run makes of the output is tested here.
    const folder = await Deno.makeTempDir({ prefix: "s3lo-ci-" });
    try {
      await Deno.writeTextFile(`${folder}/npx`, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
      const output = await new Deno.Command("bash", {
        args: [`${ROOT}/.ci/run`],
        env: { PATH: `${folder}:${Deno.env.get("PATH")}` },
      }).output();
      assert.equal(new TextDecoder().decode(output.stdout).trimEnd().split("\n").at(-1), last);
      assert.equal(output.code, code);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}
