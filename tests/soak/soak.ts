/** Many commands under many seeded faults, each followed by a look at what must always hold. */
import { ImageError } from "../../src/errors.ts";
import type { ArchivePlace } from "../../src/oci/locations/archive.ts";
import type { Session } from "../../src/transports/session.ts";
import { FaultProxy, type FaultProxyOptions } from "../support/fault_proxy.ts";
import { Random } from "../support/images.ts";
import { drawScript, drawWeather, pick } from "./schedule.ts";
import { digestAt, imageViolations, type SoakServers, storeViolations, World } from "./world.ts";
import { addToIndex, copyCommand, pullCommand, pushCommand } from "../support/by_text.ts";

/** How a soak runs. */
export interface SoakOptions {
  readonly rounds: number;
  readonly seed: number;
  readonly servers: SoakServers;
  /** Certificate, key and authority for the rounds over TLS; without, there are none. */
  readonly tls?: { readonly cert: string; readonly key: string; readonly caFile: string } | undefined;
  /** Whether names may be looked up that do not exist. */
  readonly withDns?: boolean;
  /** Told of every round. */
  readonly onRound?: (round: number, line: string) => void;
}

/** What a soak found. */
export interface SoakFigures {
  rounds: number;
  /** Commands that succeeded in spite of their faults. */
  survived: number;
  /** Commands that failed; what was seen afterwards was whole all the same. */
  failed: number;
  readonly faults: Map<string, number>;
  readonly failures: Map<string, number>;
  retries: number;
  /** Bytes of bodies that went over the wire, faulty attempt and retry together. */
  movedBytes: number;
  /** Those beyond what the same command moves without faults. */
  resentBytes: number;
  readonly violations: string[];
}

/** One kind of command: where it goes, and what it should leave there. */
interface Route {
  readonly name: string;
  readonly run: (session: Session, place: Places) => Promise<unknown>;
  /** What can be seen afterwards, as a reference for a session straight to the servers. */
  readonly result: (place: Places) => string;
}

/** The addresses of one round. */
interface Places {
  readonly world: World;
  readonly tag: string;
  readonly bucket: string;
  readonly folder: string;
  /** Host of the registry as the command sees it. */
  readonly registry: string;
  readonly repository: string;
  readonly file: Omit<ArchivePlace, "name">;
}

const host = { os: "linux", architecture: "amd64" };
const inRegistry = ({ registry, world, tag }: Places) => `${registry}/${world.repository}:${tag}`;
const inSource = ({ world, tag }: Places) => `s3://${world.sourceBucket}/app:${tag}`;
const inFolder = ({ world, tag }: Places) => `local://${world.folder}/source//app:${tag}`;
const toBucket = ({ bucket }: Places) => `s3://${bucket}/team/app:v1`;
const toFolder = ({ folder }: Places) => `local://${folder}/store//team/app:v1`;

const ROUTES: readonly Route[] = [
  copy("registry to bucket", inRegistry, toBucket),
  copy("bucket to registry", inSource, ({ registry, repository }) => `${registry}/${repository}:v1`, {
    result: ({ world, repository }) => `${world.registryHost}/${repository}:v1`,
  }),
  copy("bucket to bucket", inSource, toBucket),
  copy("bucket to folder", inSource, toFolder),
  copy("registry to folder", inRegistry, toFolder),
  copy("folder to bucket", inFolder, toBucket),
  copy("folder to registry", inFolder, ({ registry, repository }) => `${registry}/${repository}:v1`, {
    result: ({ world, repository }) => `${world.registryHost}/${repository}:v1`,
  }),
  {
    name: "pull to a file",
    run: (session, place) =>
      pullCommand(session, inRegistry(place), {
        host,
        name: "app:v1",
        file: place.file,
        allPlatforms: place.file.kind !== "docker-archive",
        ...(place.file.kind === "docker-archive"
          ? { platform: place.tag === "arm64" ? "linux/arm64" : "linux/amd64" }
          : {}),
      }),
    result: ({ file }) => `${file.kind}:${file.path}`,
  },
  {
    name: "push of a file",
    run: (session, place) =>
      pushCommand(session, undefined, toBucket(place), {
        file: { kind: "oci-archive", path: `${place.world.folder}/${place.tag}.tar` },
      }),
    result: toBucket,
  },
  {
    name: "index add",
    run: (session, place) =>
      addToIndex(session, toBucket(place), [
        `${place.registry}/${place.world.repository}:single`,
        `s3://${place.world.sourceBucket}/app:arm64`,
      ]),
    result: toBucket,
  },
];

function copy(
  name: string,
  source: (place: Places) => string,
  target: (place: Places) => string,
  more: { readonly result?: (place: Places) => string } = {},
): Route {
  return {
    name,
    run: (session, place) => copyCommand(session, source(place), target(place)),
    result: more.result ?? target,
  };
}

