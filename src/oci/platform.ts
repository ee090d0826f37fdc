import { ImageError } from "../errors.ts";
import { Members } from "./json.ts";

/**
 * What a manifest runs on.
 *
 * Spec: OCI image-spec v1.1.1, image-index.md, "platform"; names as Go's GOOS and GOARCH give them.
 */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  /** For example `v7` of `arm`. */
  readonly variant?: string;
  /** For example `10.0.17763.1234` of Windows; member `os.version` in JSON. */
  readonly osVersion?: string;
  /** What the image needs of the operating system, for example `win32k`; member `os.features` in JSON. */
  readonly osFeatures?: readonly string[];
}

const OPERATING_SYSTEMS = new Set(
  "aix android darwin dragonfly freebsd illumos ios js linux nacl netbsd openbsd plan9 solaris wasip1 windows zos"
    .split(" "),
);

const ARCHITECTURES = new Set(
  ("386 amd64 amd64p32 arm armbe arm64 arm64be loong64 mips mipsle mips64 mips64le mips64p32 mips64p32le ppc ppc64 ppc64le " +
    "riscv riscv64 s390 s390x sparc sparc64 wasm").split(" "),
);

/** Spellings of architectures that people use, and what they stand for (architecture, implied variant). */
const ARCHITECTURE_ALIASES: Readonly<Record<string, readonly [string, string?]>> = {
  i386: ["386"],
  i686: ["386"],
  x86_64: ["amd64"],
  "x86-64": ["amd64"],
  aarch64: ["arm64"],
  armhf: ["arm", "v7"],
  armel: ["arm", "v6"],
};

/** A part of a platform's text: letters, digits, `_`, `.`, `-`. */
const COMPONENT = /^[A-Za-z0-9_.-]+$/;

/** `os`, or `os(version)`, or `os(version+feature+feature)`. */
const OS_COMPONENT = /^([A-Za-z0-9_-]+)(?:\(([A-Za-z0-9_.-]*)((?:\+[A-Za-z0-9_.-]+)*)\))?$/;

/**
 * Reads a platform as people write it: `os/architecture[/variant]`, `os(version)/architecture`, or one word, which is an
 * architecture of linux (`arm64`) or an operating system together with `hostArchitecture`.
 *
 * Returns the normalised platform. Throws `invalid-reference`.
 */
export function parsePlatform(text: string, hostArchitecture = "amd64"): Platform {
  const parts = text.trim().split("/");
  const [first = "", second, variant] = parts;
  const bad = (why: string) =>
    new ImageError("invalid-reference", `Invalid platform "${text}": ${why}`, {
      hint: "Write it as os/architecture[/variant], for example linux/arm64 or linux/arm/v7",
    });
  if (parts.length > 3) throw bad("too many parts");
  const osMatch = OS_COMPONENT.exec(first);
  if (!osMatch || parts.slice(1).some((part) => !COMPONENT.test(part))) {
    throw bad("an empty part, or a character it cannot have");
  }
  if (second === undefined) {
    const name = (osMatch[1] ?? "").toLowerCase();
    if (OPERATING_SYSTEMS.has(normalizeOs(name))) {
      return withOsDetails({ os: name, architecture: hostArchitecture }, osMatch);
    }
    const [architecture] = ARCHITECTURE_ALIASES[name] ?? [name];
    if (osMatch[2] === undefined && ARCHITECTURES.has(architecture)) {
      return normalizePlatform({ os: "linux", architecture: name });
    }
    throw bad("neither an operating system nor an architecture that is known");
  }
  return withOsDetails(
    { os: osMatch[1] ?? "", architecture: second, ...(variant === undefined ? {} : { variant }) },
    osMatch,
  );
}

/** Reads several platforms: repeated options, each of which may hold a comma-separated list. Duplicates are dropped. */
export function parsePlatforms(texts: readonly string[], hostArchitecture?: string): Platform[] {
  const platforms = texts.flatMap((text) => text.split(",")).map((text) => parsePlatform(text, hostArchitecture));
  return [...new Map(platforms.map((platform) => [formatPlatform(platform), platform])).values()];
}

/**
 * Reads the `platform` of a descriptor, or of an image config, which has the same members at its top.
 *
 * The result is as written, not normalised. Throws `invalid-input`.
 */
