/** Pushing from a container daemon and pulling into it. */
import type { Attempt, Contestant, Scenario, Stage, StageContext } from "./scenario.ts";
import { run } from "./measure.ts";
import { emptyPlace, IMAGE, type SeededPlace } from "./seeds.ts";

const TOOLS = ["s3lo", "s3lo-go", "docker", "skopeo"] as const;

/** Scenarios with a daemon; docker and skopeo reach the bucket through a registry over the same S3 server. */
export const DAEMON_SCENARIOS: readonly Scenario[] = [
  push("push", "push from Docker, cold", "cold"),
  push("push-unchanged", "the same again, unchanged", "unchanged"),
  push("push-edited", "the same with one file edited", "edited"),
  {
    name: "pull",
    about: "pull into Docker",
    payloads: ["index7", "medium", "large8"],
    needsEngine: true,
    open: openPull,
  },
];

function push(name: string, about: string, kind: "cold" | "unchanged" | "edited"): Scenario {
  return {
    name,
    about,
    payloads: kind === "cold" ? ["medium", "large8"] : ["medium"],
    needsEngine: true,
    open: (context) => openPush(context, kind),
  };
}

const LOCAL = "bench/local:v1";

async function openPush({ lab, tools, seeds }: StageContext, kind: "cold" | "unchanged" | "edited"): Promise<Stage> {
  const host = ["--docker-host", `unix://${lab.engineSocket}`];
  await run(tools.s3lo("s3lo", "copy", ...host, seeds.payload.reference, `docker-daemon:${LOCAL}`));
  const command = (tool: Contestant, image: string, target: SeededPlace) => {
    if (tool === "s3lo") return tools.s3lo(tool, "push", ...host, image, target.reference());
    if (tool === "s3lo-go") {
      const { args, env } = tools.s3lo(tool, "push", image, target.reference());
      return { args, env: { ...env, DOCKER_HOST: `unix://${lab.engineSocket}` } };
    }
    if (tool === "docker") return tools.docker("push", "--quiet", target.reference());
    return tools.command(
      "skopeo",
      "--insecure-policy",
      "copy",
      "--quiet",
      "--dest-tls-verify=false",
      "--src-daemon-host",
      `unix://${lab.engineSocket}`,
      `docker-daemon:${image}`,
      `docker://${target.reference()}`,
    );
  };
  /** docker pushes what is tagged with the target's name. */
  const tag = async (tool: Contestant, image: string, target: SeededPlace) => {
    if (tool === "docker") await run(tools.docker("tag", image, target.reference()));
  };
  const kept = new Map<Contestant, { readonly place: SeededPlace; readonly clean: () => Promise<void> }>();
  let edits = 0;
  return {
    contestants: tools.present(TOOLS),
    async prepare(tool): Promise<Attempt> {
      const target = kept.get(tool) ?? await emptyPlace(lab, tool.startsWith("s3lo") ? "bucket" : "bucket-registry");
      if (kind !== "cold" && !kept.has(tool)) {
        kept.set(tool, target);
        await tag(tool, LOCAL, target.place);
        await run(command(tool, LOCAL, target.place));
      }
      const image = kind === "edited" ? await edit(tools, lab.folder, edits++) : LOCAL;
      return {
        hosts: { source: target.place.host, target: target.place.host },
        command: () => command(tool, image, target.place),
        before: () => tag(tool, image, target.place),
        finish: async () => {
          if (tool === "docker") await run(tools.docker("rmi", target.place.reference())).catch(() => {});
          if (image !== LOCAL) await run(tools.docker("rmi", image));
          if (kind === "cold") await target.clean();
        },
      };
    },
    async [Symbol.asyncDispose]() {
      for (const { clean } of kept.values()) await clean();
      await run(tools.docker("rmi", "-f", LOCAL));
    },
  };
}

/** The image with one file changed, as a build would leave it: all layers but the last are the same. */
async function edit(tools: StageContext["tools"], folder: string, number: number): Promise<string> {
  const image = `bench/edited:v${number}`;
  const file = `${folder}/edited.txt`;
  await Deno.writeTextFile(file, `${crypto.randomUUID()}\n`.repeat(200));
  const container = (await run(tools.docker("create", LOCAL, "/bin/true"))).trim();
  await run(tools.docker("cp", file, `${container}:/edited.txt`));
  await run(tools.docker("commit", container, image));
  await run(tools.docker("rm", container));
  return image;
}

function openPull({ lab, tools, seeds }: StageContext): Promise<Stage> {
  const socket = `unix://${lab.engineSocket}`;
  const remove = async (name: string) => {
    await run(tools.docker("rmi", "-f", name)).catch(() => {});
    await run(tools.docker("image", "prune", "-f"));
  };
  return Promise.resolve({
    contestants: tools.present(TOOLS),
    async prepare(tool): Promise<Attempt> {
      const source = await seeds.at(tool.startsWith("s3lo") ? "bucket" : "bucket-registry");
      const hosts = { source: source.host, target: source.host };
      if (tool === "docker") {
        let name = "";
        const command = () => tools.docker("pull", "--quiet", name = source.reference());
        return { hosts, command, finish: () => remove(name) };
      }
      const name = `bench/pulled:${IMAGE.split(":")[1]}`;
      const finish = () => remove(name);
      if (tool === "skopeo") {
        const command = () =>
          tools.command(
            "skopeo",
            "--insecure-policy",
            "copy",
            "--quiet",
            "--src-tls-verify=false",
            "--override-arch",
            "amd64",
            "--dest-daemon-host",
            socket,
            `docker://${source.reference()}`,
            `docker-daemon:${name}`,
          );
        return { hosts, command, finish };
      }
      const command = () => {
        const { args, env } = tools.s3lo(tool as "s3lo" | "s3lo-go", "pull", source.reference(), name);
        return { args, env: { ...env, DOCKER_HOST: socket } };
      };
      return { hosts, command, finish };
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  });
}