/** Longest that a command may take under faults before it counts as hanging. */
const HANG_MS = 60_000;

/** Runs the rounds. Every round has a seed of its own, from the first one on. */
export async function runSoak(options: SoakOptions): Promise<SoakFigures> {
  const figures: SoakFigures = {
    rounds: 0,
    survived: 0,
    failed: 0,
    faults: new Map(),
    failures: new Map(),
    retries: 0,
    movedBytes: 0,
    resentBytes: 0,
    violations: [],
  };
  await using world = await World.make(options.servers);
  const clean = new Map<string, { readonly digest: string; readonly bytes: number }>();
  for (let round = 0; round < options.rounds; round++) {
    const seed = options.seed + round;
    try {
      await new Round(world, options, figures, clean).run(seed);
    } catch (error) {
      figures.violations.push(`seed ${seed}: the round itself failed: ${error instanceof Error ? error.stack : error}`);
    }
    figures.rounds++;
  }
  return figures;
}

class Round {
  readonly #world: World;
  readonly #options: SoakOptions;
  readonly #figures: SoakFigures;
  readonly #clean: Map<string, { readonly digest: string; readonly bytes: number }>;
  /** Whether the faults are over: what follows is the run that must succeed. */
  #isOver = false;

  constructor(
    world: World,
    options: SoakOptions,
    figures: SoakFigures,
    clean: Map<string, { readonly digest: string; readonly bytes: number }>,
  ) {
    this.#world = world;
    this.#options = options;
    this.#figures = figures;
    this.#clean = clean;
  }

