/** Many commands over stores, layouts and archives of hostile make, each followed by a look at what must always hold. */
import { ImageError } from "../../src/errors.ts";
import { digestOf, hexOf } from "../../src/oci/digest.ts";
import { Session } from "../../src/transports/session.ts";
import { writeStore } from "../cli/places.ts";
import { pick } from "../soak/schedule.ts";
import { imageViolations, storeViolations } from "../soak/world.ts";
import { Random } from "../support/images.ts";
import { lookAtCanary } from "./canary.ts";
import { type Deed, DEEDS, type Ground } from "./deeds.ts";
import { layoutPlaces, NOBODY, type Places, Stash, storePlaces, swap, Swapper } from "./received.ts";
import { become, canBeNobody, handOver, World } from "./world.ts";

const CHILD = new URL("child.ts", import.meta.url).pathname;

/** How a fuzz runs. */
export interface HostileOptions {
  readonly rounds: number;
  readonly seed: number;
  /** Of so many rounds one runs the program as a process of its own. */
  readonly processOneIn?: number;
  readonly onRound?: (round: number, line: string) => void;
}

/** What a fuzz found. */
export interface HostileFigures {
  rounds: number;
  processes: number;
  asNobody: number;
  swaps: number;
  succeeded: number;
  readonly failures: Map<string, number>;
  readonly violations: string[];
}

/** Longest that a command may take before it counts as hanging: none of them moves more than some megabytes. */
const HANG_MS = 60_000;

/** Runs the rounds. Every round has a seed of its own, from the first one on. */
export async function runHostile(options: HostileOptions): Promise<HostileFigures> {
  const figures: HostileFigures = {
    rounds: 0,
    processes: 0,
    asNobody: 0,
    swaps: 0,
    succeeded: 0,
    failures: new Map(),
    violations: [],
  };
  await using world = await World.make();
  const isRoot = Deno.uid() === 0;
  const withNobody = await canBeNobody(world.folder);
  // Each kind of command once, unharmed: that it works at all, and all of the program is loaded before it may read little.
  for (const deed of DEEDS) {
    const round = new Round(world, figures, deed, new Random(options.seed));
    figures.violations.push(...(await round.rehearse()).map((each) => `unharmed, ${deed.name}: ${each}`));
  }
  for (let index = 0; index < options.rounds; index++) {
    const random = new Random(options.seed + index);
    random.next(2);
    const user = isRoot && !(withNobody && random.next(2) === 0) ? 0 : isRoot ? NOBODY : Deno.uid() ?? 0;
    const deed = pick(random, DEEDS);
    const asProcess = deed.args !== undefined && random.next(options.processOneIn ?? 12) === 0;
    const started = performance.now();
    const round = new Round(world, figures, deed, random);
    const { outcome, violations } = await round.run(isRoot ? user : 0, asProcess);
    const who = user === NOBODY ? "nobody" : isRoot ? "root" : "user";
    figures.violations.push(
      ...violations.map((each) => `seed ${options.seed + index} (${deed.name}, ${who}): ${each}`),
    );
    figures.rounds++;
    if (user === NOBODY) figures.asNobody++;
    const took = Math.round(performance.now() - started);
    options.onRound?.(
      index,
      `seed ${options.seed + index}: ${deed.name}${asProcess ? ", process" : ""}, ${who}: ${outcome}, ${took} ms`,
    );
  }
  return figures;
}

class Round {
  readonly #world: World;
  readonly #figures: HostileFigures;
  readonly #deed: Deed;
  readonly #random: Random;

  constructor(world: World, figures: HostileFigures, deed: Deed, random: Random) {
    this.#world = world;
    this.#figures = figures;
    this.#deed = deed;
    this.#random = random;
  }

