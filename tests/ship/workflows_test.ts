import assert from "node:assert/strict";
import { parse } from "yaml";
import { ROOT } from "../../scripts/source_files.ts";
import { executableName, TARGETS } from "../../scripts/compile/targets.ts";
import { programTest } from "../support/services.ts";

const WORKFLOWS = ["ci.yml", "release.yml"];
const ACTION = ".github/actions/setup-s3lo/action.yml";

/** A workflow, as far as these tests look. */
interface Workflow {
  readonly permissions: unknown;
  readonly jobs: Readonly<Record<string, Job>>;
}

interface Job {
  readonly "runs-on"?: string;
  readonly needs?: string | readonly string[];
  readonly environment?: string;
  readonly permissions?: Readonly<Record<string, string>>;
  readonly strategy?: {
    readonly matrix: { readonly os?: string[]; readonly include?: { os: string; file: string }[] };
  };
  readonly steps?: readonly { readonly uses?: string; readonly run?: string; readonly name?: string }[];
}

async function workflow(name: string): Promise<Workflow> {
  return parse(await Deno.readTextFile(`${ROOT}/.github/workflows/${name}`)) as Workflow;
}

/**
 * The runners that GitHub has, and the day on which it takes each away, where that has been said (actions/runner-images,
 * label Announcement). A label that is gone fails a job before its first step, and no linter notices. Where no day has been
 * said the date is the one on which to look again.
 */
const RUNNERS: Readonly<Record<string, string>> = {
  "ubuntu-24.04": "2028-04-30", // look again: two newer ones are kept
  "ubuntu-24.04-arm": "2028-04-30", // look again
  "macos-15": "2027-09-30", // look again: leaves when macOS 27 has come
  "macos-15-intel": "2027-08-01", // announced in #13045, the last image for Intel
  "windows-2025": "2029-12-31", // look again
};

Deno.test("every job runs on a runner that GitHub still has", async () => {
  const used = new Set<string>();
  for (const name of WORKFLOWS) {
    for (const job of Object.values((await workflow(name)).jobs)) {
      const { os = [], include = [] } = job.strategy?.matrix ?? {};
      const labels = job["runs-on"]?.startsWith("${{") ? [...os, ...include.map((each) => each.os)] : [job["runs-on"]];
      for (const label of labels) if (label !== undefined) used.add(label);
    }
  }
  assert.ok(used.size > 3, [...used].join(", "));
  const today = new Date().toISOString().slice(0, 10);
  for (const label of used) {
    const end = RUNNERS[label];
    assert.ok(end !== undefined, `"${label}" is not in the list of runners, with the day on which it ends`);
    assert.ok(today < end, `"${label}" ended on ${end}: name its successor, or correct the list`);
  }
});

Deno.test("every action is pinned by the commit, and says of which version that is", async () => {
  let count = 0;
  for (const path of [...WORKFLOWS.map((name) => `.github/workflows/${name}`), ACTION]) {
    for (const line of (await Deno.readTextFile(`${ROOT}/${path}`)).split("\n")) {
      const [, used] = line.match(/\buses:\s*(.*)$/) ?? [];
      if (used === undefined || used.startsWith("./")) continue;
      assert.match(used, /^[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/, path);
      count++;
    }
  }
  assert.ok(count > 5);
});

Deno.test("rights to write are one job's, which runs nothing that a lock file does not pin", async () => {
  const { permissions, jobs } = await workflow("release.yml");
  assert.deepEqual(permissions, { contents: "read" });
  const writers = Object.keys(jobs).filter((name) => jobs[name]!.permissions?.contents === "write");
  assert.deepEqual(writers, ["publish"]);
  for (const name of ["compile", "publish"]) {
    const commands = jobs[name]!.steps!.flatMap(({ run }) => run === undefined ? [] : [run]).join("\n");
    assert.doesNotMatch(commands, /\bnpx\b|curl|wget|npm install/, name);
    assert.match(commands, /npm ci --prefix \.github\/release/, name);
  }
  assert.equal(jobs.publish!.environment, "release");
  const lock = JSON.parse(await Deno.readTextFile(`${ROOT}/.github/release/package-lock.json`));
  const packages = Object.entries(lock.packages as Record<string, { integrity?: string; version?: string }>)
    .filter(([path]) => path !== "");
  assert.ok(packages.every(([, { integrity }]) => integrity?.startsWith("sha512-")));
  assert.equal(lock.packages["node_modules/deno"].version, Deno.version.deno);
});

Deno.test("what is built is attested where it is built, and run on every system before it is published", async () => {
  const { jobs } = await workflow("release.yml");
  const attests = Object.keys(jobs).filter((name) => jobs[name]!.steps?.some(({ uses }) => uses?.includes("attest-")));
  assert.deepEqual(attests, ["compile"]);
  const matrix = jobs.run!.strategy!.matrix.include!.map(({ file }) => file.replace(/\.(?:tar\.gz|zip)$/, ""));
  assert.deepEqual(matrix.toSorted(), TARGETS.map((target) => executableName(target).replace(/\.exe$/, "")).sort());
  assert.deepEqual(jobs.publish!.needs, ["compile", "run"]);
  assert.doesNotMatch(await Deno.readTextFile(`${ROOT}/.github/workflows/release.yml`), /--allow-all|\s-A\s/);
});

Deno.test("every push is tried on macOS and Windows", async () => {
  const { jobs } = await workflow("ci.yml");
  const { strategy, steps } = jobs.systems!;
  assert.ok(strategy!.matrix.os!.some((os) => os.startsWith("macos")));
  assert.ok(strategy!.matrix.os!.some((os) => os.startsWith("windows")));
  const commands = steps!.map(({ run }) => run).join("\n");
  for (const task of ["demo", "test:system", "test:unit"]) assert.ok(commands.includes(`task ${task}`), task);
});

Deno.test("the action installs the version of its own tag, from this project whoever uses it", async () => {
  const action = parse(await Deno.readTextFile(`${ROOT}/${ACTION}`));
  assert.equal(action.runs.using, "composite");
  const text = JSON.stringify(action);
  assert.doesNotMatch(text, /github\.repository|action_repository/);
  assert.match(text, /https:\/\/github\.com\/s3lo\/s3lo\/releases/);
  const { run } = action.runs.steps.find(({ id }: { id?: string }) => id === "wanted") as { run: string };
  const wanted = async (asked: string, own: string) => {
    const output = await Deno.makeTempFile();
    try {
      const { success } = await new Deno.Command("bash", {
        args: ["-euo", "pipefail", "-c", run],
        env: { ASKED: asked, OWN: own, GITHUB_OUTPUT: output },
      }).output();
      assert.ok(success);
      return (await Deno.readTextFile(output)).trim();
    } finally {
      await Deno.remove(output);
    }
  };
  assert.equal(await wanted("", "v0.2.0"), "version=v0.2.0");
  assert.equal(await wanted("", "v0.2.0-rc.1"), "version=v0.2.0-rc.1");
  assert.equal(await wanted("v0.1.0", "v0.2.0"), "version=v0.1.0");
  for (const branch of ["main", "v1", ""]) assert.equal(await wanted("", branch), "version=");
});

programTest("the workflows are clean for actionlint", ["actionlint"], async ([actionlint = ""]) => {
  const files = WORKFLOWS.map((name) => `.github/workflows/${name}`);
  const { success, stdout } = await new Deno.Command(actionlint, { args: ["-no-color", ...files], cwd: ROOT }).output();
  assert.ok(success, new TextDecoder().decode(stdout));
});