  async run(seed: number): Promise<void> {
    const random = new Random(seed);
    const route = pick(random, ROUTES);
    const tag = route.name === "index add" ? "single" : pick(random, ["multi", "single", "arm64", "nested", "big"]);
    const kind = tag === "nested" || tag === "multi" && random.next(2) === 0
      ? pick(random, ["oci", "oci-archive"] as const)
      : pick(random, ["oci", "oci-archive", "docker-archive"] as const);
    const tls = this.#options.tls && random.next(6) === 0 ? this.#options.tls : undefined;
    const expected = await this.#expect(route, tag, kind);
    const weather = drawWeather(random);
    const script = drawScript(random, weather);
    const filtered: NonNullable<FaultProxyOptions["script"]> = (request, index) => {
      const fault = script(request, index);
      return fault?.kind === "dns" && !this.#options.withDns ? undefined : fault;
    };
    const cutAt = random.next(30_000);
    const started = performance.now();
    const outcome = await this.#inPlaces(route, tag, kind, {
      script: filtered,
      tls,
      ...(tls
        ? {
          cutTls: (connection: number) =>
            this.#isOver ? undefined : connection < weather.most && connection % 2 === 0 ? cutAt : undefined,
        }
        : {}),
    }, expected.digest);
    const figures = this.#figures;
    figures.movedBytes += outcome.bytes;
    figures.resentBytes += Math.max(0, outcome.bytes - expected.bytes);
    for (const violation of outcome.violations) {
      figures.violations.push(`seed ${seed} (${route.name}, ${tag}, ${kind}): ${violation}`);
    }
    this.#options.onRound?.(
      figures.rounds,
      `seed ${seed}: ${route.name}, ${tag}${tls ? ", TLS" : ""}: ${outcome.what} after ${outcome.faults} faults in ${
        Math.round(performance.now() - started)
      } ms`,
    );
  }

  /** What the command leaves and moves without faults; found out once for each. */
  async #expect(route: Route, tag: string, kind: ArchivePlace["kind"]) {
    const key = `${route.name} ${tag} ${route.name === "pull to a file" ? kind : ""}`;
    const known = this.#clean.get(key);
    if (known) return known;
    const outcome = await this.#inPlaces(route, tag, kind, {}, undefined);
    if (outcome.violations.length > 0 || outcome.digest === undefined) {
      throw new Error(`${key} fails without any fault: ${outcome.violations.join("; ")}`);
    }
    const expected = { digest: outcome.digest, bytes: outcome.bytes };
    this.#clean.set(key, expected);
    return expected;
  }

  async #inPlaces(
    route: Route,
    tag: string,
    kind: ArchivePlace["kind"],
    faults: Pick<FaultProxyOptions, "script" | "tls" | "cutTls">,
    expected: string | undefined,
  ) {
    const world = this.#world;
    await using s3 = new FaultProxy({ upstream: new URL(world.s3Origin).host, speaks: "s3", ...faults });
    await using registry = new FaultProxy({ upstream: world.registryHost, speaks: "registry", ...faults });
    const folder = await Deno.makeTempDir({ dir: world.folder });
    const bucket = await world.makeBucket();
    const place: Places = {
      world,
      tag,
      bucket,
      folder,
      registry: registry.host,
      repository: `soak-targets/${crypto.randomUUID().slice(0, 13)}`,
      file: { kind, path: `${folder}/image` },
    };
    const violations: string[] = [];
    try {
      const first = await this.#attempt(route, place, s3, faults.tls !== undefined);
      if (first.error && !(first.error instanceof ImageError)) {
        violations.push(`a failure that is no ImageError: ${(first.error as Error).stack ?? first.error}`);
      }
      violations.push(...await this.#look(route, place, first.error === undefined ? expected : undefined));
      const injected = [...s3.figures.faults, ...registry.figures.faults];
      for (const [name, count] of injected) {
        this.#figures.faults.set(name, (this.#figures.faults.get(name) ?? 0) + count);
      }
      if (first.error === undefined) this.#figures.survived += expected === undefined ? 0 : 1;
      else {
        this.#figures.failed++;
        const code = (first.error as ImageError).code ?? "none";
        this.#figures.failures.set(code, (this.#figures.failures.get(code) ?? 0) + 1);
        s3.script = registry.script = undefined;
        this.#isOver = true;
        const again = await this.#attempt(route, place, s3, faults.tls !== undefined, true);
        if (again.error) violations.push(`the retry without faults failed: ${again.error}`);
        else violations.push(...(await this.#look(route, place, expected)).map((each) => `after the retry: ${each}`));
      }
      await this.#findLeftovers(route, place, violations);
      await using session = world.session();
      return {
        violations,
        digest: await digestAt(session, route.result(place)),
        bytes: [s3, registry].reduce((sum, each) => sum + each.figures.sentBytes + each.figures.receivedBytes, 0),
        what: first.error === undefined ? "done" : `failed (${(first.error as ImageError).code})`,
        faults: injected.reduce((sum, [, count]) => sum + count, 0),
      };
    } finally {
      await world.removeBucket(bucket);
      await Deno.remove(folder, { recursive: true });
    }
  }

  async #attempt(
    route: Route,
    place: Places,
    s3: FaultProxy,
    isTls: boolean,
    isRetry = false,
  ): Promise<{ readonly error?: unknown }> {
    const { tls } = this.#options;
    const hanging = new AbortController();
    const timer = setTimeout(() => hanging.abort(), HANG_MS);
    await using session = this.#world.session({
      endpoint: s3.origin,
      plainHttp: !isTls,
      ...(isTls && tls ? { caFiles: [tls.caFile] } : {}),
      retryDelayMs: 2,
      ...(isRetry ? {} : { stallTimeoutMs: 800 }),
      signal: hanging.signal,
      log: (line) => {
        if (line.includes("trying again")) this.#figures.retries++;
      },
    });
    try {
      await route.run(session, place);
      return {};
    } catch (error) {
      return { error: hanging.signal.aborted ? new Error(`it hung for ${HANG_MS} ms`) : error };
    } finally {
      clearTimeout(timer);
    }
  }

  /** What can be seen now and is not as it must be. `expected`: the digest that must be there. */
  async #look(route: Route, place: Places, expected: string | undefined): Promise<string[]> {
    await using session = this.#world.session();
    const violations: string[] = [];
    const bucket = await session.bucket(place.bucket, "target");
    violations.push(...await storeViolations(bucket.objects, session, `s3://${place.bucket}/`));
    if (await Deno.stat(`${place.folder}/store`).then(() => true, () => false)) {
      const store = await session.folder(`${place.folder}/store`, { access: "read" });
      violations.push(...await storeViolations(store.objects, session, `local://${place.folder}/store//`));
    }
    const result = route.result(place);
    const digest = await digestAt(session, result);
    if (digest !== undefined) violations.push(...await imageViolations(session, result));
    if (expected !== undefined && digest !== expected) {
      violations.push(`the command succeeded and "${result}" is ${digest}, not ${expected}`);
    }
    return violations;
  }

  async #findLeftovers(route: Route, place: Places, violations: string[]): Promise<void> {
    const left: string[] = [];
    const walk = async (path: string): Promise<void> => {
      for await (const entry of Deno.readDir(path)) {
        if (entry.isDirectory) await walk(`${path}/${entry.name}`);
        else if (/\.s3lo\/(tmp|partial)$/.test(path) || entry.name.includes(".s3lo-")) {
          left.push(`${path}/${entry.name}`);
        }
      }
    };
    await walk(place.folder);
    if (left.length > 0) violations.push(`left behind: ${left.join(", ")}`);
    const image = this.#world.images.get(place.tag);
    if (image && route.result(place).startsWith("s3://")) {
      const count = await this.#world.unfinished(place.bucket, image);
      if (count > 0) violations.push(`${count} unfinished uploads are left`);
    }
  }
}