export function parsePlatformObject(value: unknown, what: string): Platform {
  const members = new Members(value, what);
  const variant = members.string("variant");
  const osVersion = members.string("os.version");
  const osFeatures = members.strings("os.features");
  return {
    os: members.string("os") ?? "",
    architecture: members.string("architecture") ?? "",
    ...(variant ? { variant } : {}),
    ...(osVersion ? { osVersion } : {}),
    ...(osFeatures && osFeatures.length > 0 ? { osFeatures } : {}),
  };
}

/**
 * The same platform in the one spelling that comparisons use: lower case, aliases resolved, a variant that is only the
 * default of its architecture left out (`arm64/v8`, `amd64/v1`) or filled in (`arm` is `arm/v7`).
 */
export function normalizePlatform(platform: Platform): Platform {
  const { variant: _dropped, ...rest } = platform;
  const alias = ARCHITECTURE_ALIASES[platform.architecture.toLowerCase()];
  const architecture = alias?.[0] ?? platform.architecture.toLowerCase();
  const variant = normalizeVariant(architecture, (platform.variant ?? "").toLowerCase() || (alias?.[1] ?? ""));
  return { ...rest, os: normalizeOs(platform.os.toLowerCase()), architecture, ...(variant ? { variant } : {}) };
}

/** A platform as people write it: `os/architecture[/variant]`, with an os version in parentheses where there is one. */
export function formatPlatform(platform: Platform): string {
  const details = [platform.osVersion ?? "", ...(platform.osFeatures ?? [])].join("+");
  const os = details === "" ? platform.os : `${platform.os}(${details})`;
  return [os, platform.architecture, platform.variant].filter((part) => part).join("/");
}

/**
 * The platform whose images this machine runs: containers on macOS and Windows are linux ones.
 *
 * `os` and `architecture` are as `Deno.build` gives them (`darwin`, `x86_64`).
 */
export function hostPlatform(os: string, architecture: string): Platform {
  const runsLinux = os === "darwin" || os === "windows";
  return normalizePlatform({ os: runsLinux ? "linux" : os, architecture });
}

/** How far a choice may go from the wanted platform; see {@linkcode selectPlatform}. */
export interface SelectOptions {
  /**
   * Whether another architecture that the wanted one can run is good enough (arm64 runs arm, amd64 runs 386). For the
   * choice of a host; a platform that was asked for by name falls back to older variants only.
   */
  readonly otherArchitectures?: boolean;
}

/**
 * Chooses the entry that fits the wanted platform best: the exact variant first, then older variants, then (if allowed)
 * other architectures; among equals the first, and for Windows the newest os version of the wanted build.
 *
 * Entries without a platform, and those of an unknown one, are never chosen. Undefined when nothing fits.
 */
export function selectPlatform<T extends { readonly platform?: Platform }>(
  entries: readonly T[],
  wanted: Platform,
  options: SelectOptions = {},
): T | undefined {
  const preferences = runnablePlatforms(normalizePlatform(wanted))
    .filter((candidate) =>
      options.otherArchitectures || candidate.architecture === normalizePlatform(wanted).architecture
    );
  let best: { entry: T; rank: number; version: readonly number[] } | undefined;
  for (const entry of entries) {
    if (!entry.platform) continue;
    const rank = rankOf(normalizePlatform(entry.platform), wanted, preferences);
    if (rank < 0) continue;
    const version = versionNumbers(entry.platform.osVersion);
    if (!best || rank < best.rank || (rank === best.rank && compareVersions(version, best.version) > 0)) {
      best = { entry, rank, version };
    }
  }
  return best?.entry;
}

/**
 * The platform among those there that comes nearest to the wanted one, for an error message: the same os and
 * architecture first, then the same architecture, then the same os. Undefined when nothing is alike.
 */
export function nearestPlatform(available: readonly Platform[], wanted: Platform): Platform | undefined {
  const target = normalizePlatform(wanted);
  const runnable = new Set(runnablePlatforms(target).map((platform) => platform.architecture));
  const score = (platform: Platform) => {
    const other = normalizePlatform(platform);
    return (other.os === target.os ? 2 : 0) + (other.architecture === target.architecture ? 4 : 0) +
      (runnable.has(other.architecture) ? 1 : 0);
  };
  const known = available.filter((platform) => platform.os !== "unknown" && platform.os !== "");
  const nearest = known.toSorted((left, right) => score(right) - score(left))[0];
  return nearest && score(nearest) > 0 ? nearest : undefined;
}