  /** The command over a folder that nobody harmed. */
  async rehearse(): Promise<string[]> {
    await using ground = await this.#ground("single");
    await using session = new Session();
    const error = await failureOf(() => this.#deed.run(session, ground));
    if (error) return [`it fails: ${error}`];
    return this.#deed.result ? await imageViolations(session, this.#deed.result(ground)) : [];
  }

  async run(user: number, asProcess: boolean): Promise<{ outcome: string; violations: string[] }> {
    const [world, random, deed] = [this.#world, this.#random, this.#deed];
    const tag = random.next(6) === 0 ? "large" : pick(random, ["multi", "single"]);
    await using ground = await this.#ground(tag);
    const { received } = ground;
    const nodes = world.nodes[user === 0 ? 0 : 1]!;
    const stash = new Stash(`${ground.own} stash`);
    await Deno.mkdir(`${ground.own} stash`);
    const hexes = [...world.images.get(tag)!.blobs.keys()].map(hexOf);
    const places = deed.kind === "store"
      ? storePlaces(hexes, "app", [tag, "new", "multi"])
      : layoutPlaces(hexes, ["out.tar"]);
    for (let left = random.next(4); left > 0; left--) await this.#plant(received, places, stash, nodes, user);
    const moves = random.next(2) > 0 ? [] : await this.#moves(received, places, stash, nodes, user);
    if (user !== 0) {
      for (const path of [received, ground.own, `${ground.own} stash`]) await handOver(path, user);
      if (random.next(4) === 0) await Deno.chown(received, 0, 0); // a folder that we may not write to
    }
    const before = await world.look();
    const receivedBefore = moves.length === 0 && deed.isReadOnly ? await lookAtCanary(received) : undefined;
    const swapper = new Swapper(moves);
    const violations: string[] = [];
    const watch = this.#watchOwn(ground);
    let outcome = "done";
    let isDone = false;
    try {
      const error = await this.#attempt(ground, user, asProcess, violations);
      isDone = error === undefined;
      if (!isDone) {
        const code = error instanceof ImageError ? error.code : String(error);
        this.#figures.failures.set(code, (this.#figures.failures.get(code) ?? 0) + 1);
        outcome = error instanceof ImageError ? `${code} (${error.message})` : code;
      } else this.#figures.succeeded++;
    } finally {
      swapper.stop();
      violations.push(...(await watch.stop()).map((each) => `while it ran: ${each}`));
      this.#figures.swaps += swapper.swaps;
    }
    const after = await world.look();
    for (const line of after.filter((each) => !before.includes(each))) violations.push(`outside is now: ${line}`);
    for (const line of before.filter((each) => !after.includes(each))) violations.push(`outside was before: ${line}`);
    if (receivedBefore && JSON.stringify(receivedBefore) !== JSON.stringify(await lookAtCanary(received))) {
      violations.push("what was only to be read was changed");
    }
    await using session = new Session();
    if (isDone && deed.result && moves.length === 0) {
      const found = await imageViolations(session, deed.result(ground));
      // What was written is whole; another folder of the store that is a link keeps readers away, and is named.
      violations.push(...found.filter((each) => !each.includes("a link stands where a folder should be")));
    }
    violations.push(...await this.#wrongBytes(ground, session, stash));
    return { outcome: `${outcome}${moves.length > 0 ? `, ${swapper.swaps} swaps` : ""}`, violations };
  }

  /** A received folder, which holds one of the images (as a layout: all of them), and an empty one. */
  async #ground(tag: string): Promise<Ground & AsyncDisposable> {
    const world = this.#world;
    const folder = await Deno.makeTempDir({ dir: world.folder });
    await Deno.chmod(folder, 0o755);
    const [received, own] = [`${folder}/received`, `${folder}/own`];
    await Deno.mkdir(own);
    if (this.#deed.kind === "store") {
      await writeStore(received, "app", tag, world.images.get(tag)!);
      await writeStore(received, "app", "multi", world.images.get("multi")!);
      await Deno.mkdir(`${received}/.s3lo/tmp`, { recursive: true });
    } else {
      await copyFolder(`${world.folder}/layout`, received, tag === "large" ? Infinity : 1_000_000);
    }
    return {
      world,
      received,
      own,
      tag,
      // Some of what was put there nobody but root may look into, and root is who this is.
      [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }),
    };
  }

  async #plant(received: string, places: Places, stash: Stash, nodes: string, owner: number): Promise<void> {
    const random = this.#random;
    const isFolder = random.next(3) === 0;
    const at = `${received}/${pick(random, isFolder ? places.folders : places.files)}`;
    const from = await stash.make(random, nodes, { isFolder, owner });
    // Something planted before may be in the way, or may lead outside.
    await makeFoldersWithin(received, at.slice(received.length + 1));
    swap({ at, from, out: stash.free() });
    if (random.next(8) === 0) await Deno.chmod(received, 0o777);
  }