/** Every os/architecture/variant that runs on the given normalised platform, best first. */
function runnablePlatforms(platform: Platform): { architecture: string; variant: string }[] {
  const { architecture } = platform;
  const variants = olderVariants(architecture, platform.variant ?? "");
  const own = variants.map((variant) => ({ architecture, variant }));
  if (architecture === "arm64") {
    return [...own, ...olderVariants("arm", "v8").map((variant) => ({ architecture: "arm", variant }))];
  }
  if (architecture === "amd64") return [...own, { architecture: "386", variant: "" }];
  return own;
}

/** The variant itself and those before it that the same machine runs, newest first; normalised spellings. */
function olderVariants(architecture: string, variant: string): string[] {
  const match = /^v(\d+)(?:\.(\d+))?$/.exec(variant);
  if (architecture === "arm") return countDown(match ? Number(match[1]) : 7, 5);
  if (architecture === "amd64" && match) return countDown(Number(match[1]), 2).concat("");
  if (architecture === "arm64" && match) {
    const [major, minor] = [Number(match[1]), Number(match[2] ?? 0)];
    const versions = Array.from({ length: minor }, (_, index) => `v${major}.${minor - index}`);
    const below = major > 8 ? countDown(major, 9) : [];
    return [...versions, ...below, ""];
  }
  return [variant];
}

function countDown(from: number, to: number): string[] {
  return Array.from({ length: Math.max(from - to + 1, 0) }, (_, index) => `v${from - index}`);
}

/** Place of an entry in the list of preferences; -1 when it does not fit. */
function rankOf(
  entry: Platform,
  wanted: Platform,
  preferences: readonly { architecture: string; variant: string }[],
): number {
  const target = normalizePlatform(wanted);
  if (entry.os !== target.os || !versionFits(entry, target)) return -1;
  const offered = new Set(target.osFeatures ?? []);
  if (target.osFeatures && !(entry.osFeatures ?? []).every((feature) => offered.has(feature))) return -1;
  return preferences.findIndex((candidate) =>
    candidate.architecture === entry.architecture && candidate.variant === (entry.variant ?? "")
  );
}

/**
 * Whether the os version fits: without a wanted version any does; Windows runs images of its own build (the first three
 * numbers); elsewhere the version must be equal where both name one.
 */
function versionFits(entry: Platform, wanted: Platform): boolean {
  if (!wanted.osVersion || !entry.osVersion) return true;
  if (wanted.os !== "windows") return wanted.osVersion === entry.osVersion;
  const build = (version: string) => version.split(".").slice(0, 3).join(".");
  return build(wanted.osVersion) === build(entry.osVersion);
}

function versionNumbers(version = ""): readonly number[] {
  return version.split(".").map((part) => Number.parseInt(part, 10) || 0);
}

function compareVersions(left: readonly number[], right: readonly number[]): number {
  for (let index = 0; index < Math.max(left.length, right.length); index++) {
    const difference = (left[index] ?? 0) - (right[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

function normalizeOs(os: string): string {
  return os === "macos" ? "darwin" : os;
}

/** The one spelling of a variant, empty where it is the default; `7` becomes `v7`. */
function normalizeVariant(architecture: string, variant: string): string {
  const spelled = /^\d/.test(variant) ? `v${variant}` : variant;
  if (architecture === "arm") return spelled === "" ? "v7" : spelled;
  if (architecture === "arm64") {
    return spelled === "v8" || spelled === "v8.0" ? "" : spelled === "v9.0" ? "v9" : spelled;
  }
  if (architecture === "amd64") return spelled === "v1" ? "" : spelled;
  return spelled;
}

function withOsDetails(platform: Platform, osMatch: RegExpExecArray): Platform {
  const osVersion = osMatch[2];
  const osFeatures = (osMatch[3] ?? "").split("+").filter((feature) => feature !== "");
  return normalizePlatform({
    ...platform,
    ...(osVersion ? { osVersion } : {}),
    ...(osFeatures.length > 0 ? { osFeatures } : {}),
  });
}