  async #moves(received: string, places: Places, stash: Stash, nodes: string, owner: number) {
    const random = this.#random;
    const moves = [];
    for (let left = 1 + random.next(10); left > 0; left--) {
      const isFolder = random.next(3) === 0;
      const at = `${received}/${pick(random, isFolder ? places.folders : places.files)}`;
      const from = await stash.make(random, nodes, { isFolder, owner });
      const wait = random.next(3) > 0 ? { turns: random.next(30) } : { ms: random.next(30) };
      moves.push({ at, from, out: stash.free(), wait });
    }
    return moves;
  }

  /** Runs the command, in here or as a process; its failure, if it failed. */
  async #attempt(ground: Ground, user: number, asProcess: boolean, violations: string[]): Promise<unknown> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const hang = new Promise<"hang">((resolve) => timer = setTimeout(() => resolve("hang"), HANG_MS));
    try {
      if (asProcess) {
        this.#figures.processes++;
        return await this.#process(this.#deed.args!(ground), user, hang, violations);
      }
      using _user = become(user);
      await using session = new Session();
      const running = failureOf(() => this.#deed.run(session, ground));
      const ended = await Promise.race([running, hang]);
      if (ended !== "hang") {
        if (ended !== undefined && !(ended instanceof ImageError)) {
          violations.push(`a failure that is no ImageError: ${(ended as Error).stack ?? ended}`);
        }
        return ended;
      }
      violations.push("it hangs");
      for (const nodes of this.#world.nodes) (await Deno.open(`${nodes}/pipe`, { read: true, write: true })).close();
      return await running;
    } finally {
      clearTimeout(timer);
    }
  }

  async #process(args: readonly string[], user: number, hang: Promise<"hang">, violations: string[]): Promise<unknown> {
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", "--cached-only", CHILD, String(user), ...args],
      env: { NO_COLOR: "1" },
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    const output = child.output();
    const ended = await Promise.race([output, hang]);
    if (ended === "hang") {
      violations.push("it hangs");
      child.kill("SIGKILL");
    }
    const { code, stderr } = await output;
    const text = new TextDecoder().decode(stderr);
    if (/bug in s3lo/.test(text)) violations.push(`a failure that is no ImageError: ${text}`);
    return code === 0 ? undefined : `exit ${code}`;
  }

  /** Looks again and again at what can be seen in the user's own folder while the command runs. */
  #watchOwn(ground: Ground): { stop(): Promise<readonly string[]> } {
    const found = new Set<string>();
    let isStopped = false;
    const looking = (async () => {
      while (!isStopped) {
        await using session = new Session();
        for (const each of await wrongInOwn(ground, session)) found.add(each);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    })();
    return {
      async stop() {
        isStopped = true;
        await looking;
        return [...found];
      },
    };
  }

  /** Blobs whose bytes are neither their digest's nor what was planted; in the user's own folder any that is wrong. */
  async #wrongBytes(ground: Ground, session: Session, stash: Stash): Promise<string[]> {
    const { received } = ground;
    const violations = await wrongInOwn(ground, session);
    const folder = `${received}/blobs/sha256`;
    for (const part of [`${received}/blobs`, folder]) {
      if (!await Deno.lstat(part).then(({ isDirectory }) => isDirectory, () => false)) return violations;
    }
    for await (const { name, isFile } of Deno.readDir(folder)) {
      if (!isFile || !/^[0-9a-f]{64}$/.test(name)) continue;
      const digest = digestOf(await Deno.readFile(`${folder}/${name}`));
      if (hexOf(digest) !== name && !stash.contents.has(digest)) violations.push(`blob ${name} has other bytes`);
    }
    return violations;
  }
}

/** What is wrong with what can be seen in the user's own folder: every blob and image there must be whole. */
async function wrongInOwn({ own }: Ground, session: Session): Promise<string[]> {
  const violations: string[] = [];
  if (await exists(`${own}/store/blobs`)) {
    const { objects } = await session.folder(`${own}/store`, { access: "read" });
    violations.push(...await storeViolations(objects, session, `local://${own}/store//`));
  }
  if (await exists(`${own}/out.tar`)) {
    violations.push(...await imageViolations(session, `oci-archive:${own}/out.tar:@0`));
  }
  return violations;
}

/** Makes the folders on the way to a name, as long as none of them is something else. */
async function makeFoldersWithin(folder: string, name: string): Promise<void> {
  for (let end = name.indexOf("/"); end >= 0; end = name.indexOf("/", end + 1)) {
    const path = `${folder}/${name.slice(0, end)}`;
    const found = await Deno.lstat(path).catch(() => undefined);
    if (found && !found.isDirectory) return;
    if (!found) await Deno.mkdir(path);
  }
}

async function exists(path: string): Promise<boolean> {
  return await Deno.lstat(path).then(() => true, () => false);
}

async function copyFolder(from: string, to: string, maxBytes: number): Promise<void> {
  await Deno.mkdir(to, { recursive: true });
  for await (const { name, isDirectory } of Deno.readDir(from)) {
    if (isDirectory) await copyFolder(`${from}/${name}`, `${to}/${name}`, maxBytes);
    else if ((await Deno.stat(`${from}/${name}`)).size <= maxBytes) {
      await Deno.copyFile(`${from}/${name}`, `${to}/${name}`);
    }
  }
}

async function failureOf(step: () => Promise<unknown>): Promise<unknown> {
  try {
    await step();
    return undefined;
  } catch (error) {
    return error ?? new Error("a failure without a reason");
  }
}
